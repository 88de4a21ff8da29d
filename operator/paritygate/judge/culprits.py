"""Who is to blame: naming gates is a claim of its own, corrected for having looked at all of them."""

from collections.abc import Sequence

from paritygate.api import Culprit, EvaluationPlan
from paritygate.stats.multiple import adjusted_harm

from .tally import ItemTally

MOST = 64


def culprits(plan: EvaluationPlan, tallies: Sequence[ItemTally]) -> tuple[Culprit, ...]:
    """The gates whose harm is proved beside all others', surest first: Holm on e-values, valid whenever one looks.

    The chance to name any gate that is not worse than its margin is at most the plan's alphaFail, however the gates
    overlap.
    """
    judged = [tally for tally in tallies if tally.n and tally.gate.hard]
    if not judged:
        return ()
    adjusted = adjusted_harm([tally.harm_peak for tally in judged])
    named = sorted(
        (float(p), tally.gate.name) for p, tally in zip(adjusted, judged, strict=True) if p <= float(plan.alpha_fail)
    )
    return tuple(Culprit(gate=name, adjusted=p) for p, name in named[:MOST])
