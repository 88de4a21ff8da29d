"""Where a failed candidate departs from the baseline: tensor by tensor, on items that were lost."""

import math

from paritygate.api import LayerRecord

from ..runner.layers import compare_layers
from .client import Ints, ModelFailedError, Runner

LOOKED_AT = 8
DEPARTED = 0.25
"""Relative difference of a tensor that says more than rounding."""

_MOST = 64


def departures(runner: Runner, lost: Ints) -> tuple[LayerRecord, ...]:
    """The tensors that both models compute, in order, with their relative difference; empty if nothing can be told.

    It explains a verdict and decides nothing: a model that can't be looked into is left alone.
    """
    if not len(lost):
        return ()
    try:
        found = compare_layers(*runner.layers(lost[:LOOKED_AT]))
    except ModelFailedError:
        return ()
    return tuple(
        LayerRecord(
            name=layer.name[:256],
            difference=layer.error if math.isfinite(layer.error) else 1e9,
            saturated=layer.clipped,
        )
        for layer in found[:_MOST]
    )
