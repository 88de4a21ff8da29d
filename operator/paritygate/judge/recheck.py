"""Believing nothing that can be recomputed: from the counts in a result to its verdict, again."""

import math

import numpy as np

from paritygate.api import (
    Claim,
    Decision,
    Enforcement,
    EvaluationPlan,
    EvaluationResult,
    GateRecord,
    Metric,
    Outcome,
    Reason,
)

from .batchlog import decode
from .gates import Gate, bet_of, planned
from .latency import ControlTally, LatencyTally, decode_blocks
from .plan import ITEM_METRICS, plan_digest
from .ratios import ratio_record
from .tally import ItemTally
from .verdict import Verdict, conclude

TOLERANCE = 1e-9

DECIDED = {
    Reason.ALL_GATES_PROVED,
    Reason.HARM_PROVED,
    Reason.CHECK_FAILED,
    Reason.ITEMS_EXHAUSTED,
    Reason.NO_HARD_GATE,
    Reason.NOISY_NODE,
    Reason.BIASED_HARNESS,
}
"""Reasons that follow from evidence and are derived again; the others say why there is none."""


class ResultRefused(ValueError):
    """A result that does not follow from its own counts, or is not of this plan."""


def recompute(plan: EvaluationPlan, result: EvaluationResult) -> Verdict:
    """The verdict that the counts of a result support. Raises ResultRefused when it is not the one it states.

    Checks that the result is of this plan, that its gates are the plan's, that every batch log gives the log wealth,
    latches and decision it is said to give, and that the verdict follows.
    """
    if result.input_digest != plan_digest(plan):
        raise ResultRefused(f"result is of input digest {result.input_digest}, this evaluation is {plan_digest(plan)}")
    if result.reason not in DECIDED:
        if result.outcome in (Outcome.PASSED, Outcome.FAILED):
            raise ResultRefused(f"{result.outcome} can't be for the reason {result.reason}")
        return Verdict(result.outcome, result.reason, result.message)
    claims = {claim.name: claim for claim in plan.claims}
    names = [record.name for record in result.gates]
    if len(set(names)) != len(names):
        raise ResultRefused("a gate is reported twice")
    hard = 0
    for record in result.gates:
        if record.claim not in claims or record.name != _name(claims[record.claim], record):
            raise ResultRefused(f"gate {record.name!r} is not one of the plan's")
        hard += claims[record.claim].enforcement is Enforcement.HARD
    for record in result.gates:
        _check_gate(plan, claims[record.claim], record, max(1, hard), result)
    _check_control(plan, result)
    verdict = conclude(plan, result.gates, result.checks, result.control)
    if (verdict.outcome, verdict.reason) != (result.outcome, result.reason):
        raise ResultRefused(
            f"result says {result.outcome}/{result.reason}, its counts say {verdict.outcome}/{verdict.reason}"
        )
    return verdict


def _name(claim: Claim, record: GateRecord) -> str | None:
    if claim.slice_by is None:
        return claim.name if record.slice is None else None
    if record.slice is None or record.slice.column != claim.slice_by:
        return None
    return f"{claim.name}/{record.slice.value}"


def _check_gate(plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int, result: EvaluationResult) -> None:
    if claim.metric in ITEM_METRICS:
        _check_items(plan, claim, record, hard)
    elif claim.metric is Metric.LATENCY_RATIO:
        _check_latency(plan, claim, record, hard, result)
    elif record.n:
        again = ratio_record(_gate(claim, record), record.baseline_value or 0, record.candidate_value or 0)
        _same(record, again.decision, record.log_e, again.log_e)
    elif record.decision is not Decision.OPEN:
        raise ResultRefused(f"{record.name}: {record.decision} without a measurement")


def _check_items(plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int) -> None:
    if record.planned is None or not 0 <= record.n <= record.planned.have:
        raise ResultRefused(f"{record.name}: n={record.n} does not fit the items planned")
    power = planned(plan, claim, record.planned.have, with_margin=False)
    gate = Gate(claim, record.slice, np.zeros(0, np.int64), power)
    if gate.refused:
        raise ResultRefused(f"{record.name}: {power.have} items are too few, it should have refused to start")
    try:
        batches = decode(record.batch_log, record.n, bet_of(plan).batch)
    except ValueError as error:
        raise ResultRefused(f"{record.name}: {error}") from error
    if record.n and len(batches):
        totals = (int(batches[:, 0].sum()), int(batches[:, 1].sum()), int(batches[:, 2].sum()))
        if totals != (record.n10, record.n01, record.n11 + record.n00):
            raise ResultRefused(f"{record.name}: the batch log adds up to {totals}, not to the counts")
    tally = ItemTally(gate, plan, hard)
    tally.take(batches)
    again = tally.state()
    if (again.pass_at, again.harm_at) != (record.pass_at, record.harm_at):
        raise ResultRefused(f"{record.name}: latches {record.pass_at}/{record.harm_at} do not follow from the batches")
    _same(record, tally.decision, record.log_e, again.log_e)


def _check_latency(plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int, result: EvaluationResult) -> None:
    blocks = _blocks(result.latency_blocks)
    if record.n > len(blocks):
        raise ResultRefused(f"{record.name}: {record.n} blocks claimed, {len(blocks)} sent")
    tally = LatencyTally(_gate(claim, record), plan, hard)
    if not tally.confirms(record.pass_at, record.harm_at, blocks[: record.n]):
        raise ResultRefused(f"{record.name}: the times do not prove what is claimed")
    decision = Decision.HARM if record.harm_at is not None else Decision.OPEN
    if decision is Decision.OPEN and record.pass_at is not None:
        decision = Decision.PROVED
    _same(record, decision, None, None)


def _check_control(plan: EvaluationPlan, result: EvaluationResult) -> None:
    if result.control is None:
        return
    control = ControlTally(plan)
    control.add(_blocks(result.control_blocks), last=True)
    if control.state != result.control.state:
        raise ResultRefused(f"A/A control: said {result.control.state}, its times say {control.state}")


def _blocks(text: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    try:
        return decode_blocks(text)
    except ValueError as error:
        raise ResultRefused(str(error)) from error


def _gate(claim: Claim, record: GateRecord) -> Gate:
    return Gate(claim, record.slice, np.zeros(0, np.int64), None)


def _same(record: GateRecord, decision: Decision, said: float | None, again: float | None) -> None:
    if record.decision is not decision:
        raise ResultRefused(f"{record.name}: said {record.decision}, recomputed {decision}")
    if again is not None and (said is None or not math.isclose(said, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE)):
        raise ResultRefused(f"{record.name}: log wealth {said} said, {again} recomputed")
