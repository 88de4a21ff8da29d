"""The report: what was decided on which inputs, named by them, so that it is written once whatever is killed when."""

import hashlib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from paritygate.api import (
    MOST_GATES,
    CompressionValidation,
    Decision,
    Enforcement,
    GateRecord,
    Outcome,
    Power,
    Reason,
    ReportSpec,
    ValidationReport,
    VerdictStatus,
)
from paritygate.api.base import ObjectMeta
from paritygate.api.report import ValidationRef
from paritygate.api.validation import GateStatus
from paritygate.judge import ResultRefused, describe, unit_of
from paritygate.serving import instants

from .case import Case, Resolved
from .conditions import shortened
from .evaluator_pod import short_digest
from .model import DIGEST_LABEL, MANAGED_BY, UID_LABEL
from .power import planned_records
from .results import Judged

MOST_SHOWN = 32
"""Gates in a status; the report has all."""

LARGEST_REPORT = 5 << 18
"""Bytes: the API server's store takes one and a half MiB an object."""

_EVIDENCE = (
    "gates",
    "checks",
    "control",
    "items",
    "repeated_items",
    "harmful_flips",
    "beneficial_flips",
    "neutral_flips",
    "worst",
    "repeat",
    "culprits",
    "judged",
    "items_in_order",
    "exploratory",
    "exploratory_family",
    "layers",
    "environment",
)
"""What a report takes over from a result as it is. The latency times stay behind: the result's digest tells of them."""


def report_name(validation: CompressionValidation, input_digest: str) -> str:
    """A function of validation and inputs. The UID is in it: reports outlive validations, and a namesake is another."""
    key = f"{validation.metadata.uid}|{input_digest}".encode()
    return f"{validation.metadata.name[:200].rstrip('.-')}-{hashlib.sha256(key).hexdigest()[:10]}"


def find_report(
    reports: Iterable[ValidationReport], validation: CompressionValidation, input_digest: str | None
) -> ValidationReport | None:
    """The report of this very validation on these inputs. If there should be two, always the same one.

    Traffic goes to the candidate that a report's plan names: one that names another than the spec is none of ours.
    """
    uid, asked = validation.metadata.uid, validation.spec.candidate
    own = [
        report
        for report in reports
        if (report.spec.validation.uid, report.spec.input_digest) == (uid, input_digest)
        and (report.spec.plan.candidate.uri, report.spec.plan.candidate.digest) == (asked.uri, asked.digest)
    ]
    return min(own, key=lambda r: (r.spec.decided_at, r.metadata.name), default=None)


def report_of(case: Case, inputs: Resolved, judged: Judged, *, attempts: int) -> ValidationReport:
    """The record of a verdict that was derived from a result. Raises ResultRefused when it can't be kept."""
    result, verdict = judged.result, judged.verdict
    evidence = {name: getattr(result, name) for name in _EVIDENCE}
    try:
        spec = _spec(
            case,
            inputs,
            verdict.outcome,
            verdict.reason.value,
            verdict.message,
            attempts,
            result_digest=judged.result_digest,
            **evidence,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ResultRefused(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error
    size = len(spec.model_dump_json(by_alias=True, exclude_none=True))
    if size > LARGEST_REPORT:
        raise ResultRefused(f"its evidence takes {size:,} bytes, a report holds {LARGEST_REPORT:,}: use fewer slices")
    return _report(case, spec)


def error_report(case: Case, inputs: Resolved, reason: str, message: str, *, attempts: int) -> ValidationReport:
    """The record that there is no verdict on the models: ours or the infrastructure's fault."""
    return _report(case, _spec(case, inputs, Outcome.ERROR, reason, message, attempts))


def underpowered_report(case: Case, inputs: Resolved, message: str) -> ValidationReport:
    """The record that nothing was started: what the gates need and have."""
    reason = Reason.UNDERPOWERED
    planned = planned_records(inputs.plan)[:MOST_GATES]
    return _report(case, _spec(case, inputs, Outcome.INCONCLUSIVE, reason, message, attempts=0, gates=planned))


def verdict_of(report: ValidationReport) -> VerdictStatus:
    """The verdict as the status tells it."""
    spec = report.spec
    return VerdictStatus(
        outcome=spec.outcome,
        reason=spec.reason,
        message=spec.message,
        input_digest=spec.input_digest,
        decided_at=spec.decided_at,
        report=report.metadata.name,
    )


def gates_of(report: ValidationReport) -> tuple[GateStatus, ...]:
    """The gates for people, worst first."""
    claims = {claim.name: claim for claim in report.spec.plan.claims}
    known = [gate for gate in report.spec.gates if gate.claim in claims]
    worst_first = sorted(known, key=lambda gate: _badness(gate, claims[gate.claim].enforcement))
    return tuple(
        GateStatus(
            name=gate.name,
            decision=gate.decision,
            enforcement=claims[gate.claim].enforcement,
            n=gate.n,
            message=shortened(describe(claims[gate.claim], gate) + _next(gate)),
        )
        for gate in worst_first[:MOST_SHOWN]
    )


_BY_DECISION = (Decision.HARM, Decision.OPEN, Decision.NOT_PROVEN, Decision.PROVED)
_BY_ENFORCEMENT = (Enforcement.HARD, Enforcement.SOFT, Enforcement.DRY_RUN)


def _badness(gate: GateRecord, enforcement: Enforcement) -> tuple[int, int, float, str]:
    # What decides comes first; among equals the one that lost most.
    return (
        _BY_DECISION.index(gate.decision) if enforcement is Enforcement.HARD else len(_BY_DECISION),
        _BY_ENFORCEMENT.index(enforcement),
        -(gate.estimate or 0.0),
        gate.name,
    )


def _have(power: Power) -> str:
    return f"{power.have:,} {unit_of(power)} of about {power.needed:,} needed"


def _next(gate: GateRecord) -> str:
    match gate.decision:
        case Decision.HARM:
            return ": worse than allowed"
        case Decision.NOT_PROVEN if gate.planned:
            return f": not proven, {_have(gate.planned)}"
        case Decision.OPEN if gate.planned and not gate.n:
            return f": not started, {_have(gate.planned)}"
        case Decision.OPEN:
            return ": neither proved nor refuted"
        case _:
            return ""


def _spec(
    case: Case, inputs: Resolved, outcome: Outcome, reason: str, message: str, attempts: int, **evidence: Any
) -> ReportSpec:
    metadata = case.validation.metadata
    return ReportSpec(
        validation=ValidationRef(name=metadata.name, uid=metadata.uid or "", generation=case.generation),
        input_digest=inputs.input_digest,
        outcome=outcome,
        reason=reason,
        message=shortened(message),
        decided_at=instants.written(case.now),
        plan=inputs.plan,
        attempts=attempts,
        **evidence,
    )


def _report(case: Case, spec: ReportSpec) -> ValidationReport:
    labels = {
        MANAGED_BY[0]: MANAGED_BY[1],
        UID_LABEL: case.validation.metadata.uid or "",
        DIGEST_LABEL: short_digest(spec.input_digest),
    }
    name = report_name(case.validation, spec.input_digest)
    return ValidationReport(
        metadata=ObjectMeta(name=name, namespace=case.validation.metadata.namespace, labels=labels), spec=spec
    )
