"""What is known of the items before a model has answered, and which gates follow from it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from paritygate.api import Claim, EvaluationPlan, PlannedPack, Reason
from paritygate.judge import MOST_ITEMS, Gate, Items, PlanError, declared_sizes, expand, order_seed
from paritygate.stats.order import item_order

from ..ending import EvaluatorError
from .labels import Column, Labels
from .scoring import class_members, corpus_of
from .slices import derived_columns, joined

MOST_GATES = 512


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
    return Items(labels.ids, columns, members, judged, item_order(order_seed(plan), labels.ids))


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
            f"{len(gates):,} gates, at most {MOST_GATES} are judged: {claim!r} alone has {count:,}; group the values "
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
