"""Slices that nobody declared as a gate and that are worth a look: told beside the verdict, never part of it.

All slices are looked at together at ONE time, the end of the run, on the items that were judged in order: the longest
beginning of the plan's order without one left out. There each slice's items are a beginning of its own order, and how
far one counts was not decided by outcomes behind it, as it would be where items are judged early for a gate that
overlaps. So each slice's wealth is an e-value at that time, and e-BH bounds the share that is named wrongly however the
slices overlap.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paritygate.api import PER_CLASS, TRAITS, Claim, Enforcement, EvaluationPlan, Evidence, Slice, Suspect
from paritygate.stats.harm import log_harm
from paritygate.stats.multiple import adjusted_exploratory

from .columns import LOST, WON, Kind, column_of
from .gates import Gate, Items, coded

MOST = 64
MOST_VALUES = 1000
"""Of a column that is looked at: what has more names single items, users or documents, not slices."""

Ints = npt.NDArray[np.int64]
Place = tuple[str, str]
"""A slice column and a value of it."""


@dataclass(frozen=True, slots=True)
class InOrder:
    """The items that were judged in order."""

    items: Ints
    clusters: Ints | None = None
    """Of each item, where items belong together: one stands for its cluster, the first."""

    @classmethod
    def of(cls, gates: Collection[Gate], items: Items, revealed: npt.NDArray[np.bool_]) -> "InOrder":
        """By the order in which a gate over all items counts; none where no gate is about all of them."""
        whole = [g for g in gates if g.power and g.slice is None and not g.column.perturbation]
        sequence = max((gate.sequence for gate in whole), key=len, default=np.zeros(0, np.int64))
        shown = revealed[sequence]
        prefix = sequence if shown.all() else sequence[: int(shown.argmin())]
        if items.repeated is not None:
            prefix = prefix[~items.repeated[prefix]]
        return cls(prefix, None if items.clusters is None else items.clusters[prefix])

    @property
    def units(self) -> int:
        """Items, or clusters of them."""
        return len(self.items) if self.clusters is None else len(np.unique(self.clusters))

    def counts(self, codes: Ints, values: int, outcomes: npt.NDArray[np.integer]) -> Ints:
        """[n, n10, n01] of each of the values (values, 3): `codes` of all items, `outcomes` of these."""
        codes = codes[self.items]
        if self.clusters is not None:
            _, first = np.unique(self.clusters * values + codes, return_index=True)
            codes, outcomes = codes[first], outcomes[first]
        kinds = [codes, codes[outcomes == LOST], codes[outcomes == WON]]
        return np.stack([np.bincount(kind, minlength=values) for kind in kinds], axis=-1)


def overall_claim(plan: EvaluationPlan) -> Claim | None:
    """The claim whose margin slices are held to: the first hard one about right and wrong of all items."""
    for claim in plan.claims:
        whole = claim.slice_by is None and claim.metric not in PER_CLASS
        if whole and claim.enforcement is Enforcement.HARD and _on_outcomes(claim, Evidence.FLIPS):
            return claim
    return None


def guards(claim: Claim, place: Slice | None) -> bool:
    """Whether a gate of this claim already looks at right and wrong in the slice, and decides."""
    hard = claim.enforcement is Enforcement.HARD
    return hard and place is not None and _on_outcomes(claim, Evidence.FLIPS, Evidence.REGRESSIONS)


def suspects(
    plan: EvaluationPlan,
    gates: Collection[Gate],
    columns: Mapping[str, Sequence[str]],
    seen: InOrder,
    outcomes: npt.NDArray[np.integer],
) -> tuple[tuple[Suspect, ...], int]:
    """The slices named, most certain first, at most `MOST`, and how many were looked at.

    Looked at is each value of `columns` without a hard gate of its own, whether or not an item of it was judged: which
    slices those are must not depend on outcomes. `outcomes` are BOTH_WRONG, BOTH_RIGHT, LOST or WON of the items seen.
    """
    if overall_claim(plan) is None:
        return (), 0
    guarded = {(g.slice.column, g.slice.value) for g in gates if g.slice and guards(g.claim, g.slice)}
    places: list[Place] = []
    counts: list[list[int]] = []
    for name, column in columns.items():
        values, codes = coded(column)
        if 1 < len(values) <= MOST_VALUES:
            for value, row in zip(values, seen.counts(codes, len(values), outcomes).tolist(), strict=True):
                if (name, value) not in guarded:
                    places.append((name, value))
                    counts.append(row)
    return named(plan, places, counts, len(places)), len(places)


def named(
    plan: EvaluationPlan, places: Sequence[Place], counts: Sequence[Sequence[int]], family: int
) -> tuple[Suspect, ...]:
    """What e-BH names of slices with these [n, n10, n01] among `family` slices that were looked at.

    Raises ValueError for a family smaller than the slices, or a plan without a claim to hold them to.
    """
    claim = overall_claim(plan)
    if claim is None:
        raise ValueError("no hard gate is about right and wrong of all items")
    n, n10, n01 = np.array(counts, np.int64).reshape(-1, 3).T
    logs = log_harm(n10, n01, n - n10 - n01, float(claim.margin or 0))
    first = sorted(range(len(places)), key=lambda k: (-float(logs[k]), places[k]))[:MOST]
    adjusted = adjusted_exploratory(logs[first], family)
    found = [
        Suspect(
            column=places[k][0],
            value=places[k][1],
            n=int(n[k]),
            n10=int(n10[k]),
            n01=int(n01[k]),
            log_e=float(logs[k]),
            adjusted=float(value),
        )
        for k, value in zip(first, adjusted, strict=True)
    ]
    return tuple(suspect for suspect in found if suspect.adjusted <= float(plan.alpha_fail))


def _on_outcomes(claim: Claim, *evidence: Evidence) -> bool:
    plain = claim.perturbation is None and column_of(claim).kind is Kind.OUTCOME
    return plain and TRAITS[claim.metric].evidence in evidence
