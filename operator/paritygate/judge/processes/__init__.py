"""How a gate is evidenced: one process a kind, all behind one interface."""

from collections.abc import Callable

from paritygate.api import TRAITS, Claim, EvaluationPlan, Evidence, Inference, Metric
from paritygate.stats.flip import FlipBet

from ..budget import alpha_of
from ..columns import LOST
from ..units import by_cluster
from .bounded import BoundedProcess
from .confusion import BATCH as CONFUSION_BATCH
from .confusion import ConfusionProcess
from .flips import FlipProcess
from .gap import GapProcess
from .mean_rate import MeanRateProcess
from .rate import RateProcess
from .regressions import RegressionProcess
from .terms import Process, Terms

_MAKERS: dict[Evidence, Callable[[Terms, Metric], Process]] = {
    Evidence.FLIPS: lambda terms, metric: FlipProcess(terms),
    Evidence.RATE: lambda terms, metric: RateProcess(terms, LOST if metric is Metric.HARMFUL_FLIP_RATE else 1),
    Evidence.BOUNDED: lambda terms, metric: BoundedProcess(terms),
    Evidence.CONFUSION: ConfusionProcess,
    Evidence.GAP: lambda terms, metric: GapProcess(terms),
    Evidence.REGRESSIONS: lambda terms, metric: RegressionProcess(terms),
}


_OF_CLUSTERS: dict[Evidence, Callable[[Terms, Metric], Process]] = {
    Evidence.FLIPS: lambda terms, metric: BoundedProcess(terms, FlipBet(v0=terms.flip_rate)),
    Evidence.RATE: lambda terms, metric: MeanRateProcess(terms),
    Evidence.BOUNDED: lambda terms, metric: BoundedProcess(terms, twice=True),
}
"""Where the mean of a cluster is counted, and not the item that stands for it."""


def process_of(claim: Claim, plan: EvaluationPlan, hard: int, population: int) -> Process:
    """The process of a claim that is counted item by item, over `population` items."""
    evidence = TRAITS[claim.metric].evidence
    grouped = by_cluster(plan, claim)
    terms = Terms(
        alpha=alpha_of(plan),
        margin=float(claim.margin or 0),
        hard=hard,
        alpha_fail=float(plan.alpha_fail),
        flip_rate=float(plan.flip_rate),
        population=population,
        locked=plan.inference is Inference.LOCKED_SET and evidence is Evidence.FLIPS,
        beta=float(claim.beta or 1),
    )
    return (_OF_CLUSTERS if grouped else _MAKERS).get(evidence, _MAKERS[evidence])(terms, claim.metric)


__all__ = ["CONFUSION_BATCH", "Process", "Terms", "process_of"]
