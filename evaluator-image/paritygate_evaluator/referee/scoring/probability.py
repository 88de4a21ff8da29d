"""Probabilities of classes as a model gives them, and proper scores of them.

Losses are in [0, 1] for any numbers in [0, 1], summing to one or not, and nobody gains by leaving the simplex: the
point of the simplex nearest to such a forecast has the better Brier score whatever the label, and the log loss divides
by a sum above one. So a candidate whose quantized softmax is rounded is judged by what it really gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from paritygate.api import Scores

from ...wire import Array
from ..client import Ints, ModelFailedError
from .scorer import Floats, refusal

LARGEST_LOG_LOSS = 10.0
"""In nats: a probability below exp(-10) = 0.00005 of what is right counts as this one."""

_PRECISION, _HALF_PRECISION = 1e-3, 1e-2
"""By how much a probability, or the sum of an item's, may be off: in 32 bits, and in 16."""

_LARGEST = float(np.finfo(np.float32).max)

_STEP = 1 / 256
"""Of a softmax in eight bits, which the candidate may well have: its sum may be off by so much a class."""


def probabilities(output: Array, scores: Scores) -> Floats:
    """(items, classes) float32 from an output (items, classes), or (items,) and (items, 1) for class 1 of two."""
    values = _as_float32(output)
    if values.ndim == 1 or values.shape[1] == 1:
        one = values.reshape(len(values))
        if scores is Scores.LOGITS:
            one = _sigmoid(one)
        return np.stack([1 - one, one], axis=1)
    return _softmax(values) if scores is Scores.LOGITS else values


def answers_of(output: Array, scores: Scores) -> npt.NDArray[np.int32]:
    """The class with the highest score; of one number an item, class 1 above the middle."""
    if output.ndim == 1 or output.shape[1] == 1:
        middle = 0 if scores is Scores.LOGITS else 0.5
        return (output.reshape(len(output)) > middle).astype(np.int32)
    best: npt.NDArray[np.int32] = output.argmax(1).astype(np.int32)
    return best


def label_probabilities(output: Array, scores: Scores) -> Floats:
    """(items, labels) float32 of an output that scores each label apart."""
    values = _as_float32(output)
    return _sigmoid(values) if scores is Scores.LOGITS else values


def confidence_of(forecast: Floats, answers: npt.NDArray[np.int32]) -> Floats:
    """How sure the forecast (items, classes) is of its answers."""
    sure: Floats = forecast[np.arange(len(forecast)), answers]
    return sure


def brier(forecast: Floats, right: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Brier 1950 (Mon. Wea. Rev. 78), halved: (1/2) sum_k (p_k - y_k)^2 in [0, 1]; of two classes (p - y)^2."""
    of_right = forecast[np.arange(len(forecast)), right].astype(np.float64)
    squares = np.einsum("ik,ik->i", forecast, forecast).astype(np.float64)
    losses: npt.NDArray[np.float64] = np.clip((squares - 2 * of_right + 1) / 2, 0, 1)
    return losses


def log_loss(forecast: Floats, right: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """-ln p of what is right, at most `LARGEST_LOG_LOSS` nats, as a share of that: in [0, 1]."""
    of_right = forecast[np.arange(len(forecast)), right].astype(np.float64)
    share = np.clip(of_right / np.maximum(_sums(forecast), 1), np.exp(-LARGEST_LOG_LOSS), 1)
    losses: npt.NDArray[np.float64] = -np.log(share) / LARGEST_LOG_LOSS
    return losses


@dataclass(frozen=True, slots=True)
class ForecastCheck:
    """Whether what the pack calls probabilities are some, wherever they are finite.

    `summing`: those of an item sum to one; False where each label has its own.
    """

    pack: str
    ids: Sequence[str]
    summing: bool

    def check(self, indices: Ints, outputs: tuple[Array, Array], forecasts: tuple[Floats, Floats]) -> None:
        """Raises EvaluatorError PackInvalid for the baseline: then the pack is wrong.

        Raises ModelFailedError for a candidate that alone is wrong: it lost its softmax. Its sums may be off by what
        eight bits a class round away.
        """
        of_baseline, of_candidate = (_HALF_PRECISION if o.dtype.itemsize == 2 else _PRECISION for o in outputs)
        baseline, candidate = forecasts
        if (wrong := self._first_wrong(baseline, of_baseline, of_baseline)) is not None:
            said = self._said(indices[wrong], baseline[wrong])
            raise refusal(self.pack, f"baseline: {said}; write scores: Logits in the pack, or {self._end} the model")
        rounded = max(of_candidate, candidate.shape[1] * _STEP)
        if (wrong := self._first_wrong(candidate, of_candidate, rounded)) is not None:
            said = self._said(indices[wrong], candidate[wrong])
            raise ModelFailedError("candidate", "OutputShape", f"{said}; the baseline's are: {self._end} it, too")

    @property
    def _end(self) -> str:
        return f"add a {'softmax' if self.summing else 'sigmoid'} to"

    def _first_wrong(self, forecast: Floats, range_tolerance: float, sum_tolerance: float) -> int | None:
        if not len(forecast):
            return None
        sums = _sums(forecast)
        wrong = np.zeros(len(forecast), np.bool_)
        with np.errstate(invalid="ignore"):
            if not (forecast.min() >= -range_tolerance and forecast.max() <= 1 + range_tolerance):
                # Row by row only now: it costs twenty times as much.
                wrong |= (forecast.min(1) < -range_tolerance) | (forecast.max(1) > 1 + range_tolerance)
            if self.summing:
                wrong |= np.abs(sums - 1) > sum_tolerance
        # What is not finite is excused here: such an item fails the check of finite outputs, if it is ever judged.
        wrong &= np.isfinite(sums)
        return int(wrong.argmax()) if wrong.any() else None

    def _said(self, index: int, forecast: Floats) -> str:
        low, high, total = float(forecast.min()), float(forecast.max()), float(forecast.sum())
        sums = f" that sum to {total:.4g}" if self.summing else ""
        rule = " and sum to one" if self.summing else ""
        return (
            f"item {self.ids[int(index)]!r}: scores from {low:.4g} to {high:.4g}{sums} are no probabilities, "
            f"which lie in [0, 1]{rule}"
        )


def _sums(forecast: Floats) -> npt.NDArray[np.float64]:
    # Four times as fast as sum(1); a row's sum depends on that row alone, as it must: chunks differ in size.
    sums: npt.NDArray[np.float64] = np.einsum("ik->i", forecast).astype(np.float64)
    return sums


def _as_float32(output: Array) -> Floats:
    """A finite number stays one: infinity has no softmax, and would spoil a figure over all items at the end."""
    if output.dtype.itemsize > 4:
        output = np.clip(output, -_LARGEST, _LARGEST)
    return output.astype(np.float32, copy=False)


def _softmax(logits: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        shares: Floats = logits - logits.max(1, keepdims=True)
        np.exp(shares, out=shares)
        shares /= shares.sum(1, keepdims=True)
    return shares


def _sigmoid(logits: Floats) -> Floats:
    with np.errstate(over="ignore"):
        shares: Floats = np.exp(-logits)
    shares += 1
    np.reciprocal(shares, out=shares)
    return shares
