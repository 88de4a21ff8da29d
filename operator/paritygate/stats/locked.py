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

from .flip import FlipBet, growth_optimal_bet
from .harm import SHARES
from .wealth import Floats, Ints, Wealth, check_counts, check_fraction, check_sizes, log_mean_exp

Bools = npt.NDArray[np.bool_]

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
class LockedHarmState(Wealth):
    """The mirror process between two batches. Start one with `LockedHarmState(harm_threshold(gates))`.

    `loss` as in `LockedState`; `logs` are the log wealths of the 24 bets. `log_e` is inf once the failure is certain.
    """

    loss: int = 0
    logs: tuple[float, ...] = (0.0,) * SHARES.size


def allowed_loss(population: int, margin: float) -> int:
    """The fewest net losses, n10 - n01 over the full set, that fail it: ceil(population * margin).

    Exact: the margin is the decimal number that `margin` prints as (0.07 of 100 items are 7, not 7.000000000000001).
    Raises ValueError unless population >= 1 and 0 < margin < 1.
    """
    if population < 1:
        raise ValueError(f"population must be at least 1 item, got {population}")
    return ceil(population * Fraction(repr(float(check_fraction("margin", margin)))))


def bet_path(
    batches: npt.ArrayLike, population: int, margin: float, bet: FlipBet = LOCKED_1, state: LockedState | None = None
) -> Floats:
    """The bet (..., k) on each of `batches` (..., k, 4), resuming after `state`. Raises ValueError as `advance`."""
    allowed = allowed_loss(population, margin)
    counts = check_counts(batches, 4)
    sizes = _check_sizes(counts, population, bet.batch, state.items if state else 0)
    needed = _needed_mean(counts, sizes, population, allowed, state)
    return _bets(counts, sizes, needed, bet, state)


def log_wealth_path(batches: npt.ArrayLike, population: int, margin: float, bet: FlipBet = LOCKED_1) -> Floats:
    """Log wealth (..., k) after each of `batches` (..., k, 4), from the first on. Raises ValueError as `advance`."""
    allowed = allowed_loss(population, margin)
    counts = check_counts(batches, 4)
    sizes = _check_sizes(counts, population, bet.batch, 0)
    path = np.cumsum(_gains(counts, sizes, population, allowed, bet, None), axis=-1)
    return np.where(_certain(counts, sizes, population, allowed, None), np.inf, path)


def log_harm_path(batches: npt.ArrayLike, population: int, margin: float, batch: int = LOCKED_1.batch) -> Floats:
    """Log wealth (..., k) of the mirror after each of `batches` (..., k, 4). Raises ValueError as `advance`."""
    allowed = allowed_loss(population, margin)
    counts = check_counts(batches, 4)
    sizes = _check_sizes(counts, population, batch, 0)
    path = log_mean_exp(np.cumsum(_harm_gains(counts, sizes, population, allowed, None), axis=-2))
    return np.where(_certain_harm(counts, sizes, population, allowed, None), np.inf, path)


def advance(
    state: LockedState, batches: npt.ArrayLike, population: int, margin: float, bet: FlipBet = LOCKED_1
) -> LockedState:
    """The process after `batches` (k, 4) more; cutting a run into several calls changes no bit of the result.

    Raises ValueError naming the value for a population below 1 or smaller than the items counted, a margin outside
    (0, 1), negative or fractional counts, a batch (but the last) that does not hold `bet.batch` items, or a run that
    already ended with a short batch.
    """
    allowed = allowed_loss(population, margin)
    counts = _one_run(batches)
    sizes = _check_sizes(counts, population, bet.batch, state.items)
    gains = _gains(counts, sizes, population, allowed, bet, state)
    path = np.cumsum(np.concatenate(([state.log_e], gains)))[1:]
    path = np.where(_certain(counts, sizes, population, allowed, state), np.inf, path)
    moved = state.after(path, state.items + np.cumsum(sizes))
    n10, n01 = (int(total) for total in counts[:, :2].sum(0))
    return replace(moved, loss=state.loss + n10 - n01, flips=state.flips + n10 + n01)


def advance_harm(
    state: LockedHarmState, batches: npt.ArrayLike, population: int, margin: float, batch: int = LOCKED_1.batch
) -> LockedHarmState:
    """The mirror process, H0': the full set would pass, after `batches` (k, 4) more. Raises ValueError as `advance`."""
    allowed = allowed_loss(population, margin)
    counts = _one_run(batches)
    sizes = _check_sizes(counts, population, batch, state.items)
    if not sizes.size:
        return state
    gains = _harm_gains(counts, sizes, population, allowed, state)
    logs = np.cumsum(np.concatenate((np.array([state.logs]), gains)), axis=0)[1:]
    path = np.where(_certain_harm(counts, sizes, population, allowed, state), np.inf, log_mean_exp(logs))
    moved = state.after(path, state.items + np.cumsum(sizes))
    return replace(moved, loss=state.loss + int(_losses(counts).sum()), logs=tuple(logs[-1].tolist()))


def _one_run(batches: npt.ArrayLike) -> Ints:
    counts = check_counts(batches, 4)
    if counts.ndim != 2:
        raise ValueError(f"one run has batches of shape (k, 4), got {counts.shape}")
    return counts


def _check_sizes(counts: Ints, population: int, batch: int, items_before: int) -> Ints:
    sizes = check_sizes(counts, batch, items_before)
    if sizes.size and (most := items_before + int(sizes.sum(-1).max())) > population:
        raise ValueError(f"the locked set holds {population} items, got {most}")
    return sizes


def _losses(counts: Ints) -> Ints:
    return counts[..., 0] - counts[..., 1]


def _after(counts: Ints, sizes: Ints, state: LockedState | LockedHarmState | None) -> tuple[Ints, Ints]:
    """Items and net losses (..., k) after each batch."""
    items, loss = (state.items, state.loss) if state else (0, 0)
    return items + np.cumsum(sizes, -1), loss + np.cumsum(_losses(counts), -1)


def _needed_mean(
    counts: Ints, sizes: Ints, population: int, total: int, state: LockedState | LockedHarmState | None
) -> Floats:
    """m_t (..., k) before each batch: the mean of the unseen items if the full set shows `total` net losses."""
    items, loss = _after(counts, sizes, state)
    needed: Floats = (total - (loss - _losses(counts))) / (population - (items - sizes))
    return needed


def _certain(counts: Ints, sizes: Ints, population: int, allowed: int, state: LockedState | None) -> Bools:
    items, loss = _after(counts, sizes, state)
    return loss + (population - items) < allowed  # even if every unseen item is lost; once true it stays true


def _certain_harm(counts: Ints, sizes: Ints, population: int, allowed: int, state: LockedHarmState | None) -> Bools:
    items, loss = _after(counts, sizes, state)
    return loss - (population - items) >= allowed


def _bets(counts: Ints, sizes: Ints, needed: Floats, bet: FlipBet, state: LockedState | None) -> Floats:
    flips = counts[..., 0] + counts[..., 1]
    items_before = (state.items if state else 0) + np.cumsum(sizes, -1) - sizes
    flips_before = (state.flips if state else 0) + np.cumsum(flips, -1) - flips
    rate = (flips_before + bet.c * bet.v0) / (items_before + bet.c)
    open_ = (needed > 0) & (needed < 1)  # at or below 0 no bet pays; at 1 and above the counts themselves decide
    m = np.where(open_, needed, 0.5)
    stake: Floats = np.where(open_, np.minimum(growth_optimal_bet(rate, m), bet.cap / (1 - m)), 0.0)
    return stake


def _gains(counts: Ints, sizes: Ints, population: int, allowed: int, bet: FlipBet, state: LockedState | None) -> Floats:
    needed = _needed_mean(counts, sizes, population, allowed, state)
    return _log_factor(counts, sizes, needed, -_bets(counts, sizes, needed, bet, state))


def _harm_gains(counts: Ints, sizes: Ints, population: int, allowed: int, state: LockedHarmState | None) -> Floats:
    needed = _needed_mean(counts, sizes, population, allowed - 1, state)
    open_ = (needed > -1) & (needed < 1)  # at 1 nothing can be too bad; at -1 and below the counts themselves decide
    m = np.where(open_, needed, 0.0)[..., None]
    stakes = np.where(open_[..., None], SHARES / (1 + m), 0.0)
    return _log_factor(counts[..., None, :], sizes[..., None], m, stakes)


def _log_factor(counts: Ints, sizes: Ints, m: Floats, stake: Floats) -> Floats:
    """Log of prod (1 + stake (d - m)) over a batch."""
    n10, n01 = counts[..., 0], counts[..., 1]
    gains: Floats = (
        n10 * np.log1p(stake * (1 - m)) + n01 * np.log1p(-stake * (1 + m)) + (sizes - n10 - n01) * np.log1p(-stake * m)
    )
    return gains
