"""Believing nothing that can be recomputed: from the counts in a result to its verdict, again."""

import math

import numpy as np

from paritygate.api import (
    OF_ITEMS,
    SOFT_ONLY,
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

from ..culprits import Peak, culprits
from ..departure import explained
from ..figures import figure_record
from ..gates import Gate
from ..latency import Blocks, ControlTally, LatencyTally, decode_blocks
from ..plan import plan_digest
from ..power import planned
from ..tally import ItemTally
from ..verdict import Verdict, conclude
from .coherence import (
    ResultRefused,
    check_gates,
    check_numbers,
    check_shared_items,
    check_subjects,
    check_without_evidence,
    unmeasured,
)
from .extent import check_extent, check_suspects

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
    check_extent(plan, result)
    check_suspects(plan, result)
    _check_blocks(plan, result)
    claims = {claim.name: claim for claim in plan.claims}
    hard = sum(claims[record.claim].enforcement is Enforcement.HARD for record in result.gates)
    peaks = []
    for record in result.gates:
        claim = claims[record.claim]
        if unmeasured(record):
            continue
        if claim.metric in OF_ITEMS:
            peaks.append(_check_items(plan, claim, record, max(1, hard)))
        else:
            _check_measured(plan, claim, record, max(1, hard), result)
    _check_culprits(plan, peaks, max(1, hard), result)
    # What a message says of missing items must not be the referee's word either.
    replanned = {peak.gate.name: peak.gate.power for peak in peaks}
    records = [r.model_copy(update={"planned": replanned.get(r.name, r.planned)}) for r in result.gates]
    verdict = conclude(plan, records, result.checks, result.control)
    if (verdict.outcome, verdict.reason) != (result.outcome, result.reason):
        raise ResultRefused(
            f"result says {result.outcome}/{result.reason}, its counts say {verdict.outcome}/{verdict.reason}"
        )
    return explained(verdict, result.layers)


def _check_measured(
    plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int, result: EvaluationResult
) -> None:
    if claim.metric is Metric.LATENCY_RATIO:
        _check_latency(plan, claim, record, hard, decode_blocks(result.latency_blocks))
    elif record.n and record.estimate is not None:
        figure = record.baseline_value, record.candidate_value, record.estimate, record.data
        if claim.metric not in SOFT_ONLY:
            before, after = record.baseline_value or 0, record.candidate_value or 0
            if not (before > 0 and after > 0):
                raise ResultRefused(f"{record.name}: {after} / {before} bytes is no ratio")
            figure = before, after, after / before, record.data
        _same(record, figure_record(_gate(claim, record), figure), "n", "estimate")
    elif record.decision is not Decision.OPEN:
        raise ResultRefused(f"{record.name}: {record.decision} without a measurement")


def _check_items(plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int) -> Peak:
    assert record.planned is not None  # check_shared_items refused it
    told = record.planned
    power = planned(plan, claim, told.have, told.share, with_margin=False, items=told.items)
    gate = Gate(claim, record.slice, np.zeros(0, np.int64), power)
    if gate.refused:
        raise ResultRefused(f"{record.name}: {record.planned.have} items are too few, it should have refused to start")
    tally = ItemTally(gate, plan, hard)
    if record.n % tally.batch and record.n != record.planned.have:
        said = f"n={record.n} ends within a batch of {tally.batch}, and more items were there"
        raise ResultRefused(f"{record.name}: {said}")
    try:
        tally.replay(record)
    except ValueError as error:
        raise ResultRefused(f"{record.name}: {error}") from error
    again = tally.figures()
    if (again.pass_at, again.harm_at) != (record.pass_at, record.harm_at):
        raise ResultRefused(f"{record.name}: latches {record.pass_at}/{record.harm_at} do not follow from the batches")
    _same(record, again, "n", "n10", "n01", "estimate", "log_e", "log_e_harm", "baseline_value", "candidate_value")
    if record.n11 + record.n00 != again.n11 + again.n00:
        raise ResultRefused(f"{record.name}: the batch log does not add up to the counts")
    _same_bet(record, again)
    if not tally.supports(record):
        raise ResultRefused(
            f"{record.name}: the counts give no interval as narrow as {record.interval}, or "
            f"prove no margin as small as {record.proven_margin}"
        )
    return Peak(gate, tally.harm_peak)


def _check_culprits(plan: EvaluationPlan, peaks: list[Peak], hard: int, result: EvaluationResult) -> None:
    again = culprits(plan, peaks, hard)
    said = {culprit.gate: culprit.adjusted for culprit in result.culprits}
    if set(said) != {culprit.gate for culprit in again} or not all(
        _close(said[culprit.gate], culprit.adjusted) for culprit in again
    ):
        raise ResultRefused(f"culprits {sorted(said)} named, the counts name {sorted(c.gate for c in again)}")


def _check_latency(plan: EvaluationPlan, claim: Claim, record: GateRecord, hard: int, blocks: Blocks) -> None:
    if record.n != len(blocks):
        raise ResultRefused(f"{record.name}: {record.n} blocks claimed, {len(blocks)} sent")
    tally = LatencyTally(_gate(claim, record), plan, hard)
    if not tally.confirms(record.pass_at, record.harm_at, blocks):
        raise ResultRefused(f"{record.name}: the times do not prove what is claimed")
    again = tally.figures()
    _same(record, again, "baseline_value", "candidate_value", "estimate")
    _same_bet(record, again)
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
    tally.add(blocks)
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


def _same_bet(record: GateRecord, again: GateRecord) -> None:
    if record.bet != again.bet:
        raise ResultRefused(f"{record.name}: the bet was {again.bet!r}, the record says {record.bet!r}")


def _close(said: float | None, again: float | None) -> bool:
    if said is None or again is None:
        return said is again
    return math.isclose(said, again, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
