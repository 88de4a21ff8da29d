"""`rate/1`: an event (a harmful flip, a broken schema, answers that differ) is rarer than its limit.

Per item x in {0, 1}; H0: E x >= limit. A batch is recorded as [hits, misses]. Wealth: prod (1 + lambda (limit - x)),
lambda growth-optimal for the rate seen in EARLIER batches. Waudby-Smith & Ramdas 2024 (JRSS-B 86, section 4).
x may as well be a share in [0, 1], such as the hits among the items of a cluster: log(1 + lambda (limit - x)) is
concave, so shares gain no less than whole hits of the same mean.
"""

import numpy as np
import numpy.typing as npt

from .wealth import Bet, Floats, Gains, Wealth, check_counts, check_fraction, check_sizes, earlier, log_gains

HITS = np.array([1.0, 0.0])
"""x of the two kinds of item that a batch counts."""

RATE_1 = Bet()
"""The bet of a policy that says nothing else: half the limit is believed beforehand."""


def gains(
    batches: npt.ArrayLike, limit: float, bet: Bet = RATE_1, state: Wealth | None = None, *, values: Floats = HITS
) -> Gains:
    """What `batches` (..., k, J) gain after `state`; their one sum is that of the hits. `values` (J,) or (..., k, J)
    are the x.

    Raises ValueError naming the value for a limit outside (0, 1), negative or fractional counts, an x outside [0, 1], a
    batch (but the last) that does not hold `bet.batch` items, or a run that already ended with a short batch.
    """
    counts = check_counts(batches, values.shape[-1])
    check_fraction("limit", limit)
    if (wrong := ~((values >= 0) & (values <= 1))).any():
        raise ValueError(f"a share must lie between 0 and 1, got {values[wrong][0]}")
    items, seen = (state.items, state.sums[0]) if state and state.sums else (0, 0.0)
    sizes, hits = check_sizes(counts, bet.batch, items), np.vecdot(counts, values)
    rate = np.minimum(limit, (earlier(hits, seen) + bet.c * limit / 2) / (earlier(sizes, items) + bet.c))
    stake = (limit - rate) / (limit * (1 - limit))  # below 1/(1 - limit), because the believed rate is never 0
    return Gains(log_gains(values, counts, limit, stake)[..., None], sizes, (hits,), before=items)


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
