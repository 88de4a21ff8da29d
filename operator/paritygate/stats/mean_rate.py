"""`rate/1` for shares: x in [0, 1] a unit of evidence (the hits among the items of a cluster), H0: E x >= limit.

Wealth: prod (1 + lambda (limit - x)), lambda as in `rate` from the mean of EARLIER batches. For whole hits it is
`rate`; log(1 + lambda (limit - x)) is concave in x, so shares between gain no less than whole hits of the same mean.
Recorded as `bounded` records losses: [[units, count], ...] a batch, rounded UP. Waudby-Smith & Ramdas 2024 (JRSS-B 86).
"""

from dataclasses import dataclass, replace

import numpy as np

from .bounded import SCALE, UNIT, Batches
from .rate import RATE_1, RateBet
from .wealth import Wealth, check_fraction


@dataclass(frozen=True, slots=True)
class MeanState(Wealth):
    """The process between two batches. Start one with `MeanState(pass_threshold(alpha))`."""

    units: int = 0


def advance(state: MeanState, batches: Batches, limit: float, bet: RateBet = RATE_1) -> MeanState:
    """The process after `batches` more; cutting a run into several calls changes no bit of the result.

    Raises ValueError naming the value for a limit outside (0, 1), or a share outside [0, 1].
    """
    check_fraction("limit", limit)
    if not batches:
        return state
    lengths = [len(batch) for batch in batches]
    units, counts = np.array([pair for batch in batches for pair in batch], np.int64).reshape(-1, 2).T
    if len(units) and not (units.min() >= 0 and units.max() <= SCALE):
        raise ValueError(f"a share must lie between 0 and {SCALE} units, got {units.min()} to {units.max()}")
    starts = np.cumsum([0, *lengths[:-1]])
    sizes, totals = np.add.reduceat(counts, starts), np.add.reduceat(counts * units, starts)
    items_before = state.items + np.cumsum(sizes) - sizes
    units_before = state.units + np.cumsum(totals) - totals
    rate = np.minimum(limit, (units_before * UNIT + bet.c * limit / 2) / (items_before + bet.c))
    stakes = np.repeat((limit - rate) / (limit * (1 - limit)), lengths)
    gains = np.add.reduceat(counts * np.log1p(stakes * (limit - units * UNIT)), starts)
    return replace(state.gained(gains, sizes), units=state.units + int(totals.sum()))
