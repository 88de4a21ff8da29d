"""Where a candidate goes its own way: the tensors inside both models, compared one by one in the order of computing.

A gate says that a candidate is worse; this says from which layer on. Knows neither onnx nor torch: a runtime gives the
tensors (see LayeredModel), names are all that they have in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MOST_ITEMS = 16
"""Items whose layers are compared. Enough to see a broken layer, few enough to keep every tensor of two models."""
MOST_BYTES = 1 << 28
"""Bytes of all tensors of one model."""

QUANTISED, DEQUANTISED = "_QuantizeLinear_Output", "_DequantizeLinear_Output"
"""What follows a tensor's name in the names of its quantised and of its dequantised form, as onnxruntime's quantiser
writes them; the runtimes give the same names to files of other tools."""


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """One tensor that both models compute."""

    name: str
    """Its name in the baseline."""
    place: int
    """Its place among all tensors of the baseline, from 0, in the order of computing."""
    error: float
    """|candidate - baseline| / |baseline|, Euclidean over all values. Infinite where the candidate's are not finite
    and the baseline's are, or where the baseline's are all zero and the candidate's are not."""
    clipped: float | None
    """Share of the baseline's values that the candidate's 8-bit range cut off; None where it has none."""


def compare_layers(baseline: Mapping[str, Array], candidate: Mapping[str, Array]) -> tuple[LayerDifference, ...]:
    """Every floating-point tensor that both models compute, in the baseline's order.

    Both mappings are from tensor name to an array whose first axis are the same items. The candidate's tensor is the
    one of the same name. Where it is quantised, its dequantised form (name + DEQUANTISED) is taken instead, because
    that is what the next layer gets. A tensor that only one of them has (a fused layer, a renamed one), or whose shapes
    differ, can't be compared and is left out: with none in common the result is empty. If one side has fewer items
    (its bytes are bounded), the items that both have are compared.
    """
    return tuple(
        LayerDifference(name, place, _relative_error(array[:count], other[:count]), _clipped(name, array, candidate))
        for place, (name, array) in enumerate(baseline.items())
        if array.dtype.kind == "f" and array.ndim
        for other in (candidate.get(name + DEQUANTISED, candidate.get(name)),)
        if other is not None and other.shape[1:] == array.shape[1:]
        for count in (min(len(array), len(other)),)
    )


def saturation(array: Array) -> float | None:
    """Share of values at the ends of their type's range; None unless int8 or uint8.

    It counts what rightly is there, too: the zeros after a ReLU lie at the lower end. See `clipped` for values that
    were cut off.
    """
    if array.dtype not in (np.int8, np.uint8) or not array.size:
        return None
    ends = np.iinfo(array.dtype)
    return float(np.mean((array == ends.min) | (array == ends.max)))


def clipped(original: Array, quantised: Array, dequantised: Array) -> float | None:
    """Share of values that lie outside the range that an 8-bit tensor can hold, so that they were cut off.

    Cut off = at the end of the range, and further from its original than a step of the range. Three arrays of one
    shape; None unless `quantised` is int8 or uint8, or when it is empty. Quantised per tensor: the step is that between
    the ends of what occurs. If only one value occurs, any difference counts as cut off.
    """
    if quantised.dtype not in (np.int8, np.uint8) or not quantised.size:
        return None
    ends = np.iinfo(quantised.dtype)
    values = np.asarray(dequantised, np.float64)
    steps = int(quantised.max()) - int(quantised.min())
    step = (values.max() - values.min()) / steps if steps else 0.0
    far = np.abs(np.asarray(original, np.float64) - values) > step
    return float(np.mean(((quantised == ends.min) | (quantised == ends.max)) & far))


def _clipped(name: str, original: Array, candidate: Mapping[str, Array]) -> float | None:
    """By the baseline's values: the candidate's own may be from before an activation that its range stands in for."""
    quantised, dequantised = candidate.get(name + QUANTISED), candidate.get(name + DEQUANTISED)
    if quantised is None or dequantised is None or quantised.shape[1:] != original.shape[1:]:
        return None
    count = min(len(original), len(quantised), len(dequantised))
    return clipped(original[:count], quantised[:count], dequantised[:count])


def _relative_error(baseline: Array, candidate: Array) -> float:
    before, after = np.asarray(baseline, np.float64), np.asarray(candidate, np.float64)
    # What is infinite or no number in both is the baseline's own affair.
    known = np.isfinite(before)
    if not np.isfinite(after[known]).all():
        return float("inf")
    error, size = np.linalg.norm(after[known] - before[known]), np.linalg.norm(before[known])
    return float(error / size) if size else (float("inf") if error else 0.0)
