"""Where a failed candidate departs from the baseline: tensor by tensor, on items that were lost."""

import math

from paritygate.api import LayerRecord

from ..runner.layers import LayerDifference, compare_layers, first_broken
from .client import Ints, ModelFailedError, Runner

LOOKED_AT = 8
_MOST = 64


def departures(runner: Runner, lost: Ints) -> tuple[tuple[LayerRecord, ...], str]:
    """The tensors that both models compute, in order, with their relative difference, and where it first broke.

    Of more than 64 those around that place. Empty if nothing can be told: it explains a verdict and decides nothing,
    and a model that can't be looked into is left alone.
    """
    if not len(lost):
        return (), ""
    try:
        found = compare_layers(*runner.layers(lost[:LOOKED_AT]))
    except ModelFailedError:
        return (), ""
    broken = first_broken(found)
    start = max(0, min(found.index(broken) - _MOST // 2, len(found) - _MOST)) if broken else 0
    said = f"It first departs at tensor {broken.name} (relative difference {broken.error:.2f})" if broken else ""
    return tuple(map(_record, found[start : start + _MOST])), said[:400]


def _record(layer: LayerDifference) -> LayerRecord:
    return LayerRecord(
        name=layer.name[:256],
        difference=layer.error if math.isfinite(layer.error) else 1e9,
        saturated=layer.clipped,
    )
