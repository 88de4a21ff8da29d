"""The locked set as the whole population: "the full set would have shown it", for right/wrong answers.

The set has N = `population` items, drawn without replacement in the preregistered order; d and the batches are those of
`flip`. Losses are whole, so H0 is: the full set would show at least `allowed_loss` = ceil(N margin) net losses. After
t items with net loss S the unseen rest must then reach the mean m_t = (allowed - S)/(N - t), which takes the margin's
place in the bet of `flip`: wealth prod (1 + lambda (m_t - d)). Harm is bet on the exact complement, at most allowed - 1
net losses, which is at least 1 - allowed net losses of the other model: the same with the models exchanged, by the
mixture of `harm`. So after all N items exactly one of the two is certain.

m_t and the bets are held for a batch, so that counts per batch prove a verdict. The wealth stays a supermartingale:
draws without replacement are negatively associated and the factor is monotone in d, hence the expected product of
factors is at most the product of their expectations (Joag-Dev & Proschan 1983, Ann. Stat. 11). Betting without
replacement: Waudby-Smith & Ramdas 2020 (NeurIPS). Infinite wealth says that what was seen makes the null impossible.
"""

from fractions import Fraction
from math import ceil

import numpy as np
import numpy.typing as npt

from .flip import LOSSES, FlipBet, predicted_bets
from .harm import mixture_gains
from .wealth import Floats, Gains, Ints, Wealth, check_counts, check_fraction, check_sizes, earlier, log_gains

LOCKED_1 = FlipBet(cap=0.95)
"""The bet of a policy that says nothing else. The lower cap: m_t rises as items come, and the bet with it."""

_EXCHANGED = [1, 0, 2, 3]  # a harmful flip of one model is a beneficial one of the other


def allowed_loss(population: int, margin: float) -> int:
    """The fewest net losses, n10 - n01 over the full set, that fail it: ceil(population * margin).

    Exact: the margin is the decimal number that `margin` prints as (0.07 of 100 items are 7, not 7.000000000000001).
    Raises ValueError unless population >= 1 and 0 < margin < 1.
    """
    if population < 1:
        raise ValueError(f"population must be at least 1 item, got {population}")
    return ceil(population * Fraction(repr(float(check_fraction("margin", margin)))))


def gains(
    batches: npt.ArrayLike, population: int, margin: float, bet: FlipBet = LOCKED_1, state: Wealth | None = None
) -> Gains:
    """What `batches` (..., k, 4) gain after `state`; sums: the net losses, n10 - n01, and the flips, n10 + n01.

    Raises ValueError naming the value for a population below 1 or smaller than the items counted, a margin outside
    (0, 1), negative or fractional counts, a batch (but the last) that does not hold `bet.batch` items, or a run that
    already ended with a short batch.
    """
    counts = check_counts(batches, 4)
    sizes, losses, needed, certain = _needed(counts, population, allowed_loss(population, margin), bet.batch, state)
    flips, open_ = counts[..., 0] + counts[..., 1], (needed > 0) & (needed < 1)
    # At or below 0 no bet pays; at 1 and above the counts decide.
    bets = np.where(open_, predicted_bets(sizes, flips, np.where(open_, needed, 0.5), bet, state), 0.0)
    logs = log_gains(LOSSES, counts, needed, bets)[..., None]
    return Gains(logs, sizes, (losses, flips), certain, state.items if state else 0)


def harm_gains(
    batches: npt.ArrayLike, population: int, margin: float, batch: int = LOCKED_1.batch, state: Wealth | None = None
) -> Gains:
    """The mirror process, H0': the full set would pass; the one sum of `batches` (..., k, 4) is n01 - n10.

    Raises ValueError as `gains`.
    """
    counts = check_counts(batches, 4)[..., _EXCHANGED]
    allowed = 1 - allowed_loss(population, margin)
    sizes, losses, needed, certain = _needed(counts, population, allowed, batch, state)
    open_ = np.abs(needed) < 1  # at -1 nothing can be too bad; at 1 and above the counts decide
    logs = np.where(open_[..., None], mixture_gains(LOSSES, counts, np.where(open_, needed, 0.0)), 0.0)
    return Gains(logs, sizes, (losses,), certain, state.items if state else 0)


def _needed(
    counts: Ints, population: int, allowed: int, batch: int, state: Wealth | None
) -> tuple[Ints, Ints, Floats, npt.NDArray[np.bool_]]:
    """Of each batch (..., k): its size, its net losses, m_t before it, and whether after it even the loss of all the
    rest is less than `allowed`.
    """
    items, loss = (state.items, state.sums[0]) if state and state.sums else (0, 0)
    sizes, losses = check_sizes(counts, batch, items), counts[..., 0] - counts[..., 1]
    seen, lost = earlier(sizes, items), earlier(losses, loss)
    unseen = population - seen
    if (most := seen + sizes).size and most.max() > population:
        raise ValueError(f"the locked set holds {population} items, got {most.max()}")
    return sizes, losses, (allowed - lost) / unseen, lost + losses + (unseen - sizes) < allowed
