"""Task Multilabel: any number of labels an item."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
from paritygate.api import Scores
from paritygate.judge.columns import LOST, Column, Kind

from ...wire import Array
from ..client import Ints, Port
from .outputs import of_numbers, only_output, row_an_item
from .probability import ForecastCheck, label_probabilities
from .scorer import Answers, Bools, Floats, Scored, Scorer, Units, finite, outcomes_of, recorded, refusal
from .truth import NOTHING, SEPARATOR, Truth, class_number, in_order, label_sets

Bits = npt.NDArray[np.uint8]
"""(sets, ceil(labels / 8)): a bit a label, the first label in the highest bit."""


class MultilabelScorer(Scorer):
    """A set of labels an item: right is the whole set; `labelError` is the share of labels that are wrong.

    The model gives (items, labels) floats, and a label is answered above 0.5 (`scores: Probabilities`) or 0 (`Logits`);
    or (items, labels) integers or bools, and a label is answered where it is not 0. The order of its labels is that of
    class numbers, if all labels are such; else that of the names sorted, and then every label of the model must occur
    in the pack, so that the order is certain.
    """

    KINDS = frozenset({Kind.OUTCOME, Kind.CELL, Kind.DIFFERS, Kind.LABEL_ERROR})

    def __init__(
        self,
        pack: str,
        ports: Sequence[Port],
        truth: Truth,
        *,
        output: str | None = None,
        scores: Scores | None = None,
        columns: Collection[Column] = (),
    ) -> None:
        super().__init__(pack, truth, columns)
        self._scores = scores
        self._label_sets = label_sets(truth)
        self._names = in_order({name for names in self._label_sets for name in names})
        self._numeric = all(class_number(name) is not None for name in self._names)
        self._forecasts = ForecastCheck(pack, truth.ids, summing=False)
        self._port = only_output(pack, ports, output, row_an_item, "one of (items, labels) scores")
        self._by_score = of_numbers(ports[self._port])
        if self._by_score and scores is None:
            what = "write scores: Probabilities (a label is answered above 0.5) or scores: Logits (above 0) in the pack"
            raise refusal(pack, f"output {ports[self._port]} holds scores, but not which: {what}")
        self._sets: AnswerSets | None = None
        self._right = np.zeros(0, np.int32)
        if (width := ports[self._port].shape[1]) is not None:
            self._open(width)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, each alone."""
        return tuple(self._names)

    def text(self, answer: int) -> str:
        """The labels of a set, as the label column has them; cut where they are more than fit."""
        return SEPARATOR.join(self._name(label) for label in self._known().labels(answer))[:128] or NOTHING

    def score(self, indices: Ints, baseline: Sequence[Array], candidate: Sequence[Array]) -> Scored:
        """As `Scorer.score`. A set is as sure as its least sure label; a flip is as sure as its surest wrong label."""
        outputs = baseline[self._port], candidate[self._port]
        sets = self._open(outputs[0].shape[1])
        bits = self._bits(outputs[0]), self._bits(outputs[1])
        first, second, right = sets.numbers(bits[0]), sets.numbers(bits[1]), self._right[indices]
        outcomes = outcomes_of(first == right, second == right)
        wrong = bits[1] != sets.unpacked(right)
        confidence, of_baseline = self._confidences(indices, outputs, wrong, outcomes)
        columns = {}
        for column in self._columns:
            if column.kind is Kind.DIFFERS:
                columns[column] = (first != second).astype(np.int32)
            else:
                columns[column] = recorded((wrong.sum(1) - (bits[0] != sets.unpacked(right)).sum(1)) / wrong.shape[1])
        return Scored(
            outcomes=outcomes,
            columns=columns,
            baseline=first,
            candidate=second,
            confidence=confidence,
            baseline_confidence=of_baseline,
            baseline_finite=finite(baseline),
            candidate_finite=finite(candidate),
        )

    def cells(self, column: Column, indices: Ints, baseline: Answers, candidate: Answers) -> Units:
        """As `Scorer.cells`; a label that the pack does not know is in none."""
        if column.parameter not in self._names:
            return np.zeros(len(indices), np.int32)
        sets, label = self._known(), self._number(column.parameter)
        held = [sets.holding(numbers, label) for numbers in (self._right[indices], baseline, candidate)]
        cells: Units = 4 * held[0] + 2 * held[1] + held[2]
        return cells

    def right(self, indices: Ints) -> Answers:
        """As `Scorer.right`."""
        return self._right[indices]

    def shares(self, answers: Answers) -> npt.NDArray[np.float64]:
        """As `Scorer.shares`; the last entry counts the answers without any label."""
        return self._known().counts(answers)

    def _open(self, width: int) -> "AnswerSets":
        """Fix the number of labels, by what the model describes or by its first outputs."""
        if self._sets is None:
            self._check_width(width)
            sets = AnswerSets(width)
            distinct = np.zeros((len(self._label_sets), width), np.bool_)
            for row, names in zip(distinct, self._label_sets, strict=True):
                row[[self._number(name) for name in names]] = True
            self._right = sets.numbers(distinct)[self._truth.codes]
            self._sets = sets
        return self._sets

    def _known(self) -> "AnswerSets":
        if self._sets is None:
            raise ValueError("nothing was scored yet")
        return self._sets

    def _check_width(self, width: int) -> None:
        if self._numeric and self._names and int(self._names[-1]) >= width:
            said = f"the largest label is {self._names[-1]}, the model scores {width} labels, counted from 0"
            raise refusal(self._pack, said)
        if not self._numeric and len(self._names) != width:
            known = ", ".join(self._names)[:200]
            raise refusal(
                self._pack,
                f"the model scores {width} labels, the pack holds {len(self._names)} names ({known}); which is which "
                "is certain only when they are as many: write class numbers 0, 1, ... in the model's order",
            )

    def _number(self, name: str) -> int:
        return int(name) if self._numeric else self._names.index(name)

    def _name(self, label: int) -> str:
        return str(label) if self._numeric else self._names[label]

    def _bits(self, output: Array) -> Bools:
        middle = 0.5 if self._by_score and self._scores is Scores.PROBABILITIES else 0
        bits: Bools = output > middle if self._by_score else output != 0
        return bits

    def _confidences(
        self, indices: Ints, outputs: tuple[Array, Array], wrong: Bools, outcomes: npt.NDArray[np.int8]
    ) -> tuple[Floats, Floats]:
        """Of the candidate in its harmful flips (else 0), and of the baseline."""
        confidence = (outcomes == LOST).astype(np.float32)
        if not self._by_score or self._scores is None:
            return confidence, np.full(len(indices), np.nan, np.float32)
        forecasts = label_probabilities(outputs[0], self._scores), label_probabilities(outputs[1], self._scores)
        if self._scores is Scores.PROBABILITIES:
            self._forecasts.check(indices, outputs, forecasts)
        sure = np.maximum(forecasts[1], 1 - forecasts[1])
        confidence *= np.where(wrong, sure, 0).max(1)
        of_baseline: Floats = np.maximum(forecasts[0], 1 - forecasts[0]).min(1)
        return np.nan_to_num(confidence), of_baseline


class AnswerSets:
    """Sets of `labels` labels, each with a number: an answer is four bytes an item, however many labels there are."""

    def __init__(self, labels: int) -> None:
        self._labels = labels
        self._numbers: dict[bytes, int] = {}
        self._packed: Bits = np.zeros((64, -(-labels // 8)), np.uint8)

    def numbers(self, bits: Bools) -> Answers:
        """The numbers of sets given as (sets, labels), new ones where they are new."""
        packed = np.packbits(bits, axis=1)
        known = len(self._numbers)
        keys = [line.tobytes() for line in packed]
        numbers = np.array([self._numbers.setdefault(key, len(self._numbers)) for key in keys], np.int32)
        while len(self._packed) < len(self._numbers):
            self._packed = np.concatenate([self._packed, np.zeros_like(self._packed)])
        new = numbers >= known
        self._packed[numbers[new]] = packed[new]
        return numbers

    def unpacked(self, numbers: Answers) -> Bools:
        """The sets (sets, labels) of these numbers."""
        return np.unpackbits(self._packed[numbers], axis=1, count=self._labels).view(np.bool_)

    def holding(self, numbers: Answers, label: int) -> Answers:
        """1 where the set holds the label, else 0."""
        held: Answers = (self._packed[numbers, label >> 3] >> (7 - (label & 7))) & 1
        return held.astype(np.int32)

    def labels(self, number: int) -> list[int]:
        """The labels of one set."""
        return [int(label) for label in np.flatnonzero(self.unpacked(np.array([number], np.int32))[0])]

    def counts(self, numbers: Answers) -> npt.NDArray[np.float64]:
        """How many of these sets hold each label; the last entry: how many hold none."""
        distinct, times = np.unique(numbers, return_counts=True)
        held = np.zeros(self._labels + 1)
        for number, count in zip(distinct, times, strict=True):
            members = self.labels(int(number))
            held[members or [self._labels]] += count
        return held
