"""What one piece of evidence is: an item or, where items belong together, the cluster that they make up.

Items of one document, patient or user do alike: counted one by one they would seem to be far more evidence than they
are. So a gate counts clusters: the value of one is the mean loss of its items in the gate's stratum, and the claim is
that the mean cluster is not worse than the margin. Where a process counts kinds of item and not losses (precision, the
gap of two groups), one item stands for its cluster: the first in the order that is drawn, which on average is as good.

Gates about these very items take every one of them: must-pass items, and flips of a locked set. There nothing is
inferred to where the items come from: they are drawn without replacement in a random order, and that makes the bet
valid whatever they have to do with each other.
"""

import numpy as np
import numpy.typing as npt

from paritygate.api import TRAITS, Claim, EvaluationPlan, Evidence, Inference, Metric
from paritygate.stats.bounded import SCALE

from .columns import LOST, WON

Ints = npt.NDArray[np.int64]

REPRESENTED = frozenset({Evidence.CONFUSION, Evidence.GAP})
"""Evidence for which one item stands for its cluster."""


def clustered(plan: EvaluationPlan) -> bool:
    """Whether a pack says which of its items belong together. An item of a pack that doesn't is its own cluster."""
    return any(pack.cluster for pack in plan.packs)


def of_these_items(plan: EvaluationPlan, claim: Claim) -> bool:
    """Whether a claim is about these very items and not about where they come from."""
    evidence = TRAITS[claim.metric].evidence
    return evidence is Evidence.REGRESSIONS or (evidence is Evidence.FLIPS and plan.inference is Inference.LOCKED_SET)


def by_cluster(plan: EvaluationPlan, claim: Claim) -> bool:
    """Whether the gates of a claim count clusters."""
    return clustered(plan) and not of_these_items(plan, claim)


def cluster_ends(clusters: Ints) -> Ints:
    """Where each cluster ends (k,) in a sequence of items that is ordered by cluster: `clusters` (n,), theirs."""
    ends: Ints = np.flatnonzero(np.append(clusters[1:] != clusters[:-1], True)[: len(clusters)]) + 1
    return ends


def cluster_losses(metric: Metric, values: Ints, ends: Ints) -> Ints:
    """The mean of each cluster in whole units, rounded UP, of the `values` (n,) of its items in the claim's column.

    Exact: sums of whole numbers. A bounded loss is one of units already, which were rounded up themselves.
    """
    if not len(ends):
        return np.zeros(0, np.int64)
    match TRAITS[metric].evidence:
        case Evidence.FLIPS:
            units = np.where(values == LOST, SCALE, np.where(values == WON, -SCALE, 0))
        case Evidence.RATE:
            units = np.where(values == (LOST if metric is Metric.HARMFUL_FLIP_RATE else 1), SCALE, 0)
        case _:
            units = values
    starts = np.concatenate([[0], ends[:-1]])
    means: Ints = -(-np.add.reduceat(units.astype(np.int64), starts) // (ends - starts))
    return means
