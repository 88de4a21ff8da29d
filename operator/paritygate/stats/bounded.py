"""The flip bet for any bounded loss: Brier and other per-item scores whose difference lies in [-1, 1].

Per item d = loss of the candidate - loss of the baseline, positive = candidate worse; H0: E d >= margin. d is recorded
in whole `units` of 1/16384, rounded UP, so rounding never helps the candidate. A batch is known by how often it holds
each value, so every wealth recomputes without the models.

The process is that of `flip` (and `harm`), with losses of its own in each batch. Waudby-Smith & Ramdas 2024 (JRSS-B
86, section 4); the Brier score is the case of Choe & Ramdas 2024 (Oper. Res. 72).
"""

import numpy as np
import numpy.typing as npt

from . import flip
from .flip import FlipBet
from .harm import mixture_gains
from .interval import proven_margin as proven_of_counts
from .interval import reported_interval
from .wealth import Floats, Gains, Ints, Wealth, check_fraction, check_sizes

SCALE = 16384
"""Units in a loss of 1; a power of two, so that recording and squaring are exact."""

UNIT = 1 / SCALE
"""The resolution of a recorded loss."""

BOUNDED_1 = FlipBet(v0=0.001)
"""The bet of a policy that says nothing else: `v0` believes in squared differences of the size of a Brier score's."""


def to_units(losses: npt.ArrayLike) -> Ints:
    """The record of `losses` d in [-1, 1], of any shape: whole units of 1/16384, rounded UP, in -16384 .. 16384.

    Raises ValueError naming the first value outside [-1, 1] (NaN included).
    """
    d = np.asarray(losses, np.float64)
    if (wrong := ~(np.abs(d) <= 1)).any():
        raise ValueError(f"a loss must lie between -1 and 1, got {d[wrong][0]}")
    units: Ints = np.ceil(d * SCALE).astype(np.int64)
    return units


def cut(units: npt.ArrayLike, batch: int = BOUNDED_1.batch) -> tuple[Floats, Ints]:
    """Losses (..., k, batch) of the runs `units` (..., n), items in the gate's order, and how often each counts.

    Rising within a batch: sums of floats depend on their order in the last bit, and a record does not say it. The
    counts (k, batch) are 0 where the last batch is short. Raises ValueError for fractions or units beyond 16384.
    """
    items = np.asarray(units)
    if items.size and items.dtype.kind not in "iu":
        raise ValueError(f"losses must be whole units of 1/{SCALE}, got {items.dtype}")
    if (wrong := np.abs(items) > SCALE).any():
        raise ValueError(f"a loss must lie between {-SCALE} and {SCALE} units, got {items[wrong][0]}")
    size = items.shape[-1]
    filled = np.concatenate((items, np.full((*items.shape[:-1], -size % batch), SCALE)), axis=-1)
    counts = (np.arange(filled.shape[-1]) < size).astype(np.int64).reshape(-1, batch)
    return np.sort(filled.reshape(*items.shape[:-1], -1, batch)) * UNIT * (counts > 0), counts


def gains(units: npt.ArrayLike, margin: float, bet: FlipBet = BOUNDED_1, state: Wealth | None = None) -> Gains:
    """What the items `units` (..., n) gain after `state`, in k = ceil(n / bet.batch) batches; sums as in `flip.gains`.

    Raises ValueError naming the value for a margin outside (0, 1), units beyond 16384 or fractional, or a run that
    already ended with a short batch.
    """
    losses, counts = cut(units, bet.batch)
    return flip.gains(counts, margin, bet, state, losses=losses)


def harm_gains(units: npt.ArrayLike, margin: float, batch: int = BOUNDED_1.batch, state: Wealth | None = None) -> Gains:
    """The mirror process, H0': E d <= margin: what `units` (..., n) gain of the 24 bets of `harm`.

    Because d was rounded up, the bets are placed against margin + 1/16384: rounding never blames a candidate either.
    Raises ValueError as `gains`.
    """
    losses, counts = cut(units, batch)
    before = state.items if state else 0
    logs = mixture_gains(-losses, counts, -(check_fraction("margin", margin) + UNIT))
    return Gains(logs, check_sizes(counts, batch, before), before=before)


def interval(units: npt.ArrayLike, alpha: float, batch: int = BOUNDED_1.batch) -> tuple[float, float]:
    """(low, high) for the true loss E d of the items `units` (n,), as `interval.reported_interval`.

    `low` lies a unit below what the record alone would say, since d was rounded up.
    """
    losses, counts = cut(units, batch)
    low, high = reported_interval(counts, alpha, losses=losses)
    return max(-1.0, low - UNIT), high


def proven_margin(units: npt.ArrayLike, bet: FlipBet, alpha: float) -> float | None:
    """The smallest margin on `interval.MARGIN_GRID` that this bet proves for `units` (n,), as there; None if none."""
    losses, counts = cut(units, bet.batch)
    return proven_of_counts(counts, bet, alpha, losses=losses)
