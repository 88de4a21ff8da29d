"""`flip/1`: the candidate loses less than the margin, proved by a bet tuned to the flip rate seen so far.

Per item d = 1{baseline right} - 1{candidate right} in {-1, 0, +1}; H0: E d >= margin. A batch is recorded as
[n10, n01, n11, n00]: baseline right and candidate wrong (d = +1), the reverse (d = -1), both right, both wrong (d = 0).

Wealth: prod (1 + lambda (margin - d)), one lambda per batch, chosen from EARLIER batches only. Betting: Waudby-Smith &
Ramdas 2024 (JRSS-B 86, section 4); paired score differences: Choe & Ramdas 2024 (Oper. Res. 72).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .wealth import Floats, Ints, Wealth, check_counts, check_fraction, check_run, check_sizes, log_gains


@dataclass(frozen=True, slots=True)
class FlipBet:
    """The preregistered parameters of the bet. Any value is valid; only speed changes.

    `v0` is the flip rate believed beforehand, weighing as much as `c` items; `batch` is the number of items one bet
    lasts; `cap` keeps the bet below 1/(1 - margin), where one harmful flip would lose everything.
    Raises ValueError unless c > 0, 0 < v0 < 1, batch >= 1, 0 < cap < 1.
    """

    c: float = 200.0
    v0: float = 0.02
    batch: int = 8
    cap: float = 0.999

    def __post_init__(self) -> None:
        if not 0 < self.c < float("inf"):
            raise ValueError(f"c must be positive, got {self.c}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1 item, got {self.batch}")
        check_fraction("v0", self.v0)
        check_fraction("cap", self.cap)


LOSSES = np.array([1.0, -1.0, 0.0, 0.0])
"""d of the four kinds of item that a batch counts."""

FLIP_1 = FlipBet()
"""The bet of a policy that says nothing else."""


@dataclass(frozen=True, slots=True)
class FlipState(Wealth):
    """The process between two batches. Start one with `FlipState(pass_threshold(alpha))`.

    `squares` is the sum of d^2 so far (for right/wrong the number of flips): all that the next bet depends on.
    """

    squares: float = 0.0


def growth_optimal_bet(v: npt.ArrayLike, m: npt.ArrayLike) -> Floats:
    """The bet lambda that maximises expected log wealth when nothing is lost and flips happen at rate `v`.

    The positive root of m(1 - m^2) l^2 + (v - 2 m^2) l - m = 0, in the form that does not cancel. `v` in [0, 1] and
    margin `m` in (0, 1) broadcast. Kelly 1956; Waudby-Smith & Ramdas 2024, section 4.2 (there by search).
    """
    v, m = np.asarray(v, np.float64), np.asarray(m, np.float64)
    h = v - 2 * m * m
    s = np.sqrt(h * h + 4 * m * m * (1 - m * m))
    best: Floats = np.where(h > 0, 2 * m / (h + s), (s - h) / (2 * m * (1 - m * m)))
    return best


def predicted_bets(
    sizes: Ints, squares: npt.ArrayLike, margin: npt.ArrayLike, bet: FlipBet, before: tuple[int, float] = (0, 0.0)
) -> Floats:
    """The bet (..., k) on each batch, from the items `sizes` (..., k) and sums of d^2 of EARLIER batches only.

    `before` holds both totals of a run that is resumed; `margin` broadcasts against (..., k).
    """
    squares = np.asarray(squares)
    items_before = before[0] + np.cumsum(sizes, -1) - sizes
    squares_before = before[1] + np.cumsum(squares, -1) - squares
    rate = (squares_before + bet.c * bet.v0) / (items_before + bet.c)
    return np.minimum(growth_optimal_bet(rate, margin), bet.cap / (1 - np.asarray(margin)))


def bet_path(batches: npt.ArrayLike, margin: float, bet: FlipBet = FLIP_1, state: FlipState | None = None) -> Floats:
    """The bet (..., k) placed on each batch of `batches` (..., k, 4), in order, resuming after `state`.

    Raises ValueError as `advance` does.
    """
    check_fraction("margin", margin)
    counts = check_counts(batches, 4)
    sizes = check_sizes(counts, bet.batch, state.items if state else 0)
    return predicted_bets(sizes, flips(counts), margin, bet, (state.items, state.squares) if state else (0, 0.0))


def log_wealth_path(batches: npt.ArrayLike, margin: npt.ArrayLike, bet: FlipBet = FLIP_1) -> Floats:
    """Log wealth (..., k) after each batch of `batches` (..., k, 4), from the first batch on.

    `margin` may be an array that broadcasts against (..., k): one path per margin. Raises ValueError as `advance`.
    """
    margins = np.asarray(margin, np.float64)
    for extreme in (margins.min(), margins.max()):
        check_fraction("margin", float(extreme))
    counts = check_counts(batches, 4)
    stakes = predicted_bets(check_sizes(counts, bet.batch), flips(counts), margins, bet)
    return np.cumsum(log_gains(LOSSES, counts, margins, stakes), axis=-1)


def advance(state: FlipState, batches: npt.ArrayLike, margin: float, bet: FlipBet = FLIP_1) -> FlipState:
    """The process after `batches` (k, 4) more; cutting a run into several calls changes no bit of the result.

    Raises ValueError naming the value for a margin outside (0, 1), negative or fractional counts, a batch (but the
    last) that does not hold `bet.batch` items, or a run that already ended with a short batch.
    """
    counts = check_run(batches, 4)
    moved = state.gained(log_gains(LOSSES, counts, margin, bet_path(counts, margin, bet, state)), counts.sum(-1))
    return replace(moved, squares=state.squares + float(flips(counts).sum()))


def flips(counts: Ints) -> Ints:
    """Items (..., k) whose answer went from right to wrong or back, of `counts` (..., k, 4)."""
    return counts[..., 0] + counts[..., 1]
