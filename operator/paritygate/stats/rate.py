"""`rate/1`: an event (a harmful flip, a broken schema, answers that differ) is rarer than its limit.

Per item x in {0, 1}; H0: E x >= limit. A batch is recorded as [hits, misses]. Wealth: prod (1 + lambda (limit - x)),
lambda growth-optimal for the rate seen in EARLIER batches. Waudby-Smith & Ramdas 2024 (JRSS-B 86, section 4).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .wealth import Floats, Ints, Wealth, check_counts, check_fraction, check_run, check_sizes, log_gains


@dataclass(frozen=True, slots=True)
class RateBet:
    """The preregistered parameters of the bet: before the first item, half the limit is believed, as if from `c` items.

    Raises ValueError unless c > 0 and batch >= 1.
    """

    c: float = 200.0
    batch: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.c < float("inf"):
            raise ValueError(f"c must be positive, got {self.c}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1 item, got {self.batch}")


HITS = np.array([1.0, 0.0])
"""x of the two kinds of item that a batch counts."""

RATE_1 = RateBet()
"""The bet of a policy that says nothing else."""


@dataclass(frozen=True, slots=True)
class RateState(Wealth):
    """The process between two batches. Start one with `RateState(pass_threshold(alpha))`."""

    hits: int = 0


def log_wealth_path(batches: npt.ArrayLike, limit: float, bet: RateBet = RATE_1) -> Floats:
    """Log wealth (..., k) after each batch of `batches` (..., k, 2), from the first on. Errors as `advance`."""
    return np.cumsum(_gains(check_counts(batches, 2), limit, bet, None), axis=-1)


def advance(state: RateState, batches: npt.ArrayLike, limit: float, bet: RateBet = RATE_1) -> RateState:
    """The process after `batches` (k, 2) more; cutting a run into several calls changes no bit of the result.

    Raises ValueError naming the value for a limit outside (0, 1), negative or fractional counts, a batch (but the
    last) that does not hold `bet.batch` items, or a run that already ended with a short batch.
    """
    counts = check_run(batches, 2)
    moved = state.gained(_gains(counts, limit, bet, state), counts.sum(-1))
    return replace(moved, hits=state.hits + int(counts[:, 0].sum()))


def share_without_a_hit(items: int, alpha: float) -> float:
    """Below which share, at confidence 1 - alpha, an event lies that `items` items showed not once: 1 - alpha^(1/n).

    Exact (Clopper & Pearson 1934, Biometrika 26, no success), and valid whenever one stops: for the share p the wealth
    (1 - p)^-n is a martingale until the first event. 1.0 for no items. Raises ValueError for a negative number of
    items or an alpha outside (0, 1).
    """
    check_fraction("alpha", alpha)
    if items < 0:
        raise ValueError(f"items can't be {items}")
    return float(-np.expm1(np.log(alpha) / items)) if items else 1.0


def _gains(counts: Ints, limit: float, bet: RateBet, state: RateState | None) -> Floats:
    check_fraction("limit", limit)
    items, total = (state.items, state.hits) if state else (0, 0)
    sizes, hits = check_sizes(counts, bet.batch, items), counts[..., 0]
    items_before = items + np.cumsum(sizes, -1) - sizes
    hits_before = total + np.cumsum(hits, -1) - hits
    rate = np.minimum(limit, (hits_before + bet.c * limit / 2) / (items_before + bet.c))
    stake = (limit - rate) / (limit * (1 - limit))  # below 1/(1 - limit), because the believed rate is never 0
    return log_gains(HITS, counts, limit, stake)
