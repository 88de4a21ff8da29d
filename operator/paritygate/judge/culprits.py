"""Who is to blame: naming gates is a claim of its own, corrected for having looked at all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from paritygate.api import Culprit, EvaluationPlan
from paritygate.stats.multiple import adjusted_harm

from .gates import Gate

MOST = 64


class Judged(Protocol):
    """A gate, and how sure it was at most that it is worse than its margin."""

    @property
    def gate(self) -> Gate:
        """The gate."""
        ...

    @property
    def harm_peak(self) -> float:
        """The largest log wealth against the candidate."""
        ...


@dataclass(frozen=True, slots=True)
class Peak:
    """`Judged` without the counts that it was derived from: those of a thousand gates need not be held at once."""

    gate: Gate
    harm_peak: float


def culprits(plan: EvaluationPlan, tallies: Sequence[Judged], hard: int) -> tuple[Culprit, ...]:
    """The gates whose harm is proved beside all others', surest first: Holm on e-values, valid whenever one looks.

    The chance to name any gate that is not worse than its margin is at most the plan's alphaFail, however the gates
    overlap. The family are all `hard` hard gates, also those that have counted nothing yet, and those of latency and
    size, which name themselves: else one could look at slices one after another until one is named.
    """
    judged = [tally for tally in tallies if tally.gate.hard]
    peaks = [tally.harm_peak for tally in judged]
    adjusted = adjusted_harm([*peaks, *[0.0] * (hard - len(peaks))])[: len(peaks)]
    named = sorted(
        (float(p), tally.gate.name) for p, tally in zip(adjusted, judged, strict=True) if p <= float(plan.alpha_fail)
    )
    return tuple(Culprit(gate=name, adjusted=p) for p, name in named[:MOST])
