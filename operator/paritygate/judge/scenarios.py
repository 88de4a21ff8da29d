"""What a candidate worth releasing is taken to look like to each kind of gate, and how many items that one needs.

These are judgements, on which nothing rests but when a gate is called too small. Every one is simulated with the gate's
own rule (`stats.plan`), once for the same figures.
"""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from paritygate.stats import flip, gap, locked, rate, ratio
from paritygate.stats.bounded import BOUNDED_1
from paritygate.stats.plan import LONGEST, LOOKS, Planned, first_horizon, plan, plan_whole
from paritygate.stats.wealth import Floats, Ints, check_fraction, pass_threshold

from .columns import Kind

SPREAD = {
    Kind.BRIER: 0.001,
    Kind.LOG_LOSS: 0.001,
    Kind.ABSOLUTE_ERROR: 0.001,
    Kind.LABEL_ERROR: 0.005,
    Kind.NEIGHBOUR_PRECISION: 0.01,
    Kind.NEIGHBOUR_CHANGE: 0.01,
    Kind.COSINE_CHANGE: 0.001,
}
"""E d^2 that is planned for and simulated, of a column of losses."""

QUALITY = 0.9  # recall and precision, of both models
FEW_LOOKS, RATIO_PATHS, GAP_PATHS = 64, 200, 150  # where a look costs a profile


@lru_cache(maxsize=1024)
def planned_rate(have: int, alpha: float, limit: float, flip_rate: float) -> Planned:
    """Plan of `rate/1`: half of the technique's flips are harmful, but no more than a third of the limit. A technique
    whose usual rate lies above the limit is no reason to refuse.

    Raises ValueError for alpha or limit outside (0, 1).
    """
    expected = min(check_fraction("limit", limit), 1.5 * flip_rate) / 3

    def rule(counts: Ints, batch: int) -> Floats:
        return rate.gains(counts, limit, replace(rate.RATE_1, batch=batch)).path()

    return plan(have, rule, alpha, np.array([expected, 1 - expected]), first_horizon(alpha, limit, limit / 4))


@lru_cache(maxsize=1024)
def planned_bounded(have: int, alpha: float, margin: float, v: float) -> Planned:
    """Plan of `bounded`: E d = 0 and E d^2 = `v`, whatever the bet believes.

    Nine in ten of its losses are +-sqrt(v)/3 and one is +-3 sqrt(v), as uneven as those of a Brier score.
    Raises ValueError for arguments outside (0, 1).
    """
    large = min(1.0, 3 * math.sqrt(check_fraction("v", v)))
    often = 0.9 * v / large**2
    small = math.sqrt(0.1 * v / (1 - often))
    losses, kinds = np.array([large, -large, small, -small]), np.array([often, often, 1 - often, 1 - often]) / 2

    def rule(counts: Ints, batch: int) -> Floats:
        return flip.gains(counts, margin, replace(BOUNDED_1, batch=batch), losses=losses).path()

    return plan(have, rule, alpha, kinds, first_horizon(alpha, margin, v))


@lru_cache(maxsize=1024)
def planned_locked(population: int, alpha: float, margin: float, flip_rate: float) -> Planned:
    """Plan of `locked`, for a candidate that is equal in general: its net loss on this very set is chance too.

    `needed` as in `plan_whole`. Raises ValueError for a population below 1 or alpha or margin outside (0, 1).
    """
    locked.allowed_loss(population, margin)  # refuses what cannot be judged
    bet = replace(locked.LOCKED_1, v0=min(max(flip_rate, 1e-6), 1 - 1e-6))

    def rule(counts: Ints, batch: int, size: int) -> Floats:
        return locked.gains(counts, size, margin, replace(bet, batch=batch)).path()

    # Whatever the rule: nine sets in ten must themselves lose less than the margin.
    return plan_whole(population, rule, alpha, _equal(flip_rate), least=1.2 * flip_rate / margin**2)


@lru_cache(maxsize=1024)
def planned_ratio(
    have: int, alpha: float, margin: float, metric: ratio.RatioMetric, prevalence: float, flip_rate: float
) -> Planned:
    """Plan of `ratio` for an equal candidate.

    `prevalence` is the share of items whose label is positive; recall and precision of both models are `QUALITY`; a
    quarter of the flips falls on each of the four ways to disagree, as far as there are errors enough.
    Raises ValueError for a prevalence outside (0, 1).
    """
    wrong = (1 - QUALITY) * check_fraction("prevalence", prevalence)
    moved = min(flip_rate / 4, wrong / 2)
    agreed = np.array([1 - prevalence - wrong, 0, 0, wrong, wrong, 0, 0, QUALITY * prevalence])
    kinds = np.clip(agreed + moved * np.array([-1, 1, 1, -1, -1, 1, 1, -1]), 0, None)
    kinds /= kinds.sum()
    theta, threshold = ratio.ratio_estimates(metric, kinds)[0] or 0.0, pass_threshold(alpha)
    spread = 4 * moved / (prevalence * QUALITY)  # of a said positive, about
    horizon = first_horizon(alpha, margin, spread) / prevalence
    # The bets are fixed: for a margin far below the smallest no number of items would do.
    while ratio.log_e(metric, np.rint(horizon * kinds).astype(np.int64), margin) < threshold:
        horizon *= 2
        if horizon > LONGEST:
            return Planned(LONGEST, 0.0)

    def rule(counts: Ints, batch: int) -> Floats:
        totals = np.cumsum(counts, axis=1)
        # Wealth at the true ratio is no less than the evidence: only where that suffices the whole is worked out.
        wealth = ratio.profile(metric, totals, margin, theta)
        for look in range(wealth.shape[1]):
            tried = (wealth[:, look] >= threshold) & ~(wealth[:, :look] >= threshold).any(1)
            wealth[tried, look] = ratio.log_e(metric, totals[tried, look], margin)
        return wealth

    return plan(have, rule, alpha, kinds, horizon, RATIO_PATHS, lambda batches: LOOKS // FEW_LOOKS)


@lru_cache(maxsize=1024)
def planned_gap(have_g: int, have_h: int, alpha: float, margin: float, flip_rate: float) -> Planned:
    """Plan of `gap`, for a candidate that loses nothing in either group, each of them flipping at `flip_rate`.

    `needed` counts the items of both groups, in the proportion of those at hand (half and half, with power 0, if one
    has none). Raises ValueError for alpha or margin outside (0, 1) or a flip rate outside [0, 1].
    """
    have, both = have_g + have_h, min(have_g, have_h) > 0
    share, kinds = have_g / have if both else 0.5, _equal(flip_rate)

    def rule(counts: Ints, batch: int) -> Floats:
        signs = gap.planned_path(counts, margin, replace(gap.GAP_1, batch=batch))
        return np.asarray(np.maximum.accumulate(signs, axis=1).min(-1))  # each sign latches at a time of its own

    horizon = first_horizon(alpha, margin, flip_rate / share + flip_rate / (1 - share))
    both_kinds = np.concatenate((share * kinds, (1 - share) * kinds))
    found = plan(have, rule, alpha, both_kinds, horizon, GAP_PATHS, lambda batches: -(-batches // FEW_LOOKS))
    return found if both else replace(found, power=0.0)


def _equal(flip_rate: float) -> Floats:
    """How often an equal candidate's items are [n10, n01, n11, n00]."""
    return np.array([flip_rate / 2, flip_rate / 2, 1 - flip_rate, 0])
