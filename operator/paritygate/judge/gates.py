"""Claims cut along the data: one gate for each slice, class or pair of groups, with its own order and planned power."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from paritygate.api import (
    OF_ITEMS,
    PER_CLASS,
    TRAITS,
    Claim,
    Enforcement,
    EvaluationPlan,
    Evidence,
    Metric,
    Power,
    Slice,
    Underpowered,
)
from paritygate.stats.order import item_order

from .batchlog import MOST_CELLS, MOST_FLIPS, MOST_UNITS
from .columns import Column, column_of
from .packs import PlanError
from .plan import order_seed
from .power import LEAST_POWER, planned
from .processes.gap import SECOND
from .units import REPRESENTED, by_cluster, cluster_ends, of_these_items

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Members = Mapping[str, Flags]
"""Which items bear each class."""

LABEL = "label"
"""The column of the classes, and of the slice in the name of a gate for one class."""

MOST_GROUPS = 10
"""Groups of a fairness gate: it compares every two of them."""

LONGEST_GROUP = 62
"""Characters of one: the two of a gap stand in one name."""

_NONE: Ints = np.zeros(0, np.int64)

_MOST = {
    Evidence.FLIPS: MOST_FLIPS,
    Evidence.RATE: MOST_FLIPS,
    Evidence.REGRESSIONS: MOST_FLIPS,
    Evidence.BOUNDED: MOST_UNITS,
    Evidence.CONFUSION: MOST_CELLS,
    Evidence.GAP: MOST_CELLS,
}
"""Items of a gate whose batches fit a record. What lies beyond is left to other gates."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One claim about one slice, class or pair of groups (or about all items)."""

    claim: Claim
    slice: Slice | None
    sequence: Ints
    """Item indices of this gate in the global order; empty for gates that are not counted item by item."""
    power: Power | None
    marks: Ints | None = field(default=None)
    """Added to the values of the sequence's items: tells the two groups of a gap apart."""
    ends: Ints | None = field(default=None)
    """Where each cluster ends in the sequence, for a gate that counts the means of clusters."""

    @property
    def name(self) -> str:
        """`claim`, or `claim/value` of a slice."""
        return f"{self.claim.name}/{self.slice.value}" if self.slice else self.claim.name

    @property
    def units(self) -> int:
        """Pieces of evidence: items, or clusters of them."""
        return len(self.sequence) if self.ends is None else len(self.ends)

    def place(self, unit: int) -> int:
        """Where a unit begins in the sequence; its end for the one behind the last."""
        if self.ends is None or not unit:
            return min(unit, len(self.sequence))
        return int(self.ends[min(unit, len(self.ends)) - 1])

    @property
    def column(self) -> Column:
        """What it counts of each item."""
        value = self.slice.value if self.slice and self.claim.metric in PER_CLASS else None
        return column_of(self.claim, value)

    @property
    def hard(self) -> bool:
        """Whether it decides."""
        return self.claim.enforcement is Enforcement.HARD

    @property
    def underpowered(self) -> bool:
        """Whether the items at hand would pass an equal candidate less than every second time."""
        return self.power is not None and self.power.power < LEAST_POWER

    @property
    def excluded(self) -> bool:
        """Hard, too small to be proved, and allowed to be: it can still fail the candidate."""
        return self.hard and self.underpowered and self.claim.underpowered is Underpowered.HARM_ONLY

    @property
    def refused(self) -> bool:
        """Hard, too small to be proved, and not allowed to be: nothing is started."""
        return self.hard and self.underpowered and self.claim.underpowered is Underpowered.REFUSE


@runtime_checkable
class Coded(Protocol):
    """A column that is kept as numbers already: a million texts need not be compared."""

    values: Sequence[str]
    codes: Ints


@dataclass(frozen=True, slots=True)
class Items:
    """What is known of the packs' items before a model has answered, one entry an item."""

    ids: Sequence[str]
    columns: Mapping[str, Sequence[str]]
    """One value an item for each slice column."""
    classes: Members = field(default_factory=dict)
    judged: Flags | None = None
    """Items that are judged; None = all. The corpus of embeddings is not."""
    order: Ints | None = None
    """The plan's order of all items, where it is known already."""
    clusters: Ints | None = None
    """The place of each item's cluster in the plan's order of clusters; None = no items belong together."""
    repeated: Flags | None = None
    """Items whose inputs are those of an item before them in the order: no new evidence."""

    @property
    def judged_order(self) -> Ints:
        """The items that are judged, in the plan's order; none where that is not known yet."""
        order = _NONE if self.order is None else self.order
        return order if self.judged is None else order[self.judged[order]]

    @property
    def repeats(self) -> int:
        """How many items are no new evidence."""
        return 0 if self.repeated is None else int(self.repeated.sum())


def expand(
    plan: EvaluationPlan, items: Items, claims: Sequence[Claim] | None = None, with_margins: bool = True
) -> tuple[Gate, ...]:
    """The gates of a plan's claims (or of these of them) over the items: claims in their order, slices by value.

    `with_margins` False leaves out the smallest provable margin, which costs a search. Raises PlanError for a column,
    value or class that the items don't have.
    """
    order = item_order(order_seed(plan), items.ids) if items.order is None else items.order
    if items.judged is not None:
        order = order[items.judged[order]]
    evidence = order if items.repeated is None else order[~items.repeated[order]]
    if items.clusters is not None:
        evidence = evidence[np.argsort(items.clusters[evidence], kind="stable")]
    gates: list[Gate] = []
    for claim in plan.claims if claims is None else claims:
        own = order if of_these_items(plan, claim) else evidence
        gates += _Cut(plan, items, own, claim, with_margins).gates()
    _check_names(gates)
    return tuple(gates)


def _check_names(gates: Sequence[Gate]) -> None:
    """Evidence is kept by name: of two gates of one name, the second would be judged by the first one's."""
    names = Counter(gate.name for gate in gates)
    name, times = names.most_common(1)[0] if names else ("", 0)
    if times > 1:
        said = f"{times} gates have this name; call the gate, the slice column or its values differently"
        raise PlanError(f"gate {name}", said)


def coded(column: Sequence[str]) -> tuple[Sequence[str], Ints]:
    """The distinct texts of a column, and which of them each item has."""
    if isinstance(column, Coded):
        return column.values, column.codes
    texts = np.asarray(column, dtype=object)
    values, codes = np.unique(texts, return_inverse=True)
    return [str(value) for value in values], codes


@dataclass(frozen=True, slots=True)
class _Cut:
    """One claim on its way to its gates."""

    plan: EvaluationPlan
    items: Items
    order: Ints
    claim: Claim
    with_margins: bool

    def gates(self) -> list[Gate]:
        if self.claim.metric not in OF_ITEMS:
            return [Gate(self.claim, None, _NONE, None)]
        if self.claim.metric in PER_CLASS:
            return self._by_class()
        if self.claim.slice_by is None:
            return [self._gate(None, self.order)]
        if TRAITS[self.claim.metric].evidence is Evidence.GAP:
            return self._by_pair()
        values, codes = self._values()
        places = {value: place for place, value in enumerate(values)}
        return [self._gate(value, self.order[codes == places[value]]) for value in self._wanted(set(values))]

    def _gate(self, value: str | None, sequence: Ints, told: Flags | None = None) -> Gate:
        """`told` (n,): items of the class, or of the second group of a gap."""
        sequence, told, ends, held = self._units(sequence, told)
        share = None if told is None else float(told.mean()) if len(told) else 0.0
        units = len(sequence) if ends is None else len(ends)
        power = planned(self.plan, self.claim, units, share, self.with_margins, held)
        column = LABEL if self.claim.metric in PER_CLASS else self.claim.slice_by or ""
        named = None if value is None else Slice(column=column, value=value)
        marks = None
        if told is not None and TRAITS[self.claim.metric].evidence is Evidence.GAP:
            marks = SECOND * told.astype(np.int64)
        return Gate(self.claim, named, sequence, power, marks, ends)

    def _units(self, sequence: Ints, told: Flags | None) -> tuple[Ints, Flags | None, Ints | None, int | None]:
        """Cut to what a record holds: items, which of them are `told`, where clusters end, and the items in those."""
        evidence = TRAITS[self.claim.metric].evidence
        most = _MOST[evidence]
        if self.items.clusters is None or not by_cluster(self.plan, self.claim):
            return sequence[:most], None if told is None else told[:most], None, None
        ends = cluster_ends(self.items.clusters[sequence])[: min(most, MOST_UNITS)]
        held = int(ends[-1]) if len(ends) else 0
        if evidence not in REPRESENTED:
            return sequence[:held], told, ends, held
        first = np.concatenate([[0], ends[:-1]])[: len(ends)].astype(np.int64)
        return sequence[first], None if told is None else told[first], None, held

    def _by_class(self) -> list[Gate]:
        classes = self.items.classes
        gates = []
        for value in self._wanted(set(classes)):
            members = classes[value][self.order]
            if self.claim.metric is Metric.RECALL:
                gates.append(self._gate(value, self.order[members]))
            else:
                gates.append(self._gate(value, self.order, members))
        return gates

    def _by_pair(self) -> list[Gate]:
        values, codes = self._values()
        groups = self._wanted(set(values))
        if len(groups) < 2:
            raise self._error(
                "sliceBy", f"column {self.claim.slice_by!r} has one value, and a gap is between two: leave it out"
            )
        if len(groups) > MOST_GROUPS:
            said = f"column {self.claim.slice_by!r} has {len(groups)} values, every two are compared: at most"
            raise self._error("sliceBy", f"{said} {MOST_GROUPS}; group its values")
        longest = max(groups, key=len)
        if len(longest) > LONGEST_GROUP:
            said = f"{longest!r} of column {self.claim.slice_by!r} has {len(longest)} characters, a gap is named by two"
            raise self._error("sliceBy", f"{said} groups: at most {LONGEST_GROUP} each; write shorter values")
        gates = []
        for first, second in combinations(groups, 2):
            inside = (codes == values.index(first)) | (codes == values.index(second))
            behind = codes[inside] == values.index(second)
            gates.append(self._gate(f"{first} | {second}", self.order[inside], behind))
        return gates

    def _values(self) -> tuple[list[str], Ints]:
        """The distinct values of the claim's column, and for each item in the gate's order which it has.

        Values of all judged items: a slice of nothing but repeats has too few items, which is told, and is not none.
        """
        column = self.claim.slice_by or ""
        if column not in self.items.columns:
            known = ", ".join(sorted(self.items.columns)) or "none"
            raise self._error("sliceBy", f"the labels have no column {column!r}; they have: {known}")
        values, codes = coded(self.items.columns[column])
        met = np.unique(codes if self.items.judged is None else codes[self.items.judged])
        return [values[place] for place in met.tolist()], np.searchsorted(met, codes[self.order])

    def _wanted(self, values: set[str]) -> list[str]:
        if self.claim.value is None or TRAITS[self.claim.metric].evidence is Evidence.GAP:
            return sorted(values)
        if self.claim.value not in values:
            known = ", ".join(sorted(values)[:20]) or "none"
            raise self._error("value", f"no item has {self.claim.value!r}; there is: {known}")
        return [self.claim.value]

    def _error(self, field_: str, said: str) -> PlanError:
        if field_ == "value" and self.claim.origin == "Tier":  # only what a pack calls critical brings one
            return PlanError("criticalClasses of the pack", said)
        return PlanError(f"gate {self.claim.name}.{field_}", said)
