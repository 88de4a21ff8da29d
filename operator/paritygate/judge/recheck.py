"""Believing nothing that can be recomputed: from the counts in a result to its verdict, again."""

import math

import numpy as np

from paritygate.api import (
    Claim,
    ControlRecord,
    Decision,
    Enforcement,
    EvaluationPlan,
    EvaluationResult,
    GateRecord,
    Metric,
    Reason,
)

from .coherence import (
    ResultRefused,
    batches_of,
    check_gates,
    check_numbers,
    check_shared_items,
    check_subjects,
    check_without_evidence,
)
from .gates import Gate, bet_of, planned
from .latency import Blocks, ControlTally, LatencyTally, decode_blocks
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


def recompute(plan: EvaluationPlan, result: EvaluationResult) -> Verdict:
    """The verdict that the counts of a result support. Raises ResultRefused when it is not the one it states.

    Checks that the result is of this plan and of one piece, that its gates are the plan's, that every batch log and
    every time gives the log wealth, latches, decision and figures it is said to give, and that the verdict follows.
    """
    if result.input_digest != plan_digest(plan):
        raise ResultRefused(f"result is of input digest {result.input_digest}, this evaluation is {plan_digest(plan)}")
    check_numbers(result)
    check_subjects(plan, result)
    if result.reason not in DECIDED:
        check_without_evidence(result)
        return Verdict(result.outcome, result.reason, result.message)
    check_gates(plan, result)
    check_shared_items(plan, result)
    _check_blocks(plan, result)
    claims = {claim.name: claim for claim in plan.claims}
    hard = sum(claims[record.claim].enforcement is Enforcement.HARD for record in result.gates)
    for record in result.gates:
        _check_gate(plan, claims[record.claim], record, max(1, hard), result)
    verdict = conclude(plan, result.gates, result.checks, result.control)
    if (verdict.outcome, verdict.reason) != (result.outcome, result.reason):
        raise ResultRefused(
            f"result says {result.outcome}/{result.reason}, its counts say {verdict.outcome}/{verdict.reason}"
        )
    return verdict


def _check_gate(plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int, result: EvaluationResult) -> None:
    if claim.metric in ITEM_METRICS:
        _check_items(plan, claim, record, hard)
    elif claim.metric is Metric.LATENCY_RATIO:
        _check_latency(plan, claim, record, hard, decode_blocks(result.latency_blocks))
    elif record.n:
        again = ratio_record(_gate(claim, record), record.baseline_value or 0, record.candidate_value or 0)
        _same(record, again, "n", "estimate")
    elif record.decision is not Decision.OPEN:
        raise ResultRefused(f"{record.name}: {record.decision} without a measurement")


def _check_items(plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int) -> None:
    assert record.planned is not None  # check_shared_items refused it
    power = planned(plan, claim, record.planned.have, with_margin=False)
    gate = Gate(claim, record.slice, np.zeros(0, np.int64), power)
    if gate.refused:
        raise ResultRefused(f"{record.name}: {power.have} items are too few, it should have refused to start")
    batches = batches_of(record, bet_of(plan).batch)
    tally = ItemTally(gate, plan, hard)
    tally.take(batches)
    again = tally.state()
    if (again.pass_at, again.harm_at) != (record.pass_at, record.harm_at):
        raise ResultRefused(f"{record.name}: latches {record.pass_at}/{record.harm_at} do not follow from the batches")
    _same(record, tally.figures(), "estimate", "log_e", "log_e_harm")
    if not tally.supports(record.interval, record.proven_margin):
        raise ResultRefused(
            f"{record.name}: the counts give no interval as narrow as {record.interval}, or "
            f"prove no margin as small as {record.proven_margin}"
        )


def _check_latency(plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int, blocks: Blocks) -> None:
    if record.n != len(blocks):
        raise ResultRefused(f"{record.name}: {record.n} blocks claimed, {len(blocks)} sent")
    tally = LatencyTally(_gate(claim, record), plan, hard)
    if not tally.confirms(record.pass_at, record.harm_at, blocks):
        raise ResultRefused(f"{record.name}: the times do not prove what is claimed")
    _same(record, tally.figures(), "baseline_value", "candidate_value", "estimate")
    if record.interval is not None and not (record.n and tally.supports(record.interval)):
        raise ResultRefused(f"{record.name}: the times do not exclude all outside of {record.interval}")


def _check_blocks(plan: EvaluationPlan, result: EvaluationResult) -> None:
    """Times that a clock can have shown, no more than planned, the control's its own and judged again."""
    blocks, control = _blocks(result.latency_blocks), _blocks(result.control_blocks)
    for what, times in (("latency", blocks), ("A/A control", control)):
        if len(times) > plan.latency_blocks:
            raise ResultRefused(f"{what}: {len(times):,} blocks, the plan allows {plan.latency_blocks:,}")
        if (times <= 0).any():
            raise ResultRefused(f"{what}: a call took no time at all")
    shared = min(len(blocks), len(control))
    if shared and np.array_equal(blocks[:shared], control[:shared]):
        raise ResultRefused("latency: the candidate's times are those of the A/A control")
    if len(blocks) and (result.control is None or result.control.state != "Quiet"):
        raise ResultRefused("latency: the candidate was timed without a quiet A/A control before it")
    if result.control is not None:
        _check_control(plan, result.control, control)


def _check_control(plan: EvaluationPlan, said: ControlRecord, blocks: Blocks) -> None:
    if not any(claim.metric is Metric.LATENCY_RATIO for claim in plan.claims):
        raise ResultRefused("A/A control: the plan has no latency gate to control")
    tally = ControlTally(plan)
    tally.add(blocks, last=True)
    again = tally.record()
    if said.state != again.state:
        raise ResultRefused(f"A/A control: said {said.state}, its times say {again.state}")
    if said.blocks != again.blocks or not (_close(said.ratio, again.ratio) and _close(said.limit, again.limit)):
        raise ResultRefused(
            f"A/A control: ratio {said.ratio}, limit {said.limit} and {said.blocks} blocks said, its times give "
            f"{again.ratio}, {again.limit} and {again.blocks}"
        )


def _blocks(text: str) -> Blocks:
    try:
        return decode_blocks(text)
    except ValueError as error:
        raise ResultRefused(str(error)) from error


def _gate(claim: Claim, record: GateRecord) -> Gate:
    return Gate(claim, record.slice, np.zeros(0, np.int64), None)


def _same(record: GateRecord, again: GateRecord, *figures: str) -> None:
    """The decision, and what is shown of it: a verdict's message must not print what the counts do not say."""
    if record.decision is not again.decision:
        raise ResultRefused(f"{record.name}: said {record.decision}, recomputed {again.decision}")
    for figure in figures:
        said, derived = getattr(record, figure), getattr(again, figure)
        if not _close(said, derived):
            raise ResultRefused(f"{record.name}: {figure.replace('_', ' ')} {said} said, {derived} recomputed")


def _close(said: float | None, again: float | None) -> bool:
    if said is None or again is None:
        return said is again
    return math.isclose(said, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
