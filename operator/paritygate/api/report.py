"""ValidationReport: the immutable record of one validation."""

from typing import Literal

from pydantic import ConfigDict, Field

from .base import Digest, Model, ObjectMeta, Outcome, Text, Time
from .evaluation import CheckRecord, ControlRecord, EvaluationPlan, Flip, GateRecord
from .markers import list_atomic, rules


class ValidationRef(Model):
    """The validation that this report is about. By UID: a namesake created later is another validation."""

    name: str
    uid: str
    generation: int


class ReportSpec(Model):
    """What decided, in full but for latency times, which are told by digest."""

    model_config = ConfigDict(json_schema_extra=rules(("self == oldSelf", "a report is a record: it is never edited")))

    validation: ValidationRef
    input_digest: Digest
    outcome: Outcome
    reason: str
    message: Text
    decided_at: Time
    plan: EvaluationPlan
    result_digest: Digest | None = Field(
        default=None, description="sha256 of the referee's result line; absent when there was none."
    )
    attempts: int = 1
    gates: tuple[GateRecord, ...] = Field(default=(), max_length=512, json_schema_extra=list_atomic())
    checks: tuple[CheckRecord, ...] = Field(default=(), max_length=16, json_schema_extra=list_atomic())
    control: ControlRecord | None = None
    items: int = 0
    harmful_flips: int = 0
    beneficial_flips: int = 0
    neutral_flips: int = 0
    worst: tuple[Flip, ...] = Field(default=(), max_length=20, json_schema_extra=list_atomic())
    environment: dict[str, str] = Field(default={}, description="Versions and device as the evaluator saw them.")


class ValidationReport(Model):
    """A ValidationReport resource."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["ValidationReport"] = "ValidationReport"
    metadata: ObjectMeta
    spec: ReportSpec
