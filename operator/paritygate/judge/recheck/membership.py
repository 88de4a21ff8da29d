"""Which items a gate is about: what a result says of classes, groups and declared sizes must fit what it counted.

The operator never sees the items. But the items of a class, or of the second group of a pair, are in the gate's own
counts once all of them are judged, every two groups are compared, and a pack may have declared its sizes. Otherwise a
gate could be made too small to be proved, left out of the promise with that, or left out altogether.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import isqrt

from paritygate.api import PER_CLASS, TRAITS, Claim, EvaluationPlan, Evidence, GateRecord, Task

from ..batchlog import MOST_UNITS, decode_cells
from ..declared import declared_sizes
from ..processes import confusion, gap
from ..units import clustered, of_these_items

LEAST_CAP = MOST_UNITS
"""A gate of this many items may have been cut to what a record holds: its size says nothing about the packs."""

_BATCH = {Evidence.CONFUSION: confusion.BATCH, Evidence.GAP: gap.BATCH}
_CELLS = 8

Claims = Mapping[str, Claim]


def check_members(plan: EvaluationPlan, claims: Claims, gates: Sequence[GateRecord], repeated: int = 0) -> None:
    """Raises ValueError naming the gate whose size, class or group can't be. `gates` have their items planned.

    `repeated` items are said to be no new evidence: by no more than them may a size fall short of what is declared.
    """
    inside = {r.name: _inside(claims[r.claim], r) for r in gates if TRAITS[claims[r.claim].metric].evidence in _BATCH}
    for claim in claims.values():
        own = [record for record in gates if record.claim == claim.name]
        if not own or any(_have(record) >= LEAST_CAP for record in own):
            continue
        match TRAITS[claim.metric].evidence:
            case Evidence.GAP:
                alike = gates
                if repeated or clustered(plan):  # gates about these very items count others than a gap does
                    alike = [record for record in gates if not of_these_items(plan, claims[record.claim])]
                _check_pairs(claim, own, _slices(claim, claims, alike), inside)
            case Evidence.CONFUSION if claim.value is None and all(p.task is not Task.MULTILABEL for p in plan.packs):
                if (told := sum(inside[record.name] for record in own)) != _have(own[0]):
                    raise ValueError(f"{claim.name}: its classes have {told:,} of {_have(own[0]):,} items: one is left")
            case Evidence.CONFUSION:
                pass
            case _:
                _check_declared(plan, claim, own, 0 if of_these_items(plan, claim) else repeated)


def _inside(claim: Claim, record: GateRecord) -> int:
    """Items of the class, or of the second group."""
    have, share = _have(record), record.planned.share if record.planned else None
    if share is None or not 0 <= share <= 1:
        raise ValueError(f"{record.name}: a share of {share} is none")
    told = round(share * have)
    cells = decode_cells(record.batch_log, record.n, _BATCH[TRAITS[claim.metric].evidence], _CELLS)
    seen = int(cells[:, _CELLS // 2 :].sum())
    if abs(told - share * have) > 1e-6 * max(1, have) or not seen <= told <= seen + have - record.n:
        raise ValueError(f"{record.name}: a share of {share} of {have:,} items, {seen:,} of {record.n:,} were counted")
    return told


def _slices(claim: Claim, claims: Claims, gates: Sequence[GateRecord]) -> dict[str, GateRecord]:
    """The gate of each group, where another claim cuts the same column."""
    return {
        record.slice.value: record
        for record in gates
        if record.slice and record.slice.column == claim.slice_by
        if TRAITS[claims[record.claim].metric].evidence is not Evidence.GAP and claims[record.claim].value is None
    }


def _check_pairs(
    claim: Claim, own: Sequence[GateRecord], groups: Mapping[str, GateRecord], inside: Mapping[str, int]
) -> None:
    """That every two groups are compared, each with its items."""
    names = {record.name for record in own}
    count = (1 + isqrt(1 + 8 * len(own))) // 2
    if count * (count - 1) != 2 * len(own):
        raise ValueError(f"{claim.name}: {len(own)} pairs are not every two of any number of groups: one was left out")
    if not groups:
        return
    pairs = {f"{claim.name}/{a} | {b}": (groups[a], groups[b]) for a, b in combinations(sorted(groups), 2)}
    if names != set(pairs):
        raise ValueError(f"{claim.name}: compares {sorted(names ^ set(pairs))[0]!r} or leaves it out wrongly")
    for record in own:
        (first, second), behind = map(held, pairs[record.name]), inside[record.name]
        ahead = _have(record) - behind
        if record.planned and record.planned.items is not None:
            # A cluster may have items in both groups: one of them stands for it.
            least = [_have(gate) for gate in pairs[record.name]]
            fits = held(record) == first + second and ahead <= least[0] and behind <= least[1]
            fits = fits and ahead + behind >= max(least)
        else:
            fits = (ahead, behind) == (first, second)
        if not fits:
            raise ValueError(f"{record.name}: the groups have {first:,} and {second:,} items in other gates")


def _check_declared(plan: EvaluationPlan, claim: Claim, own: Sequence[GateRecord], repeated: int) -> None:
    """That sizes are those that every pack declares. The corpus is not judged, and only the labels say how large."""
    if any(pack.items is None or pack.corpus for pack in plan.packs) or claim.metric in PER_CLASS:
        return
    if claim.slice_by is None:
        sizes: dict[str, int] | None = {"": sum(pack.items or 0 for pack in plan.packs)}
    else:
        sizes = declared_sizes(plan, claim.slice_by)
    if sizes is None:
        return
    wanted = {value: have for value, have in sizes.items() if claim.value in (None, value)}
    told = {record.slice.value if record.slice else "": held(record) for record in own}
    but = f" and {repeated:,} in all repeat another" if repeated else ""
    for value in sorted(set(wanted) | set(told)):
        if not 0 <= wanted.get(value, 0) - told.get(value, 0) <= repeated:
            where = f"{claim.name}/{value}" if value else claim.name
            said = f"{told.get(value, 0):,} items, the packs declare {wanted.get(value, 0):,}{but}"
            raise ValueError(f"{where}: {said}")
    missing = sum(wanted.values()) - sum(told.values())
    if missing != repeated and claim.value is None:
        raise ValueError(f"{claim.name}: {missing:,} items fewer than the packs declare, {repeated:,} repeat another")


def held(record: GateRecord) -> int:
    """Items of a gate, whether it counts them or the clusters that they make up."""
    assert record.planned is not None  # check_shared_items refused it
    return record.planned.have if record.planned.items is None else record.planned.items


def _have(record: GateRecord) -> int:
    assert record.planned is not None  # check_shared_items refused it
    return record.planned.have
