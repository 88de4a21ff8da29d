"""The flip bet for any bounded loss: Brier and other per-item scores whose difference lies in [-1, 1].

Per item d = loss of the candidate - loss of the baseline, positive = candidate worse; H0: E d >= margin. d is recorded
rounded UP to a whole number of units of 1/16384, so rounding never helps the candidate, and a batch is recorded as
[[units, count], ...], so that every wealth recomputes without the models.

Wealth: prod (1 + lambda (margin - d)), one lambda per batch, chosen from EARLIER batches by the rule of `flip`.
Waudby-Smith & Ramdas 2024 (JRSS-B 86, section 4); the Brier score is the case of Choe & Ramdas 2024 (Oper. Res. 72).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .flip import FlipBet, predicted_bets
from .harm import SHARES
from .interval import least_rejected, smallest_latched
from .wealth import Floats, Ints, Mixture, Wealth, check_fraction, check_sizes, log_gains, log_mean_exp, pass_threshold

SCALE = 16384
"""Units in a loss of 1; a power of two, so that recording and squaring are exact."""

UNIT = 1 / SCALE
"""The resolution of a recorded loss."""

BOUNDED_1 = FlipBet(v0=0.001)
"""The bet of a policy that says nothing else: `v0` believes in squared differences of the size of a Brier score's."""

Batches = Sequence[Sequence[Sequence[int]]]
"""Batches in order, each [[units, count], ...]."""


@dataclass(frozen=True, slots=True)
class BoundedState(Wealth):
    """The process between two batches. Start one with `BoundedState(pass_threshold(alpha))`.

    `squares` is the sum of units^2 so far: all that the next bet depends on.
    """

    squares: int = 0


BoundedHarmState = Mixture
"""The mirror process between two looks. Start one with `BoundedHarmState(harm_threshold(gates))`."""


def to_units(losses: npt.ArrayLike) -> Ints:
    """The record of `losses` d in [-1, 1], of any shape: whole units of 1/16384, rounded UP, in -16384 .. 16384.

    Raises ValueError naming the first value outside [-1, 1] (NaN included).
    """
    d = np.asarray(losses, np.float64)
    if (wrong := ~(np.abs(d) <= 1)).any():
        raise ValueError(f"a loss must lie between -1 and 1, got {d[wrong][0]}")
    units: Ints = np.ceil(d * SCALE).astype(np.int64)
    return units


def count_batches(units: npt.ArrayLike, batch: int = BOUNDED_1.batch) -> list[list[list[int]]]:
    """The record of one run: `units` (n,) in the gate's order, cut into batches, counted by value, in rising order.

    Raises ValueError for another shape, fractions or units beyond 16384.
    """
    items = _check_units(units)
    if items.ndim != 1:
        raise ValueError(f"one run has units of shape (n,), got {items.shape}")
    cut = (items[i : i + batch].tolist() for i in range(0, items.size, batch))
    return [[[value, count] for value, count in sorted(Counter(part).items())] for part in cut]


def log_wealth_path(units: npt.ArrayLike, margin: float, bet: FlipBet = BOUNDED_1) -> Floats:
    """Log wealth (..., k) after each batch of the runs `units` (..., n), items in order; k = ceil(n / bet.batch).

    Raises ValueError for a margin outside (0, 1), fractions or units beyond 16384.
    """
    check_fraction("margin", margin)
    losses, counts = _cut(_check_units(units), bet.batch)
    return np.cumsum(_gains(losses, counts, margin, bet, None), axis=-1)


def log_harm_path(units: npt.ArrayLike, margin: float, batch: int = BOUNDED_1.batch) -> Floats:
    """Log wealth (..., k) against `E d <= margin` after each batch of `units` (..., n). Errors as `log_wealth_path`."""
    check_fraction("margin", margin)
    losses, counts = _cut(_check_units(units), batch)
    return log_mean_exp(np.cumsum(_harm_gains(losses, counts, margin), axis=-2))


def advance(state: BoundedState, batches: Batches, margin: float, bet: FlipBet = BOUNDED_1) -> BoundedState:
    """The process after `batches` more; cutting a run into several calls changes no bit of the result.

    Raises ValueError naming the value for a margin outside (0, 1), units beyond 16384 or fractional, a count below 1, a
    value counted twice, a batch (but the last) that does not hold `bet.batch` items, or a run that already ended with
    a short batch.
    """
    check_fraction("margin", margin)
    losses, counts = _expand(batches, bet.batch, state.items)
    moved = state.gained(_gains(losses, counts, margin, bet, state), counts.sum(-1))
    return replace(moved, squares=state.squares + int((losses * losses).sum() * SCALE**2))


def advance_harm(
    state: BoundedHarmState, batches: Batches, margin: float, batch: int = BOUNDED_1.batch
) -> BoundedHarmState:
    """The mirror process, H0': E d <= margin, after `batches` more: an equal mixture of the 24 bets of `harm`.

    Because d was rounded up, the bets are placed against margin + 1/16384: rounding never blames a candidate either.
    Raises ValueError as `advance`.
    """
    check_fraction("margin", margin)
    losses, counts = _expand(batches, batch, state.items)
    return state.mixed(_harm_gains(losses, counts, margin), counts.sum(-1))


def estimate(batches: Batches) -> float | None:
    """The mean loss of the items recorded, at most a unit above that of the losses themselves; None for no items."""
    pairs, sizes = _check_pairs(batches)
    return float(pairs[:, 0] @ pairs[:, 1]) * UNIT / int(sizes.sum()) if sizes.size else None


def interval(batches: Batches, alpha: float) -> tuple[float, float]:
    """(low, high) for the true loss E d, a look after each of `batches`, of any size; as `interval.reported_interval`.

    `low` lies a unit below what the record alone would say, since d was rounded up. Raises ValueError for an alpha
    outside (0, 1) or a broken record.
    """
    threshold = pass_threshold(check_fraction("alpha", alpha) / 2)
    pairs, sizes = _check_pairs(batches)
    losses = np.repeat(pairs[:, 0], pairs[:, 1]).astype(np.float64) * UNIT
    starts = np.cumsum(sizes) - sizes
    low, high = (_bound(sign * losses, starts, threshold) for sign in (-1, 1))
    return max(-1.0, -low - UNIT), high


def _bound(losses: Floats, starts: Ints, threshold: float) -> float:
    logs = np.empty((SHARES.size, losses.size))  # reused: two dozen of these are worked out

    def path(mean: float) -> Floats:
        np.multiply((SHARES / (1 - mean))[:, None], mean - losses, out=logs)
        np.log1p(logs, out=logs)
        return log_mean_exp(np.cumsum(np.add.reduceat(logs, starts, axis=-1), axis=-1).T)

    return least_rejected(path, threshold) if losses.size else 1.0


def proven_margin(batches: Batches, bet: FlipBet, alpha: float) -> float | None:
    """The smallest margin on `interval.MARGIN_GRID` that this bet proves, with all larger ones; None if none.

    As `interval.proven_margin`. Raises ValueError as `advance`.
    """
    threshold = pass_threshold(alpha)
    losses, counts = _expand(batches, bet.batch, 0)

    def path(margins: Floats, k: int) -> Floats:
        return np.cumsum(_gains(losses[:k], counts[:k], margins, bet, None), axis=-1)

    return smallest_latched(path, len(losses), threshold)


def _check_units(units: npt.ArrayLike) -> Ints:
    items = np.asarray(units)
    if not items.size:
        return items.astype(np.int64)
    if items.dtype.kind not in "iu":
        raise ValueError(f"losses must be whole units of 1/16384, got {items.dtype}")
    if (wrong := np.abs(items) > SCALE).any():
        raise ValueError(f"a loss must lie between {-SCALE} and {SCALE} units, got {items[wrong].flat[0]}")
    return items.astype(np.int64, copy=False)


def _cut(units: Ints, batch: int) -> tuple[Floats, Ints]:
    """Losses (..., k, batch), rising within each batch, and how often each counts (k, batch): 0 fills a short batch.

    Sums of floats depend on their order in the last bit, and a record says nothing of the order within a batch.
    """
    missing = -units.shape[-1] % batch
    filled = np.concatenate((units, np.full((*units.shape[:-1], missing), SCALE)), axis=-1)
    counts = (np.arange(filled.shape[-1]) < units.shape[-1]).astype(np.int64).reshape(-1, batch)
    return np.sort(filled.reshape(*units.shape[:-1], -1, batch)) * UNIT * (counts > 0), counts


def _expand(batches: Batches, batch: int, items_before: int) -> tuple[Floats, Ints]:
    pairs, sizes = _check_pairs(batches)
    check_sizes(sizes[:, None], batch, items_before)
    return _cut(np.repeat(pairs[:, 0], pairs[:, 1]), batch)


def _check_pairs(batches: Batches) -> tuple[Ints, Ints]:
    """All [units, count] of the batches in one table (p, 2), rising within a batch, and the items (k,) of each."""
    lengths = [len(part) for part in batches]
    try:
        pairs = np.array([pair for part in batches for pair in part]).reshape(sum(lengths), 2)
    except (ValueError, TypeError):
        raise ValueError("a batch must be a list of [units, count]") from None
    if not all(lengths):
        raise ValueError("a batch must be a list of [units, count], got an empty one")
    units, owner = _check_units(pairs[:, 0]), np.repeat(np.arange(len(lengths)), lengths)
    if (low := int(pairs[:, 1].min(initial=1))) < 1:
        raise ValueError(f"a count must be at least 1, got {low}")
    order = np.lexsort((units, owner))
    twice = (np.diff(units[order]) == 0) & (np.diff(owner[order]) == 0)
    if twice.any():
        raise ValueError(f"a batch counts one value twice: {units[order][1:][twice][0]}")
    sizes = np.bincount(owner, pairs[:, 1], len(lengths)).astype(np.int64)
    return pairs[order].astype(np.int64), sizes


def _gains(losses: Floats, counts: Ints, margin: npt.ArrayLike, bet: FlipBet, state: BoundedState | None) -> Floats:
    before = (state.items, state.squares * UNIT**2) if state else (0, 0.0)
    stakes = predicted_bets(counts.sum(-1), (losses * losses).sum(-1), margin, bet, before)
    return log_gains(losses, counts, margin, stakes)


def _harm_gains(losses: Floats, counts: Ints, margin: float) -> Floats:
    bar = margin + UNIT  # E d <= margin leaves the mean of what was rounded up below this
    return log_gains(losses[..., None, :], counts[:, None, :], bar, -SHARES / (1 + bar))
