"""ValidationReport: the immutable record of one validation."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Digest, Model, ObjectMeta, Outcome, Text, Time, Word
from .evaluation import (
    MOST_GATES,
    CheckRecord,
    ControlRecord,
    Culprit,
    EvaluationPlan,
    Flip,
    GateRecord,
    LayerRecord,
    RepeatRecord,
    Suspect,
)
from .markers import ATOMIC, Rule


class ValidationRef(Model):
    """The validation that this report is about. By UID: a namesake created later is another validation."""

    name: Word = Field(description="The CompressionValidation's name, in the report's namespace.")
    uid: Word = Field(description="Its metadata.uid.")
    generation: int = Field(description="Its metadata.generation when it was decided.")


class ReportSpec(Model):
    """What decided, in full but for latency times, which are told by digest."""

    RULES: ClassVar = (Rule("self == oldSelf", "a report is a record: it is never edited"),)

    validation: ValidationRef
    input_digest: Digest = Field(description="sha256 of the plan as canonical JSON.")
    outcome: Outcome = Field(description="The verdict.")
    reason: Word = Field(description="Why, as one documented word.")
    message: Text = Field(description="Why, for people: value, margin, n and interval.")
    decided_at: Time = Field(description="When the verdict was reached.")
    plan: EvaluationPlan
    result_digest: Digest | None = Field(
        default=None, description="sha256 of the referee's result line; absent when there was none."
    )
    attempts: int = Field(default=1, description="Evaluator Jobs it took.")
    gates: Annotated[tuple[GateRecord, ...], ATOMIC] = Field(
        default=(), max_length=MOST_GATES, description="The evidence, gate by gate."
    )
    checks: Annotated[tuple[CheckRecord, ...], ATOMIC] = Field(
        default=(), max_length=16, description="Deterministic checks of the candidate."
    )
    control: ControlRecord | None = None
    items: int = Field(default=0, description="Items judged.")
    repeated_items: int = Field(
        default=0, description="Items left out of the evidence: their inputs are those of another."
    )
    harmful_flips: int = Field(default=0, description="Items that only the baseline got right.")
    beneficial_flips: int = Field(default=0, description="Items that only the candidate got right.")
    neutral_flips: int = Field(default=0, description="Items that both got wrong, differently.")
    worst: Annotated[tuple[Flip, ...], ATOMIC] = Field(
        default=(), max_length=20, description="The harmful flips that the candidate was surest of."
    )
    repeat: RepeatRecord | None = None
    culprits: Annotated[tuple[Culprit, ...], ATOMIC] = Field(
        default=(), max_length=64, description="The gates that are named as causes of a fail, most certain first."
    )
    judged: int = Field(default=0, description="Items judged, each once for every perturbation that it was under, too.")
    items_in_order: int = Field(default=0, description="The first items of the plan's order without one left out.")
    exploratory: Annotated[tuple[Suspect, ...], ATOMIC] = Field(
        default=(),
        max_length=64,
        description="Slices without a hard gate that are worth a look, most certain first: of those named at most the "
        "share alphaFail lost no more than the overall margin, in expectation. Never part of the verdict.",
    )
    exploratory_family: int = Field(default=0, description="Slices that were looked at for `exploratory`.")
    layers: Annotated[tuple[LayerRecord, ...], ATOMIC] = Field(
        default=(), max_length=64, description="Where a failed candidate departs from the baseline, in order."
    )
    environment: dict[str, Text] = Field(
        default={}, max_length=64, description="Versions and device as the evaluator saw them."
    )


class ValidationReport(Model):
    """The immutable record of one validation: what was compared, on what, what came out and from which counts."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["ValidationReport"] = "ValidationReport"
    metadata: ObjectMeta
    spec: ReportSpec
