"""Ratio of latency quantiles, q_p(candidate) <= r * q_p(baseline), from paired blocks on one device.

A block is four calls, ABBA or BAAB by a fair coin, on the same inputs: two times of each model. The unit is the block.
For a guess tau of the baseline's quantile let i of the two baseline times exceed tau and j of the two candidate times
exceed r tau. D = (j - i)/2 and G = i/2 - (1 - p): at the true tau E G = 0, and E D >= 0 if the candidate is too slow.
Wealth: an equal mixture of prod (1 - l1 D + l2 G), l1 >= 0; the evidence is the SMALLEST wealth over all tau, because
the true tau is among them. Ville holds at the true tau, so the smallest may be looked at after any block.

The profile is our own construction; betting as in `flip`; quantiles by betting: Howard & Ramdas 2022 (Bernoulli 28).

Two processes of one model differ for as long as they live, by where their memory came to lie, and the blocks of one
pair of processes share that luck. So blocks come in rounds, each with a fresh pair, and a second bet has the round as
its unit: wealth prod (1 + s) where the round keeps the limit and prod (1 - s) where it doesn't, a mixture over stakes
s. If fresh pairs of processes exceed the limit as often as they keep it, or more often, no factor's mean is above 1,
whatever the noise within a round. The evidence is the smaller of the two wealths: both must be convinced.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count, islice, pairwise, takewhile

import numpy as np
import numpy.typing as npt

from .order import uniforms
from .wealth import Floats, Ints, check_fraction, log_mean_exp, pass_threshold

# Few bets, each with weight to spare: 10 to 30 % fewer blocks at p95 and p99 than the 52 of a finer grid, as many at
# p50 (simulated). The last two bet on the level alone and ruin every tau far from the quantile.
_BETS = [(l1, l2) for l1 in (0.2, 0.4, 0.9) for l2 in (0.0, 0.15, -0.15, 0.7, -0.8)] + [(0.0, 5.0), (0.0, -0.9)]
_SMALLEST_PAYOFF = 0.01
# 1 twice: five rounds that all agree are 20 to 1. The others forgive some that do not: one of 12, two of 15.
_STAKES = np.array([1.0, 1.0, 0.7, 0.4])
_ROUND, _EVEN = 50, 10
_WIDEST = 8.0  # ratios beyond it are reported as unbounded


def dither(times: npt.ArrayLike, tick: float, seed: bytes, place: str) -> Floats:
    """`times` (n, 2) plus U(0, tick), by lot from `seed` for this `place` ("baseline", "candidate").

    A timer that ticks gives ties, and with ties no tau has E G = 0. `tick` in the unit of the times; 0 changes nothing.
    Raises ValueError for a negative tick or broken times.
    """
    blocks = _check_blocks(place, times)
    if not 0 <= tick < math.inf:
        raise ValueError(f"tick must be a duration, got {tick}")
    return blocks + tick * uniforms(seed, f"dither/{place}", blocks.size).reshape(blocks.shape)


def rounds(blocks: int) -> list[int]:
    """Blocks at the end of each round of `blocks`: 50 more ten times, then an eighth more; the last has the rest.

    One looks at the end of a round only. Longer rounds later on bound how often two models must be loaded: 21 times for
    2,000 blocks, 41 times for 20,000.
    """
    ends = list(takewhile(lambda end: end <= blocks, _ends()))
    return [*ends[:-1], blocks] if blocks else []


def _ends() -> Iterator[int]:
    at = 0
    for place in count():
        at += _ROUND if place < _EVEN else at // 8
        yield at


def fewest_blocks(threshold: float) -> int:
    """Blocks with which a log wealth of `threshold` can be reached at all: in rounds of which every one agrees.

    Raises ValueError for a threshold that is not finite.
    """
    if not math.isfinite(threshold):
        raise ValueError(f"threshold must be a finite log wealth, got {threshold}")
    agreeing = 0
    while math.log(((1 + _STAKES) ** agreeing).mean()) < threshold:
        agreeing += 1
    return next(islice(_ends(), agreeing - 1, None)) if agreeing else 0


def log_e(baseline: npt.ArrayLike, candidate: npt.ArrayLike, p: float, r: float) -> float:
    """Log wealth against `q_p(candidate) > r q_p(baseline)` after these blocks, each (n, 2), in any one unit.

    0.0 for no blocks. Blocks are taken to come in `rounds`, each from fresh processes; the wealth is the smaller one
    of profile and rounds. Raises ValueError for a p outside (0, 1), a ratio that is not positive, times that are not
    positive and finite, or unequal numbers of blocks.
    """
    return min(float(profile(baseline, candidate, p, r).min()), log_rounds(baseline, candidate, p, r))


def log_harm(baseline: npt.ArrayLike, candidate: npt.ArrayLike, p: float, r: float) -> float:
    """Log wealth against `q_p(candidate) <= r q_p(baseline)`: proof that the candidate IS too slow. As `log_e`."""
    harm = float(profile(baseline, candidate, p, r, harm=True).min())
    return min(harm, log_rounds(baseline, candidate, p, r, harm=True))


def log_rounds(baseline: npt.ArrayLike, candidate: npt.ArrayLike, p: float, r: float, *, harm: bool = False) -> float:
    """The largest log wealth so far of the rounds alone: against "at most half of all rounds keep the limit".

    A round keeps it when the p-quantile of its candidate times is at most r times that of its baseline times. `harm`:
    against "at most half exceed it". The largest, since Ville bounds it, and few rounds settle what the profile needs
    more blocks for. As `log_e`.
    """
    b, c = _check_pair(baseline, candidate, p, r)
    places = list(pairwise([0, *rounds(len(b))]))
    pairs = [(_quantile(b[start:end], p), _quantile(c[start:end], p)) for start, end in places]
    kept = np.array([second > first if harm else second <= first for first, second in pairs], bool)
    bets = np.where(kept[:, None], 1 + _STAKES, 1 - _STAKES).cumprod(0)
    return math.log(bets.mean(1).max(initial=1.0))


def profile(
    baseline: npt.ArrayLike,
    candidate: npt.ArrayLike,
    p: float,
    r: float,
    *,
    harm: bool = False,
    tau: npt.ArrayLike | None = None,
) -> Floats:
    """Log wealth at each guess `tau` of q_p(baseline); by default at enough of them to cover every real number.

    Wealth is constant between neighbouring times (of the baseline, of the candidate / r), so those and one value below
    all of them suffice. At a chosen tau it bounds `log_e` from above.
    """
    b, c = _check_pair(baseline, candidate, p, r)
    if tau is None:
        tau = np.concatenate(([0.0], b.ravel(), c.ravel()))
    payoffs = _log_payoffs(p, -1.0 if harm else 1.0)
    return log_mean_exp(_cells(b, c, np.asarray(tau, np.float64)) @ payoffs)


def _cells(b: Floats, c: Floats, tau: Floats) -> Floats:
    """How many blocks have exactly i baseline and j candidate times above tau: (tau, 9), column 3 i + j."""
    ours, theirs = _descending(b), _descending(c)
    least = np.zeros((4, 4, tau.size), np.int64)  # blocks with AT LEAST i and j, zero for the impossible 3
    for i in range(3):
        for j in range(3):
            bars = [ours[i - 1]] * (i > 0) + [theirs[j - 1]] * (j > 0)
            least[i, j] = _above(np.minimum(bars[0], bars[-1]), tau) if bars else len(b)
    exact = least[:3, :3] - least[1:, :3] - least[:3, 1:] + least[1:, 1:]
    cells: Floats = exact.reshape(9, -1).T.astype(np.float64)
    return cells


def _descending(times: Floats) -> tuple[Floats, Floats]:
    return np.maximum(times[:, 0], times[:, 1]), np.minimum(times[:, 0], times[:, 1])


def _above(values: Floats, tau: Floats) -> Ints:
    return values.size - np.searchsorted(np.sort(values), tau, side="right")


@cache
def _log_payoffs(p: float, sign: float) -> Floats:
    """Log of 1 - sign l1 D + l2 G per cell and bet: (9, bets). Bets that a corner nearly ruins are left out."""
    l1, l2 = np.array(_BETS).T
    i, j = np.divmod(np.arange(9), 3)
    payoffs = 1 - sign * l1 * ((j - i) / 2)[:, None] + l2 * (i / 2 - (1 - p))[:, None]
    logs: Floats = np.log(payoffs[:, payoffs.min(0) > _SMALLEST_PAYOFF])
    logs.flags.writeable = False  # cached, hence shared
    return logs


def _check_pair(baseline: npt.ArrayLike, candidate: npt.ArrayLike, p: float, r: float) -> tuple[Floats, Floats]:
    """Times of the baseline and of the candidate / r."""
    check_fraction("p", p)
    if not 0 < r < math.inf:
        raise ValueError(f"ratio r must be positive, got {r}")
    b, c = _check_blocks("baseline", baseline), _check_blocks("candidate", candidate) / r
    if b.shape != c.shape:
        raise ValueError(f"a block holds both models: got {len(b)} of the baseline and {len(c)} of the candidate")
    return b, c


def _quantile(times: Floats, p: float) -> float:
    return float(np.quantile(times, p, method="inverted_cdf"))


def _check_blocks(place: str, times: npt.ArrayLike) -> Floats:
    blocks = np.asarray(times, np.float64)
    if blocks.ndim != 2 or blocks.shape[1] != 2:
        raise ValueError(f"{place} must hold two times a block, shape (n, 2), got {blocks.shape}")
    if not (np.isfinite(blocks).all() and (blocks > 0).all()):
        raise ValueError(f"{place} holds a time that is not positive and finite")
    return blocks


def ratio_estimate(baseline: npt.ArrayLike, candidate: npt.ArrayLike, p: float) -> float:
    """q_p(candidate) / q_p(baseline) by order statistics of all times of the blocks (n, 2); needs n >= 1."""
    b, c = _check_blocks("baseline", baseline), _check_blocks("candidate", candidate)
    if not b.size or not c.size:
        raise ValueError("a ratio of quantiles needs at least one block")
    return _quantile(c, p) / _quantile(b, p)


def ratio_interval(baseline: npt.ArrayLike, candidate: npt.ArrayLike, p: float, alpha: float) -> tuple[float, float]:
    """(low, high) for the ratio of quantiles: all r that neither direction rejects at alpha. For reports only.

    The gate's own evidence inverted: above `high` a limit r would pass, below `low` it would prove harm. Valid at any
    number of blocks; each end is wrong with probability alpha at most, as is usual for a claim to one side. 0 or inf
    where nothing within 1/8 to 8 is rejected. Resolution 0.1 %.
    """
    threshold = pass_threshold(alpha)
    return (
        1 / _bound(lambda inverse: log_harm(baseline, candidate, p, 1 / inverse) >= threshold),
        _bound(lambda r: log_e(baseline, candidate, p, r) >= threshold),
    )


def _bound(rejected: Callable[[float], bool]) -> float:
    # For every tau a larger r leaves fewer candidate times above r tau, and more rounds that keep it: evidence is
    # monotone, bisection exact.
    low, high = 1 / _WIDEST, _WIDEST
    if not rejected(high):
        return math.inf
    while high > low * 1.001:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return high
