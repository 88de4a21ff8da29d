"""Task Classification: one class an item, right or wrong."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
from paritygate.api import Scores
from paritygate.judge.columns import Column, Kind

from ...wire import Array
from ..client import Ints, Port
from .outputs import judged_output, listed, of_numbers, one_an_item, row_an_item
from .probability import ForecastCheck, answers_of, brier, confidence_of, log_loss, probabilities
from .scorer import (
    Answers,
    Bools,
    Floats,
    Scored,
    Scorer,
    Units,
    finite,
    outcomes_of,
    recorded,
    refusal,
    shown,
)
from .truth import Truth, class_number, in_order

_OF_FORECASTS = frozenset({Kind.BRIER, Kind.LOG_LOSS, Kind.ABSTENTION})


class ClassificationScorer(Scorer):
    """The class with the highest score, or the class that the model names itself.

    Labels are class numbers 0, 1, ... in the order of the scores, or the names that the model gives. The output that is
    judged is the pack's `output`, else the only one that could be: (items, classes) floats; with `scores` also
    (items,) or (items, 1) floats, the score of class 1 of two; else (items,) integers or texts, the class itself.
    """

    KINDS = frozenset({Kind.OUTCOME, Kind.CELL, Kind.DIFFERS}) | _OF_FORECASTS

    def __init__(
        self,
        pack: str,
        ports: Sequence[Port],
        labels: Sequence[str] | Truth,
        *,
        output: str | None = None,
        scores: Scores | None = None,
        columns: Collection[Column] = (),
    ) -> None:
        truth = labels if isinstance(labels, Truth) else Truth.of(labels, [f"row {i}" for i in range(len(labels))])
        super().__init__(pack, truth, columns)
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._scores = scores
        self._check_scores()
        self._port = self._choose(ports, output)
        self._by_score = of_numbers(ports[self._port])
        self._right = self._numbered()[truth.codes]
        self._forecasts = ForecastCheck(pack, truth.ids, summing=True)
        width = ports[self._port].shape[1:]
        if self._by_score and len(width) == 1 and width[0] is not None:
            self._check_width(width[0])

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels."""
        return tuple(in_order(set(self._truth.values)))

    def text(self, answer: int) -> str:
        """The class's number or name."""
        return str(answer) if self._by_score else shown(self._names[answer])

    def score(self, indices: Ints, baseline: Sequence[Array], candidate: Sequence[Array]) -> Scored:
        """As `Scorer.score`."""
        outputs = baseline[self._port], candidate[self._port]
        first, second = self._answers(outputs[0]), self._answers(outputs[1])
        right = self._right[indices]
        outcomes = outcomes_of(first == right, second == right)
        columns = {c: (first != second).astype(np.int32) for c in self._columns if c.kind is Kind.DIFFERS}
        forecasts = None
        if self._scores is None:
            confidence = self._guessed(outputs[1], first != second)
            of_baseline = np.full(len(indices), np.nan, np.float32)
        else:
            forecasts = probabilities(outputs[0], self._scores), probabilities(outputs[1], self._scores)
            if self._scores is Scores.PROBABILITIES:
                self._forecasts.check(indices, outputs, forecasts)
            of_baseline, confidence = confidence_of(forecasts[0], first), confidence_of(forecasts[1], second)
            for column in self._columns:
                if column.kind in _OF_FORECASTS:
                    columns[column] = _column(column, forecasts, (of_baseline, confidence), right)
        return Scored(
            outcomes=outcomes,
            columns=columns,
            baseline=first,
            candidate=second,
            confidence=confidence,
            baseline_confidence=of_baseline,
            baseline_finite=finite(baseline),
            candidate_finite=finite(candidate),
            probabilities=forecasts,
        )

    def cells(self, column: Column, indices: Ints, baseline: Answers, candidate: Answers) -> Units:
        """As `Scorer.cells`; a class that nobody answered and no label names is in none."""
        number = class_number(column.parameter) if self._by_score else self._numbers.get(column.parameter)
        asked = -1 if number is None else number
        cells: Units = 4 * (self._right[indices] == asked) + 2 * (baseline == asked) + (candidate == asked)
        return cells.astype(np.int32)

    def right(self, indices: Ints) -> Answers:
        """As `Scorer.right`."""
        return self._right[indices]

    def shares(self, answers: Answers) -> npt.NDArray[np.float64]:
        """As `Scorer.shares`."""
        return np.bincount(answers).astype(np.float64)

    def _check_scores(self) -> None:
        """That probabilities are declared where a column needs them."""
        asked = sorted({c.kind for c in self._columns} & _OF_FORECASTS)
        if asked and self._scores is None:
            what = f"{', '.join(asked)} reads probabilities: write scores: Probabilities or scores: Logits in the pack"
            raise refusal(self._pack, what)

    def _choose(self, ports: Sequence[Port], output: str | None) -> int:
        """Scores before names, rows of scores before single ones; what can't be meant is refused."""
        numeric = all(class_number(value) is not None for value in self._truth.values)
        ways = [_is_row, _is_single if self._scores else _is_name] if numeric else [] if self._scores else [_is_name]
        place = judged_output(self._pack, ports, output, ways)
        if place is not None:
            return place
        asked = [port for port in ports if output in (None, port.name)]
        hint = "no output is (items, classes) scores or class names"
        if not numeric and any(map(of_numbers, asked)):
            hint = "label is not a class number"
        elif any(map(_is_single, asked)):
            hint = "one number an item is a score only if the pack says scores: Probabilities or scores: Logits"
        raise refusal(
            self._pack,
            f"labels such as {self._example(numeric)!r} can't be compared with the model's outputs ({listed(asked)}): "
            f"{hint}; write labels as class numbers 0, 1, ... in the order of the model's scores",
        )

    def _example(self, numeric: bool) -> str:
        wrong = (value for value in self._truth.values if numeric or class_number(value) is None)
        return next(wrong)

    def _numbered(self) -> Answers:
        values = self._truth.values
        return np.array([int(value) if self._by_score else self._number(value) for value in values], np.int32)

    def _answers(self, output: Array) -> Answers:
        if not self._by_score:
            values, places = np.unique(output.reshape(len(output)), return_inverse=True)
            return np.array([self._number(str(value)) for value in values.tolist()], np.int32)[places]
        self._check_width(1 if output.ndim == 1 else output.shape[1] if output.ndim == 2 else 0, output.shape[1:])
        return answers_of(output, self._scores or Scores.PROBABILITIES)

    def _check_width(self, width: int, shape: Sequence[int] | None = None) -> None:
        """That the scores are as many as classes; one is enough for two where `scores` says what it is."""
        largest = int(self._right.max())
        classes = 2 if width == 1 and self._scores else width
        if classes < 2 or classes <= largest:
            raise refusal(
                self._pack,
                f"the largest label is {largest}, the model gives scores of shape "
                f"{list(shape if shape is not None else (width,))}; labels are class numbers from 0, and two classes "
                "need two scores, or one and scores: Probabilities or Logits in the pack",
            )

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._numbers))
        if number == len(self._names):
            self._names.append(name)
        return number

    def _guessed(self, output: Array, moved: npt.NDArray[np.bool_]) -> Floats:
        """How sure the candidate was where it answers otherwise, when nobody says what the scores are."""
        confidence = np.zeros(len(moved), np.float32)
        told = np.flatnonzero(moved)
        confidence[told] = _likely_confidence(output[told]) if self._by_score else 1
        return confidence


def _is_row(port: Port) -> bool:
    return of_numbers(port) and row_an_item(port)


def _is_single(port: Port) -> bool:
    return of_numbers(port) and one_an_item(port)


def _is_name(port: Port) -> bool:
    return not of_numbers(port) and one_an_item(port)


def _column(
    column: Column, forecasts: tuple[Floats, Floats], confidences: tuple[Floats, Floats], right: Answers
) -> Units:
    """The column's entries; of `abstention`, "right" is to answer: a model that is less sure than that abstains."""
    if column.kind is Kind.ABSTENTION:
        least = float(column.parameter)
        answers: tuple[Bools, Bools] = (confidences[0] >= least, confidences[1] >= least)
        return outcomes_of(*answers).astype(np.int32)
    loss = brier if column.kind is Kind.BRIER else log_loss
    return recorded(loss(forecasts[1], right) - loss(forecasts[0], right))


def _likely_confidence(scores: Array) -> Floats:
    """The best class's share: as it stands for what looks like probabilities, by softmax for anything else."""
    known = np.nan_to_num(scores.astype(np.float32))
    best = known.max(1, keepdims=True, initial=-np.inf)
    likely = known.min(initial=0) >= 0 and best.max(initial=0) <= 1.001
    share: Floats = best[:, 0] if likely else 1 / np.exp(known - best).sum(1)
    return np.clip(share, 0, 1).astype(np.float32)
