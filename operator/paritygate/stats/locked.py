"""The locked set as the whole population: "the full set would have shown it", for right/wrong answers.

The set has N = `population` items, drawn without replacement in the preregistered order; d and the batches are those of
`flip`. Losses are whole, so H0 is: the full set would show at least `allowed_loss` = ceil(N margin) net losses. After
t items with net loss S the unseen rest must then reach the mean m_t = (allowed - S)/(N - t), which takes the margin's
place in the bet of `flip`: wealth prod (1 + lambda (m_t - d)). Harm is bet on the exact complement, at most allowed - 1
net losses, so after all N items exactly one of the two is certain.

m_t and the bets are held for a batch, so that counts per batch prove a verdict. The wealth stays a supermartingale:
draws without replacement are negatively associated and the factor is monotone in d, hence the expected product of
factors is at most the product of their expectations (Joag-Dev & Proschan 1983, Ann. Stat. 11). Betting without
replacement: Waudby-Smith & Ramdas 2020 (NeurIPS). Infinite wealth says that what was seen makes the null impossible.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

import numpy as np
import numpy.typing as npt

from .flip import LOSSES, FlipBet, flips, predicted_bets
from .harm import SHARES
from .wealth import (
    Floats,
    Ints,
    Mixture,
    Wealth,
    check_counts,
    check_fraction,
    check_run,
    check_sizes,
    log_gains,
    log_mean_exp,
)

LOCKED_1 = FlipBet(cap=0.95)
"""The bet of a policy that says nothing else. The lower cap: m_t rises as items come, and the bet with it."""


@dataclass(frozen=True, slots=True)
class LockedState(Wealth):
    """The process between two batches. Start one with `LockedState(pass_threshold(alpha))`.

    `loss` is the net loss so far, n10 - n01, and `flips` is n10 + n01. `log_e` is inf once the pass is certain.
    """

    loss: int = 0
    flips: int = 0


@dataclass(frozen=True, slots=True)
class LockedHarmState(Mixture):
    """The mirror process between two batches. Start one with `LockedHarmState(harm_threshold(gates))`.

    `loss` as in `LockedState`. `log_e` is inf once the failure is certain.
    """

    loss: int = 0


def allowed_loss(population: int, margin: float) -> int:
    """The fewest net losses, n10 - n01 over the full set, that fail it: ceil(population * margin).

    Exact: the margin is the decimal number that `margin` prints as (0.07 of 100 items are 7, not 7.000000000000001).
    Raises ValueError unless population >= 1 and 0 < margin < 1.
    """
    if population < 1:
        raise ValueError(f"population must be at least 1 item, got {population}")
    return ceil(population * Fraction(repr(float(check_fraction("margin", margin)))))


def log_wealth_path(batches: npt.ArrayLike, population: int, margin: float, bet: FlipBet = LOCKED_1) -> Floats:
    """Log wealth (..., k) after each of `batches` (..., k, 4), from the first on. Raises ValueError as `advance`."""
    counts, seen = check_counts(batches, 4), _seen(batches, population, margin, bet.batch, None)
    return np.where(seen.certain, np.inf, np.cumsum(_gains(counts, seen, bet, 0), axis=-1))


def log_harm_path(batches: npt.ArrayLike, population: int, margin: float, batch: int = LOCKED_1.batch) -> Floats:
    """Log wealth (..., k) of the mirror after each of `batches` (..., k, 4). Raises ValueError as `advance`."""
    counts, seen = check_counts(batches, 4), _seen(batches, population, margin, batch, None, harm=True)
    return np.where(seen.certain, np.inf, log_mean_exp(np.cumsum(_harm_gains(counts, seen), axis=-2)))


def advance(
    state: LockedState, batches: npt.ArrayLike, population: int, margin: float, bet: FlipBet = LOCKED_1
) -> LockedState:
    """The process after `batches` (k, 4) more; cutting a run into several calls changes no bit of the result.

    Raises ValueError naming the value for a population below 1 or smaller than the items counted, a margin outside
    (0, 1), negative or fractional counts, a batch (but the last) that does not hold `bet.batch` items, or a run that
    already ended with a short batch.
    """
    counts = check_run(batches, 4)
    seen = _seen(counts, population, margin, bet.batch, state)
    path = np.cumsum(np.concatenate(([state.log_e], _gains(counts, seen, bet, state.flips))))[1:]
    moved = state.after(np.where(seen.certain, np.inf, path), seen.items)
    return replace(moved, loss=state.loss + seen.net, flips=state.flips + int(flips(counts).sum()))


def advance_harm(
    state: LockedHarmState, batches: npt.ArrayLike, population: int, margin: float, batch: int = LOCKED_1.batch
) -> LockedHarmState:
    """The mirror process, H0': the full set would pass, after `batches` (k, 4) more. Raises ValueError as `advance`."""
    counts = check_run(batches, 4)
    seen = _seen(counts, population, margin, batch, state, harm=True)
    moved = state.mixed(_harm_gains(counts, seen), counts.sum(-1), seen.certain)
    return replace(moved, loss=state.loss + seen.net)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What each batch (..., k) knows: items behind it, m_t before it, and whether counts alone decide after it."""

    items: Ints
    needed: Floats
    certain: npt.NDArray[np.bool_]
    net: int


def _seen(
    batches: npt.ArrayLike,
    population: int,
    margin: float,
    batch: int,
    state: LockedState | LockedHarmState | None,
    *,
    harm: bool = False,
) -> _Seen:
    allowed, counts = allowed_loss(population, margin), check_counts(batches, 4)
    items_before, loss_before = (state.items, state.loss) if state else (0, 0)
    sizes, losses = check_sizes(counts, batch, items_before), counts[..., 0] - counts[..., 1]
    items, loss = items_before + np.cumsum(sizes, -1), loss_before + np.cumsum(losses, -1)
    if items.size and (most := int(items.max())) > population:
        raise ValueError(f"the locked set holds {population} items, got {most}")
    unseen = population - items
    # Even if every unseen item is lost (won); once true it stays true.
    certain = loss - unseen >= allowed if harm else loss + unseen < allowed
    needed = ((allowed - 1 if harm else allowed) - (loss - losses)) / (unseen + sizes)
    return _Seen(items, needed, certain, int(losses.sum()))


def _gains(counts: Ints, seen: _Seen, bet: FlipBet, flips_before: int) -> Floats:
    open_ = (seen.needed > 0) & (seen.needed < 1)  # at or below 0 no bet pays; at 1 and above the counts decide
    m, sizes = np.where(open_, seen.needed, 0.5), counts.sum(-1)
    before = int(seen.items.flat[0] - sizes.flat[0]) if sizes.size else 0
    stakes = predicted_bets(sizes, flips(counts), m, bet, (before, flips_before))
    return log_gains(LOSSES, counts, seen.needed, np.where(open_, stakes, 0.0))


def _harm_gains(counts: Ints, seen: _Seen) -> Floats:
    open_ = (seen.needed > -1) & (seen.needed < 1)  # at 1 nothing can be too bad; at -1 and below the counts decide
    m = np.where(open_, seen.needed, 0.0)[..., None]
    return log_gains(LOSSES, counts[..., None, :], m, np.where(open_[..., None], -SHARES / (1 + m), 0.0))
