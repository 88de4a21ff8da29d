"""What a chunk of items showed, and what every task's scorer gives the referee."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from paritygate.api import Reason
from paritygate.judge.columns import BOTH_RIGHT, BOTH_WRONG, LOST, WON, Column, Kind
from paritygate.stats.bounded import to_units

from ...ending import EvaluatorError
from ...wire import Array
from ..client import Ints
from .truth import Truth

Answers = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Units = npt.NDArray[np.int32]

NO_ANSWER = -1
"""The answer of a model whose task has no classes."""

_FOLLOWING = (Kind.OUTCOME, Kind.CELL)
"""Columns that follow from outcomes and answers: they are not stored."""

_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Scored:
    """What one chunk of items showed, one entry an item."""

    outcomes: npt.NDArray[np.int8]
    """BOTH_WRONG, BOTH_RIGHT, LOST or WON; BOTH_RIGHT throughout where a task knows no right and wrong."""
    columns: Mapping[Column, Units]
    """Every asked column but outcomes and cells, its perturbation left out: the inputs may have been changed or not."""
    baseline: Answers
    """Class numbers (task Multilabel: the number of a set of labels), or NO_ANSWER."""
    candidate: Answers
    confidence: Floats
    """How sure the candidate was of its answer, 0 to 1. Without `scores` it is guessed, and of harmful flips only."""
    baseline_confidence: Floats
    """How sure the baseline was of its answer; NaN without `scores`."""
    baseline_finite: Bools
    candidate_finite: Bools
    probabilities: tuple[Floats, Floats] | None = None
    """Of both models, (items, classes); only for task Classification and with `scores`."""


class Scorer(ABC):
    """Compares the outputs of both models with the labels, item by item.

    Answers are numbers here; `text` gives a number's name. Built by `scorer_for`, which refuses labels and outputs that
    can't be compared. `KINDS` are the columns that it can fill.
    """

    KINDS: frozenset[Kind] = frozenset()

    def __init__(self, pack: str, truth: Truth, columns: Collection[Column]) -> None:
        self._pack = pack
        self._truth = truth
        stored = (replace(column, perturbation="") for column in columns if column.kind not in _FOLLOWING)
        self._columns = tuple(dict.fromkeys(stored))
        wrong = sorted({c.kind for c in columns} - self.KINDS)
        if wrong:
            raise refusal(pack, f"{', '.join(wrong)} can't be measured on a pack of this task; leave the gate out")

    @abstractmethod
    def score(self, indices: Ints, baseline: Sequence[Array], candidate: Sequence[Array]) -> Scored:
        """Compare both models on the items at `indices`: their outputs in the model's order, one row an item.

        Raises EvaluatorError PackInvalid when the baseline's outputs are not what the pack says they are, and
        ModelFailedError of the candidate when only its own are not.
        """

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the labels, sorted, numbers by their size; empty for tasks without any."""
        return ()

    @property
    def corpus(self) -> Ints:
        """Items that both models embed before any other, for `prepare`; they are never judged."""
        return np.zeros(0, np.int64)

    def prepare(self, indices: Ints, baseline: Sequence[Array], candidate: Sequence[Array]) -> tuple[Bools, Bools]:
        """Take the outputs of both models for the corpus items at `indices`, in chunks, each item once.

        Returns per item whether the baseline's and the candidate's outputs are finite: one that is not is a fail.
        """
        raise ValueError("this task has no corpus")

    def text(self, answer: int) -> str:
        """The name of an answer."""
        return ""

    def cells(self, column: Column, indices: Ints, baseline: Answers, candidate: Answers) -> Units:
        """Per item 4 y + 2 yB + yC: is `column.parameter` in the label, the baseline's answer, the candidate's."""
        raise ValueError("this task has no classes")

    def right(self, indices: Ints) -> Answers:
        """The answers that the labels ask for."""
        return np.full(len(indices), NO_ANSWER, np.int32)

    def shares(self, answers: Answers) -> npt.NDArray[np.float64]:
        """How often each class was answered, one entry a class number; a set of labels counts for each of them."""
        return np.zeros(0)


def refusal(pack: str, what: str) -> EvaluatorError:
    """A pack that can't be judged."""
    return EvaluatorError(Reason.PACK_INVALID, f"{pack}: {what}")


def outcomes_of(baseline_right: Bools, candidate_right: Bools) -> npt.NDArray[np.int8]:
    """Right or wrong of both models as one code an item."""
    won = np.where(candidate_right, WON, BOTH_WRONG)
    outcomes: npt.NDArray[np.int8] = np.where(baseline_right, np.where(candidate_right, BOTH_RIGHT, LOST), won)
    return outcomes.astype(np.int8)


def no_outcomes(items: int) -> npt.NDArray[np.int8]:
    """Of a task that knows no right and wrong."""
    return np.full(items, BOTH_RIGHT, np.int8)


def recorded(losses: npt.ArrayLike) -> Units:
    """Losses beyond the baseline's in whole units. What is no number is the worst there is: never a free pass."""
    known = np.nan_to_num(np.asarray(losses, np.float64), nan=1.0, posinf=1.0, neginf=-1.0)
    return to_units(np.clip(known, -1, 1)).astype(np.int32)


def finite(outputs: Sequence[Array]) -> Bools:
    """Per item, whether every number in every output is finite."""
    rows = len(outputs[0])
    clean = np.ones(rows, np.bool_)
    for output in outputs:
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            clean &= np.isfinite(output.reshape(rows, -1)).all(1)
    return clean


def shown(name: str) -> str:
    """A name that a model gave, fit for a record: it may be any text of any length."""
    printable = "".join(c if c.isprintable() else "?" for c in name[:_LONGEST_NAME])
    return printable
