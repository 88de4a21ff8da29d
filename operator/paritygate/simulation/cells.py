"""The eight kinds of item of a class, 4 y + 2 yB + yC, for a candidate that truly loses so much of a ratio."""

import numpy as np
import numpy.typing as npt

from paritygate.api import Metric
from paritygate.judge.processes.confusion import ratio_of
from paritygate.stats.ratio import ratio_estimates

Floats = npt.NDArray[np.float64]

QUALITY = 0.9
"""Recall and precision of the baseline, as the planner believes them."""

_NOT, _ONLY_CANDIDATE, _LOST, _ALL = 0b000, 0b001, 0b110, 0b111


def cell_shares(metric: Metric, beta: float, prevalence: float, flips: float, loss: float) -> Floats:
    """Shares (8,) that add up to 1: an equal candidate's, then moved until the ratio is worse by `loss` exactly.

    Precision is lost to items of other classes that only the candidate takes for this one, F-beta and Jaccard to items
    of the class that only the candidate misses. As much is moved as there is, if that is too little.
    """
    wrong = (1 - QUALITY) * prevalence
    moved = min(flips / 4, wrong / 2)
    kinds = (1 - prevalence - wrong, 0, 0, wrong, wrong, 0, 0, QUALITY * prevalence)
    equal = np.clip(np.array(kinds) + moved * np.array([-1, 1, 1, -1, -1, 1, 1, -1]), 0, None)
    equal /= equal.sum()
    source, target = (_NOT, _ONLY_CANDIDATE) if metric is Metric.PRECISION else (_ALL, _LOST)

    def after(share: float) -> Floats:
        shares = equal.copy()
        shares[source] -= share
        shares[target] += share
        return shares

    low, high = 0.0, float(equal[source])
    for _ in range(60 if loss > 0 else 0):
        middle = (low + high) / 2
        before, now = ratio_estimates(ratio_of(metric, beta), after(middle))
        low, high = (middle, high) if (before or 0) - (now or 0) < loss else (low, middle)
    return after(low)


def given_label(shares: Floats) -> Floats:
    """Chances (2, 4) of 2 yB + yC, without and with the label: each row adds up to 1."""
    rows = shares.reshape(2, 4)
    chances: Floats = rows / np.maximum(rows.sum(1, keepdims=True), 1e-300)
    return chances
