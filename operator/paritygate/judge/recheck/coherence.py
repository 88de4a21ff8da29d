"""What must agree within one result before any count of it is replayed: numbers, gates, and the items they share."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from paritygate.api import (
    OF_ITEMS,
    PER_CLASS,
    TRAITS,
    Check,
    Claim,
    Decision,
    Enforcement,
    EvaluationPlan,
    EvaluationResult,
    Evidence,
    GateRecord,
    Metric,
    Outcome,
    Task,
)
from paritygate.stats.flip import FLIP_1

from ..batchlog import tokens
from ..columns import Kind, column_of
from ..gates import LABEL
from ..processes import confusion, gap
from ..units import by_cluster, of_these_items
from ..verdict import most_moved
from .membership import LEAST_CAP, check_members, held

MOST_ITEMS = 1 << 22
"""Items in all packs together. A replay takes memory in proportion: a result must not be able to ask for all of it."""

_LARGEST = 2.0**53
"""Beyond it a JSON number is not the same number to every reader."""


class ResultRefused(ValueError):
    """A result that does not follow from its own counts, or is not of this plan."""


def check_numbers(result: EvaluationResult) -> None:
    """Refuse what no honest count or measurement is: infinity and NaN (1e999 is valid JSON), negative counts."""
    for where, value in _numbers(result.model_dump(), "result"):
        if not math.isfinite(value) or abs(value) > _LARGEST:
            raise ResultRefused(f"{where} is out of range")
    counts = {"items": result.items, "harmfulFlips": result.harmful_flips, "beneficialFlips": result.beneficial_flips}
    counts |= {"neutralFlips": result.neutral_flips, "repeatedItems": result.repeated_items, "judged": result.judged}
    counts |= {"itemsInOrder": result.items_in_order, "exploratoryFamily": result.exploratory_family}
    for record in result.gates:
        counts |= {f"{record.name}: {k}": getattr(record, k) for k in ("n", "n10", "n01", "n11", "n00")}
    for where, count in counts.items():
        if count < 0:
            raise ResultRefused(f"{where} is {count}: a count is never negative")


def check_without_evidence(result: EvaluationResult) -> None:
    """A result that says why there is no evidence must not show any: its gates would be reported unchecked."""
    if result.outcome in (Outcome.PASSED, Outcome.FAILED):
        raise ResultRefused(f"{result.outcome} can't be for the reason {result.reason}")
    if result.exploratory:
        raise ResultRefused(f"{len(result.exploratory)} slices are named, but {result.reason} says nothing was judged")
    for record in result.gates:
        if record.n or record.decision in (Decision.PROVED, Decision.HARM):
            raise ResultRefused(
                f"{record.name}: {record.decision} (n={record.n}), but {result.reason} says nothing was judged"
            )


def check_subjects(plan: EvaluationPlan, result: EvaluationResult) -> None:
    """Passed is said about two contents: both must be told, and be the plan's where it names them."""
    for role, subject, found in (
        ("baseline", plan.baseline, result.baseline_digest),
        ("candidate", plan.candidate, result.candidate_digest),
    ):
        if subject.digest and found and found != subject.digest:
            raise ResultRefused(f"the evaluator ran a {role} of digest {found}, the plan names {subject.digest}")
        if not found and result.outcome is Outcome.PASSED:
            raise ResultRefused(f"Passed does not tell the digest of the {role} that was run")


def check_repeat(result: EvaluationResult) -> None:
    """A candidate that was seen to answer in two ways is not said to be deterministic."""
    repeat = result.repeat
    made = any(check.name is Check.DETERMINISTIC and check.ok for check in result.checks)
    if repeat is None or not made:
        return
    if not (0 <= repeat.baseline <= repeat.items and 0 <= repeat.candidate <= min(repeat.items, most_moved(repeat))):
        said = f"{repeat.candidate} of {repeat.items} items were answered differently when asked again"
        raise ResultRefused(f"{Check.DETERMINISTIC} is said to hold, and {said} (the baseline: {repeat.baseline})")


def check_gates(plan: EvaluationPlan, result: EvaluationResult) -> None:
    """Every claim of the plan is reported, nothing else is, and each gate once."""
    check_repeat(result)
    claims = {claim.name: claim for claim in plan.claims}
    if len(claims) != len(plan.claims):
        raise ResultRefused("the plan has two claims of one name")
    names = [record.name for record in result.gates]
    if len(set(names)) != len(names):
        raise ResultRefused("a gate is reported twice")
    for record in result.gates:
        if unmeasured(record) and record.claim == record.name and record.claim in claims:
            continue
        if record.claim not in claims or record.name != _name(claims[record.claim], record):
            raise ResultRefused(f"gate {record.name!r} is not one of the plan's")
    missing = sorted(set(claims) - {record.claim for record in result.gates})
    if missing:
        raise ResultRefused(f"no gate is reported for {', '.join(missing)}: a gate that was not measured is Open")


def unmeasured(record: GateRecord) -> bool:
    """Whether a record only says that its claim was not come to: it can prove nothing, and stands in for its slices."""
    return record.decision is Decision.OPEN and not record.n and record.planned is None and record.slice is None


def check_shared_items(plan: EvaluationPlan, result: EvaluationResult) -> None:
    """All gates look at the same items: their sizes, counts and flips must fit together.

    The operator never sees the items, but each has exactly one value in a slice column: a slice that was left out,
    invented, made smaller (to be excluded from the promise) or larger (to seem provable) breaks a sum.
    """
    claims = {claim.name: claim for claim in plan.claims}
    gates = [r for r in result.gates if claims[r.claim].metric in OF_ITEMS and not unmeasured(r)]
    single = all(pack.task is not Task.MULTILABEL for pack in plan.packs)
    total = _check_sizes(plan, claims, gates, single, result.repeated_items)
    _check_clusters(plan, claims, gates)
    _check_order(plan, claims, gates, result.repeated_items)
    try:
        check_members(plan, claims, gates, result.repeated_items)
    except ValueError as error:
        raise ResultRefused(str(error)) from error
    if result.items > total:
        raise ResultRefused(f"{result.items:,} items judged, the packs hold {total:,}")
    views = 1 + len({claim.perturbation for claim in plan.claims if claim.perturbation})
    if result.judged > views * total:
        raise ResultRefused(f"{result.judged:,} items judged, {views} times {total:,} could be")
    if result.harmful_flips + result.beneficial_flips + result.neutral_flips > result.items:
        raise ResultRefused(f"more flips than the {result.items:,} items judged")
    for claim in claims.values():
        own = [record for record in gates if record.claim == claim.name]
        if claim.metric in OF_ITEMS and claim.perturbation is None and _is_cut(claim, single):
            _check_totals(claim, own, result)
    if result.outcome is not Outcome.FAILED and (plan.max_items is None or result.judged < plan.max_items):
        _check_exhausted([r for r in gates if claims[r.claim].enforcement is Enforcement.HARD])


def _numbers(value: object, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _numbers(member, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from _numbers(member, f"{where}[{index}]")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield where, value if abs(value) <= _LARGEST else math.inf
    elif isinstance(value, float):
        yield where, value


def _name(claim: Claim, record: GateRecord) -> str | None:
    column = LABEL if claim.metric in PER_CLASS else claim.slice_by
    if column is None:
        return claim.name if record.slice is None else None
    if record.slice is None or record.slice.column != column:
        return None
    if claim.value not in (None, record.slice.value):
        return None
    return f"{claim.name}/{record.slice.value}"


def _is_cut(claim: Claim, single: bool) -> bool:
    """Whether each item is in at most one gate of the claim. `single`: an item has one class."""
    evidence = TRAITS[claim.metric].evidence
    if evidence is Evidence.GAP or evidence is Evidence.CONFUSION:
        return False
    return single or claim.metric is not Metric.RECALL


def _check_totals(claim: Claim, own: Sequence[GateRecord], result: EvaluationResult) -> None:
    outcomes = column_of(claim).kind is Kind.OUTCOME
    for what, counted, most in (
        ("items", sum(r.n for r in own), result.items),
        ("harmful flips", sum(r.n10 for r in own) if outcomes else 0, result.harmful_flips),
        ("beneficial flips", sum(r.n01 for r in own) if outcomes else 0, result.beneficial_flips),
    ):
        if counted > most:
            raise ResultRefused(f"{claim.name}: {counted:,} {what} counted, {most:,} in the whole evaluation")


def _check_sizes(
    plan: EvaluationPlan, claims: Mapping[str, Claim], gates: Sequence[GateRecord], single: bool, repeated: int
) -> int:
    """The most items there can be. The gates of every claim that has them all must add up to the same number.

    Those about these very items have all of them, the others all but those that repeat another.
    """
    sizes: dict[str, int] = {}
    slices: dict[tuple[str, bool], int] = {}
    for record in gates:
        claim, have = claims[record.claim], _held(record)
        evidence = TRAITS[claim.metric].evidence
        lacking = 0 if of_these_items(plan, claim) else repeated
        if evidence is Evidence.CONFUSION:
            sizes[record.name] = have + lacking
            continue
        if evidence is Evidence.GAP:
            continue
        if claim.value is None and _is_cut(claim, single):
            sizes[record.claim] = sizes.get(record.claim, lacking) + have
        if record.slice is not None:
            place = f"{record.slice.column}={record.slice.value}"
            known = slices.setdefault((place, lacking > 0), have)
            if known != have:
                raise ResultRefused(f"{record.name}: {have:,} items, another gate has {known:,} of {place}")
    largest = max(sizes.values(), default=MOST_ITEMS)
    if any(size != largest and size < LEAST_CAP for size in sizes.values()):
        said = ", ".join(f"{name} {have:,}" for name, have in sizes.items())
        raise ResultRefused(f"the gates do not add up to the same items ({said}): a slice is missing or made up")
    return largest if largest < LEAST_CAP else MOST_ITEMS  # gates may have been cut, and all items run


def _check_clusters(plan: EvaluationPlan, claims: Mapping[str, Claim], gates: Sequence[GateRecord]) -> None:
    """That gates count clusters where the plan has them, and that those of a slice can be some of all there are."""
    whole: dict[str, int] = {}
    parts: dict[str, int] = defaultdict(int)
    for record in gates:
        claim, have = claims[record.claim], _have(record)
        items = record.planned.items if record.planned else None
        if (items is not None) != by_cluster(plan, claim):
            raise ResultRefused(f"{record.name}: it counts {'items' if items is None else 'clusters'}, the plan not so")
        if items is None:
            continue
        if not have <= items <= MOST_ITEMS or (items > 0) != (have > 0):
            raise ResultRefused(f"{record.name}: {items:,} items can't make up {have:,} clusters")
        if record.slice is None or TRAITS[claim.metric].evidence is Evidence.CONFUSION:
            whole[record.name] = have
        elif claim.value is None:
            parts[claim.name] += have
    if not whole or max(whole.values()) >= LEAST_CAP:
        return
    most = max(whole.values())
    if min(whole.values()) != most:
        raise ResultRefused(f"the gates do not have the same clusters ({whole}): some are left out or made up")
    if short := [name for name, have in parts.items() if have < most]:
        raise ResultRefused(f"{short[0]}: {parts[short[0]]:,} clusters in all slices, there are {most:,}")


def _held(record: GateRecord) -> int:
    _have(record)
    return held(record)


def _have(record: GateRecord) -> int:
    if record.planned is None or not 0 <= record.n <= record.planned.have:
        raise ResultRefused(f"{record.name}: n={record.n} does not fit the items planned")
    if record.planned.have > MOST_ITEMS:
        raise ResultRefused(f"{record.name}: {record.planned.have:,} items, at most {MOST_ITEMS:,} are judged")
    return record.planned.have


def _check_order(plan: EvaluationPlan, claims: Mapping[str, Claim], gates: Sequence[GateRecord], repeated: int) -> None:
    """Gates of one column over the same items count them in the same order: the shorter log begins the longer."""
    places: dict[object, list[GateRecord]] = defaultdict(list)
    for record in gates:
        claim = claims[record.claim]
        evidence = TRAITS[claim.metric].evidence
        value = record.slice.value if record.slice and claim.metric in PER_CLASS else None
        where = None if evidence is Evidence.CONFUSION or record.slice is None else record.slice.model_dump_json()
        family = "" if evidence in _OUTCOMES and not by_cluster(plan, claim) else evidence.value
        if not family and repeated and of_these_items(plan, claim):
            family = "every item, with those that repeat another"
        places[column_of(claim, value), where, family].append(record)
    for same in places.values():
        ordered = sorted(same, key=lambda record: record.n)
        for less, more in pairwise(ordered):
            if not _begins_with(more, less, _batch(TRAITS[claims[less.claim].metric].evidence)):
                raise ResultRefused(f"{less.name} and {more.name} count the same items and differ in what they saw")


_OUTCOMES = (Evidence.FLIPS, Evidence.RATE, Evidence.REGRESSIONS)
"""Evidence whose batches are written alike."""


def _batch(evidence: Evidence) -> int:
    return {Evidence.CONFUSION: confusion.BATCH, Evidence.GAP: gap.BATCH}.get(evidence, FLIP_1.batch)


def _begins_with(more: GateRecord, less: GateRecord, batch: int) -> bool:
    try:
        first, longer = tokens(less.batch_log, less.n, batch), tokens(more.batch_log, more.n, batch)
    except ValueError as error:
        raise ResultRefused(f"{less.name} or {more.name}: {error}") from error
    further = more.n - less.n
    grown = [getattr(more, kind) - getattr(less, kind) for kind in ("n10", "n01", "n11", "n00")]
    return all(0 <= one <= further for one in grown) and longer[: len(first)] == first


def _check_exhausted(gates: Sequence[GateRecord]) -> None:
    """Only harm ends an evaluation early: else a gate that is not proved has seen every item there is.

    Of a slice too small to be proved that is all its promise: it could still have failed the candidate.
    """
    for record in gates:
        if record.decision in (Decision.OPEN, Decision.NOT_PROVEN) and record.n != _have(record):
            raise ResultRefused(
                f"{record.name}: {record.decision} after {record.n:,} of {_have(record):,} items: the rest was left out"
            )
