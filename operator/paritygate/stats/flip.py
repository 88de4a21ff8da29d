"""`flip/1`: the candidate loses less than the margin, proved by a bet tuned to the flip rate seen so far.

Per item d = 1{baseline right} - 1{candidate right} in {-1, 0, +1}; H0: E d >= margin. A batch is recorded as
[n10, n01, n11, n00]: baseline right and candidate wrong (d = +1), the reverse (d = -1), both right, both wrong (d = 0).
Any other losses in [-1, 1] are judged alike when they are given with their counts, as `bounded` does.

Wealth: prod (1 + lambda (margin - d)), one lambda per batch, chosen from EARLIER batches only. Betting: Waudby-Smith &
Ramdas 2024 (JRSS-B 86, section 4); paired score differences: Choe & Ramdas 2024 (Oper. Res. 72).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .wealth import Bet, Floats, Gains, Ints, Wealth, check_counts, check_fraction, check_sizes, earlier, log_gains


@dataclass(frozen=True, slots=True)
class FlipBet(Bet):
    """A `Bet` that believes in the flip rate `v0` beforehand (in general, E d^2); `cap` keeps it below 1/(1 - margin),
    where one harmful flip would lose everything. Raises ValueError as `Bet` and unless 0 < v0 < 1 and 0 < cap < 1.
    """

    v0: float = 0.02
    cap: float = 0.999

    def __post_init__(self) -> None:
        Bet.__post_init__(self)
        check_fraction("v0", self.v0)
        check_fraction("cap", self.cap)


LOSSES = np.array([1.0, -1.0, 0.0, 0.0])
"""d of the four kinds of item that a batch counts."""

FLIP_1 = FlipBet()
"""The bet of a policy that says nothing else."""


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
    sizes: Ints, squares: Floats | Ints, margin: npt.ArrayLike, bet: FlipBet, state: Wealth | None = None
) -> Floats:
    """The bet (..., k) on each batch, from the items `sizes` (..., k) and sums of d^2 of EARLIER batches only.

    `margin` broadcasts against (..., k). A `state` that is resumed has the sum of d^2 so far for its last sum.
    """
    items, seen = (state.items, state.sums[-1]) if state and state.sums else (0, 0.0)
    rate = (earlier(squares, seen) + bet.c * bet.v0) / (earlier(sizes, items) + bet.c)
    return np.minimum(growth_optimal_bet(rate, margin), bet.cap / (1 - np.asarray(margin)))


def gains(
    batches: npt.ArrayLike,
    margin: npt.ArrayLike,
    bet: FlipBet = FLIP_1,
    state: Wealth | None = None,
    *,
    losses: Floats = LOSSES,
) -> Gains:
    """What `batches` (..., k, J) gain after `state`; their one sum is that of d^2, for right/wrong the number of flips.

    `losses` (J,) or (..., k, J) are d of what is counted. `margin` may be an array that broadcasts against (..., k):
    one run per margin. Raises ValueError naming the value for a margin outside (0, 1), negative or fractional counts, a
    batch (but the last) that does not hold `bet.batch` items, or a run that already ended with a short batch.
    """
    counts, margins = check_counts(batches, losses.shape[-1]), np.asarray(margin, np.float64)
    for extreme in (margins.min(), margins.max()):
        check_fraction("margin", float(extreme))
    before = state.items if state else 0
    sizes, squares = check_sizes(counts, bet.batch, before), np.vecdot(counts, losses * losses)
    bets = predicted_bets(sizes, squares, margins, bet, state)
    return Gains(log_gains(losses, counts, margins, bets)[..., None], sizes, (squares,), before=before)
