"""Power by the sizes that packs declare: what can be proved is known before a device is taken.

Declared are items. Where they make up clusters, or some repeat the inputs of another, there are at most as many pieces
of evidence: what is too small by the declared sizes is so in truth, and what is large enough is planned again in the
evaluator, where labels and inputs are read.
"""

from collections import Counter
from dataclasses import dataclass

from paritygate.api import (
    OF_ITEMS,
    PER_CLASS,
    TRAITS,
    Claim,
    Enforcement,
    EvaluationPlan,
    Evidence,
    Power,
    Underpowered,
)

from .packs import PACK
from .power import LEAST_POWER, planned
from .wording import underpowered


@dataclass(frozen=True, slots=True)
class PlannedGate:
    """One gate as the declared sizes have it."""

    name: str
    claim: Claim
    power: Power

    @property
    def weak(self) -> bool:
        """Whether its items would pass an equal candidate less than every second time."""
        return self.power.power < LEAST_POWER and self.claim.enforcement is Enforcement.HARD

    @property
    def refused(self) -> bool:
        """Too small, and not allowed to be: nothing is to be started."""
        return self.weak and self.claim.underpowered is Underpowered.REFUSE

    @property
    def excluded(self) -> bool:
        """Too small, and allowed to be: it can still fail the candidate."""
        return self.weak and self.claim.underpowered is Underpowered.HARM_ONLY

    @property
    def message(self) -> str:
        """What it needs and has, with the ways out in figures."""
        power = self.power
        if self.weak:
            return underpowered(self.name, self.claim, power)
        return f"{self.name}: {power.have:,} items, about {power.needed:,} needed"


def plan_power(plan: EvaluationPlan) -> tuple[PlannedGate, ...] | None:
    """The gates whose sizes the packs declare; None when a pack doesn't say how many items it has.

    Gates for each class, pairs of groups and derived slices are planned when the labels and inputs are read.
    """
    sizes = [pack.items for pack in plan.packs]
    if any(size is None for size in sizes):
        return None
    total = sum(size or 0 for size in sizes)
    gates: list[PlannedGate] = []
    for claim in plan.claims:
        for value, have in _cut(plan, claim, total):
            power = planned(plan, claim, have)
            if power is not None:
                gates.append(PlannedGate(f"{claim.name}/{value}" if value else claim.name, claim, power))
    return tuple(gates)


def declared_sizes(plan: EvaluationPlan, column: str) -> dict[str, int] | None:
    """Items by value of a column, over all packs; None where one doesn't declare it."""
    counts: Counter[str] = Counter()
    for pack in plan.packs:
        if column == PACK:
            counts[pack.name] += pack.items or 0
            continue
        found = next((declared for declared in pack.declared if declared.column == column), None)
        if found is None:
            return None
        counts.update({entry.value: entry.items for entry in found.items})
    return dict(counts)


def _cut(plan: EvaluationPlan, claim: Claim, total: int) -> list[tuple[str, int]]:
    evidence = TRAITS[claim.metric].evidence
    if claim.metric not in OF_ITEMS or claim.metric in PER_CLASS or evidence is Evidence.GAP:
        return []
    if any(pack.corpus for pack in plan.packs):
        return []  # the corpus is not judged, and only the labels say how large it is
    if claim.slice_by is None:
        return [("", total)]
    sizes = declared_sizes(plan, claim.slice_by) or {}
    return sorted((value, have) for value, have in sizes.items() if claim.value in (None, value))
