"""Where a failed candidate departs from the baseline: tensor by tensor, on items that were lost."""

import math

from paritygate.api import LayerRecord
from paritygate.judge import MOST_LAYERS, NOT_FINITE, first_broken

from ..runner.layers import LayerDifference, compare_layers
from .client import Ints, ModelFailedError, Runner

LOOKED_AT = 8


def departures(runner: Runner, lost: Ints) -> tuple[LayerRecord, ...]:
    """The tensors that both models compute, in order, with their relative difference.

    Of more than MOST_LAYERS those around the first that broke. Empty if nothing can be told: it explains a verdict and
    decides nothing, and a model that can't be looked into is left alone.
    """
    if not len(lost):
        return ()
    try:
        found = compare_layers(*runner.layers(lost[:LOOKED_AT]))
    except ModelFailedError:
        return ()
    broken = first_broken([difference.error for difference in found]) or 0
    start = max(0, min(broken - MOST_LAYERS // 2, len(found) - MOST_LAYERS))
    return tuple(map(_record, found[start : start + MOST_LAYERS]))


def _record(layer: LayerDifference) -> LayerRecord:
    return LayerRecord(
        name=layer.name[:256],
        difference=layer.error if math.isfinite(layer.error) else NOT_FINITE,
        saturated=layer.clipped,
    )
