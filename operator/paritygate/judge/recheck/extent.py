"""How far an evaluation went, and what is told beside its verdict: it must fit the plan, the gates and each other."""

from math import isclose

from paritygate.api import (
    OF_ITEMS,
    TRAITS,
    Check,
    Claim,
    EvaluationPlan,
    EvaluationResult,
    Evidence,
    GateRecord,
    Inference,
    Outcome,
)

from ..declared import declared_sizes
from ..exploratory import MOST_VALUES, guards, named, overall_claim
from ..finite import finite_record
from .coherence import ResultRefused, unmeasured

TOLERANCE = 1e-9


def check_extent(plan: EvaluationPlan, result: EvaluationResult) -> None:
    """No more items than the plan's cap, every one where it wants them, and a bound on NaN that follows from them."""
    claims = {claim.name: claim for claim in plan.claims}
    counted = [r for r in result.gates if claims[r.claim].metric in OF_ITEMS and not unmeasured(r)]
    if plan.max_items is not None:
        _check_cap(plan, claims, counted, result)
    whole = [r for r in counted if _on_all(claims[r.claim], r)]
    held = max([r.planned.items or r.planned.have for r in whole if r.planned], default=0)
    if plan.every_item and result.outcome in (Outcome.PASSED, Outcome.INCONCLUSIVE) and result.items < held:
        raise ResultRefused(f"every item is to be run, and {result.items:,} of {held:,} were")
    _check_in_order(plan, whole, result)
    _check_finite(plan, held, result)


def check_suspects(plan: EvaluationPlan, result: EvaluationResult) -> None:
    """Slices named as worth a look: by their counts, among no fewer than there can be.

    The size of the family is believed beyond that: the operator doesn't know all values of all columns.
    """
    listed, claims = result.exploratory, {claim.name: claim for claim in plan.claims}
    guarded = {(r.slice.column, r.slice.value) for r in result.gates if r.slice and guards(claims[r.claim], r.slice)}
    if not listed:
        return
    if overall_claim(plan) is None:
        raise ResultRefused("slices are named as worth a look, and no hard gate gives the margin they are held to")
    if wrong := [s for s in listed if (s.column, s.value) in guarded]:
        raise ResultRefused(f"{wrong[0].column}={wrong[0].value} has a hard gate, and is named as a slice without one")
    for suspect in listed:
        if (
            not 0 <= suspect.n10 + suspect.n01 <= suspect.n <= result.items_in_order
            or min(suspect.n10, suspect.n01) < 0
        ):
            raise ResultRefused(
                f"{suspect.column}={suspect.value}: its counts don't fit {result.items_in_order:,} items"
            )
        if suspect.n10 > result.harmful_flips or suspect.n01 > result.beneficial_flips:
            raise ResultRefused(f"{suspect.column}={suspect.value}: more flips than in the whole evaluation")
    declared = sum(
        (column, value) not in guarded
        for column in {column.column for pack in plan.packs for column in pack.declared}
        for value in _values(plan, column)
    )
    if result.exploratory_family < max(declared, len(listed)):
        raise ResultRefused(
            f"{len(listed)} slices are named of {result.exploratory_family} looked at, the packs declare {declared}"
        )
    places, counts = [(s.column, s.value) for s in listed], [(s.n, s.n10, s.n01) for s in listed]
    again = named(plan, places, counts, result.exploratory_family)
    same = len(set(places)) == len(places) == len(again) and all(
        (one.column, one.value) == (two.column, two.value)
        and _close(one.log_e, two.log_e)
        and _close(one.adjusted, two.adjusted)
        for one, two in zip(listed, again, strict=True)
    )
    if not same:
        raise ResultRefused(f"slices {sorted(places)} are named as worth a look, their counts do not say so")


def _check_cap(
    plan: EvaluationPlan, claims: dict[str, Claim], counted: list[GateRecord], result: EvaluationResult
) -> None:
    most: dict[str, int] = {}
    for record in counted:
        if name := claims[record.claim].perturbation:
            most[name] = max(record.n, most.get(name, 0))
    least = result.items + sum(most.values())
    if plan.max_items is not None and result.judged > plan.max_items:
        raise ResultRefused(f"{result.judged:,} items were judged, the plan allows {plan.max_items:,}")
    if result.judged < least or (not most and result.judged > least):
        raise ResultRefused(f"{result.judged:,} items are said to be judged, the counts are of {least:,}")


def _check_in_order(plan: EvaluationPlan, whole: list[GateRecord], result: EvaluationResult) -> None:
    order = result.items_in_order
    if not 0 <= order <= result.items:
        raise ResultRefused(f"{order:,} items in order, {result.items:,} judged")
    counted = max((record.n for record in whole), default=0)
    if order and plan.inference is Inference.SUPERPOPULATION and order < counted:
        raise ResultRefused(f"{order:,} items in order, a gate counted {counted:,} of them")


def _check_finite(plan: EvaluationPlan, held: int, result: EvaluationResult) -> None:
    for check in result.checks:
        if check.name is not Check.FINITE or not check.ok:
            continue
        if check.items is None:
            if check.message or check.of_items is not None or check.share_below is not None:
                raise ResultRefused(f"Finite: {check.message!r} does not tell how many items were looked at")
            continue
        again = finite_record(plan, check.items, check.of_items or 0, result.items_in_order)
        fits = check.items == result.items <= (check.of_items or 0) and held <= (check.of_items or 0)
        if not (fits and _close(check.share_below, again.share_below) and check.message == again.message):
            raise ResultRefused(f"Finite: {check.message!r} does not follow from {result.items:,} judged items")


def _on_all(claim: Claim, record: GateRecord) -> bool:
    """Whether a gate is about all items as they are, one after another."""
    evidence = TRAITS[claim.metric].evidence
    return record.slice is None and claim.perturbation is None and evidence not in (Evidence.CONFUSION, Evidence.GAP)


def _values(plan: EvaluationPlan, column: str) -> list[str]:
    values = [value for value, items in (declared_sizes(plan, column) or {}).items() if items]
    return values if 1 < len(values) <= MOST_VALUES else []


def _close(said: float | None, again: float | None) -> bool:
    if said is None or again is None:
        return said is again
    return isclose(said, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
