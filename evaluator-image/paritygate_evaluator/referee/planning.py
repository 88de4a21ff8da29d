"""What is known of the items before a model has answered, and which gates follow from it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from paritygate.api import MOST_GATES, Claim, EvaluationPlan, PlannedPack, Reason
from paritygate.judge import MOST_ITEMS, Gate, Items, PlanError, declared_sizes, expand, order_seed
from paritygate.stats.order import item_order

from ..ending import EvaluatorError
from .client import Ints
from .labels import Column, Labels
from .scoring import class_members, corpus_of
from .slices import derived_columns, joined


def known_items(plan: EvaluationPlan, labels: Labels) -> Items:
    """What the labels tell of the items. Raises EvaluatorError PackInvalid for labels that don't fit task or plan."""
    size, packs = len(labels), plan.packs
    if size > MOST_ITEMS:
        said = f"the packs hold {size:,} items together: at most {MOST_ITEMS:,} are judged"
        raise EvaluatorError(Reason.PACK_INVALID, f"{said}; draw a sample of them")
    check_declared(plan, labels)
    columns: dict[str, Column] = dict(labels.columns)
    for name, column in derived_columns(packs).items():
        if column.cross:
            columns[name] = joined([columns[part] for part in column.cross])
    corpus, judged = corpus_of(packs, labels), None
    if len(corpus):
        judged = np.ones(size, np.bool_)
        judged[corpus] = False
    members = class_members(packs[0].task, labels)
    order = item_order(order_seed(plan), labels.ids)
    return Items(labels.ids, columns, members, judged, order, cluster_places(plan, labels))


def cluster_places(plan: EvaluationPlan, labels: Labels) -> Ints | None:
    """The place of each item's cluster in the plan's order of clusters; None where no pack has any.

    An item of a pack without clusters is its own, and keeps its own name in the draw. A cluster's is told apart from
    any item's by a character that none holds. Packs that name the same column share its values: a patient of two packs
    is one cluster, for counted twice it would seem more evidence than it is.
    """
    if not any(column is not None for column in labels.clusters):
        return None
    names: list[str] = []
    known: dict[str, int] = {}
    numbers, start = [], 0
    for pack, count, column in zip(plan.packs, labels.counts, labels.clusters, strict=True):
        if column is None:
            numbers.append(np.arange(len(names), len(names) + count, dtype=np.int64))
            names += [labels.ids[k] for k in range(start, start + count)]
        else:
            called = [f"{pack.cluster}\n{value}" for value in column.values]
            fresh = [name for name in called if name not in known]
            known |= {name: len(names) + place for place, name in enumerate(fresh)}
            names += fresh
            numbers.append(np.array([known[name] for name in called], np.int64)[column.codes])
        start += count
    places = np.empty(len(names), np.int64)
    places[item_order(order_seed(plan), names)] = np.arange(len(names))
    found: Ints = places[np.concatenate(numbers)]
    return found


def repeats_in(items: Items, first: Ints) -> npt.NDArray[np.bool_]:
    """Items that repeat the content of a judged item before them in the plan's order.

    `first` (items,): for each the first item of the packs with the same content. An item that is not judged, as of a
    corpus, is nobody's repetition.
    """
    assert items.order is not None
    order = items.order if items.judged is None else items.order[items.judged[items.order]]
    repeated = np.zeros(len(first), np.bool_)
    repeated[order] = True
    _, earliest = np.unique(first[order], return_index=True)
    repeated[order[earliest]] = False
    return repeated


def gates_of(plan: EvaluationPlan, items: Items) -> tuple[Gate, ...]:
    """The gates whose slices are known. Raises EvaluatorError PackInvalid."""
    try:
        gates = expand(plan, items, known_claims(plan, items))
    except PlanError as error:
        raise EvaluatorError(Reason.PACK_INVALID, str(error)) from error
    if len(gates) > MOST_GATES:
        claim, count = Counter(gate.claim.name for gate in gates).most_common(1)[0]
        raise EvaluatorError(
            Reason.PACK_INVALID,
            f"{len(gates):,} gates, at most {MOST_GATES:,} are judged: {claim!r} alone has {count:,}; group the values "
            "or classes that it is cut by, or give it a value, the one that matters",
        )
    return gates


def known_claims(plan: EvaluationPlan, items: Items) -> Sequence[Claim]:
    """All claims but those about slices that only inputs or the baseline can tell."""
    derived = derived_columns(plan.packs)
    return [c for c in plan.claims if c.slice_by is None or c.slice_by not in derived or c.slice_by in items.columns]


def check_declared(plan: EvaluationPlan, labels: Labels) -> None:
    """A pack that declares its sizes was planned by them: the labels must agree. Raises EvaluatorError PackInvalid."""
    for pack, count in zip(plan.packs, labels.counts, strict=True):
        if pack.items is not None and pack.items != count:
            said = f"it declares {pack.items:,} items, its labels have {count:,}; correct spec.items of the pack"
            raise EvaluatorError(Reason.PACK_INVALID, f"{pack.name}: {said}")
    for name in sorted({column.column for pack in plan.packs for column in pack.declared}):
        sizes, found = declared_sizes(plan, name), labels.columns.get(name)
        if sizes is not None and found is not None:
            _compare(plan.packs, name, sizes, found)


def _compare(packs: Sequence[PlannedPack], name: str, sizes: dict[str, int], found: Column) -> None:
    occurring = np.bincount(found.codes, minlength=len(found.values)).tolist()
    counts = dict(zip(found.values, occurring, strict=True))
    for value in sorted(set(sizes) | set(counts)):
        if sizes.get(value, 0) != counts.get(value, 0):
            said = f"{name}={value}: {sizes.get(value, 0):,} items declared, the labels have {counts.get(value, 0):,}"
            named = ", ".join(pack.name for pack in packs)
            raise EvaluatorError(Reason.PACK_INVALID, f"{named}: {said}; correct spec.slices of the pack")
