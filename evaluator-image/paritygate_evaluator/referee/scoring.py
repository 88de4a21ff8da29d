"""From the outputs of both models to one outcome an item."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from paritygate.api import Reason
from paritygate.judge import BOTH_RIGHT, BOTH_WRONG, LOST, WON

from ..ending import EvaluatorError
from ..wire import Array
from .client import Port

Answers = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Scored:
    """What one chunk of items showed, one entry an item."""

    outcomes: npt.NDArray[np.int8]
    baseline: Answers
    candidate: Answers
    confidence: npt.NDArray[np.float32]
    """Of harmful flips: how sure the candidate was of its answer, 0 to 1; 1 when the model gives no scores. Else 0."""
    baseline_finite: npt.NDArray[np.bool_]
    candidate_finite: npt.NDArray[np.bool_]


class ClassificationScorer:
    """Right or wrong, by the class with the highest score, or by the class the model names itself.

    Answers and labels are numbers here; `text` gives a number's name. Raises EvaluatorError PackInvalid when no output
    can be compared with the labels.
    """

    def __init__(self, pack: str, ports: Sequence[Port], labels: Sequence[str]) -> None:
        self._pack = pack
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        numeric = all(label.isdecimal() and str(int(label)) == label for label in set(labels))
        scores = [i for i, p in enumerate(ports) if p.dtype.startswith("float") and len(p.shape) == 2]
        named = [i for i, p in enumerate(ports) if not p.dtype.startswith("float") and p.shape[1:] in ((), (1,))]
        if numeric and scores:
            self._port, self._by_score = scores[0], True
        elif named:
            self._port, self._by_score = named[0], False
        else:
            what = ", ".join(map(str, ports))
            hint = "label is not a class number" if scores else "no output is (items, classes) scores or class names"
            raise EvaluatorError(
                Reason.PACK_INVALID,
                f"{pack}: labels such as {labels[0]!r} can't be compared with the model's outputs ({what}): {hint}; "
                "write labels as class numbers 0, 1, ... in the order of the model's scores",
            )
        self._labels = np.array(
            [int(label) if self._by_score else self._number(label) for label in labels], np.int64
        ).astype(np.int32)
        self._largest = int(self._labels.max())

    def text(self, answer: int) -> str:
        """The name of an answer."""
        return str(answer) if self._by_score else self._names[answer]

    def score(self, indices: Array, baseline: Sequence[Array], candidate: Sequence[Array]) -> Scored:
        """Compare both models with the labels of the items at `indices`."""
        first, second = self._answers(baseline[self._port]), self._answers(candidate[self._port])
        right = self._labels[indices]
        was, now = first == right, second == right
        outcomes = np.where(was, np.where(now, BOTH_RIGHT, LOST), np.where(now, WON, BOTH_WRONG)).astype(np.int8)
        confidence = np.zeros(len(outcomes), np.float32)
        lost = np.flatnonzero(outcomes == LOST)
        confidence[lost] = _confidence(candidate[self._port][lost]) if self._by_score else 1
        return Scored(outcomes, first, second, confidence, _finite(baseline), _finite(candidate))

    def _answers(self, output: Array) -> Answers:
        if not self._by_score:
            return np.array([self._number(str(value)) for value in output.reshape(len(output)).tolist()], np.int32)
        if output.ndim != 2 or output.shape[1] < 2 or output.shape[1] <= self._largest:
            raise EvaluatorError(
                Reason.PACK_INVALID,
                f"{self._pack}: the largest label is {self._largest}, the model gives scores of shape "
                f"{list(output.shape[1:])}; labels are class numbers from 0, and two classes need two scores",
            )
        answers: Answers = output.argmax(1).astype(np.int32)
        return answers

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._numbers))
        if number == len(self._names):
            self._names.append(name)
        return number


def _confidence(scores: Array) -> npt.NDArray[np.float32]:
    """The best class's share: as it stands for probabilities, by softmax for logits."""
    scores = np.nan_to_num(scores.astype(np.float32))
    best = scores.max(1, keepdims=True, initial=-np.inf)
    if scores.min(initial=0) >= 0 and best.max(initial=0) <= 1.001:
        share: npt.NDArray[np.float32] = np.clip(best[:, 0], 0, 1)
    else:
        share = (1 / np.exp(scores - best).sum(1)).astype(np.float32)
    return share


def _finite(outputs: Sequence[Array]) -> npt.NDArray[np.bool_]:
    """Per item, whether every number in every output is finite."""
    rows = len(outputs[0])
    finite = np.ones(rows, np.bool_)
    for output in outputs:
        if output.dtype.kind == "f" and not np.isfinite(output).all():
            finite &= np.isfinite(output.reshape(rows, -1)).all(1)
    return finite
