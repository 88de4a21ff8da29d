"""CompressionValidation: may this candidate take the traffic of that baseline?"""

from enum import StrEnum
from typing import Literal

from pydantic import ConfigDict, Field

from .artefact import Artefact, Purpose, Technique
from .base import Digest, Duration, Model, Name, ObjectMeta, Outcome, Percent, ReadModel, Text, Time
from .conditions import Condition
from .evaluation import Decision, Subject
from .markers import list_atomic, list_map, rules
from .policy import Enforcement, PackRef


class Owner(Model):
    """Who answers for this change."""

    team: str = Field(min_length=1, max_length=128)
    contact: str = Field(min_length=1, max_length=256)


class Target(Model):
    """What serves the model."""

    inference_service: Name


class Candidate(Artefact):
    """The compressed model."""

    technique: Technique
    calibration: Artefact | None = Field(
        default=None, description="The data it was calibrated on: may not overlap a pack."
    )


class ReleaseMode(StrEnum):
    """What follows a Passed verdict."""

    VERDICT_ONLY = "VerdictOnly"
    CANARY = "Canary"


class OnFailed(StrEnum):
    """What follows a breach while the candidate has traffic."""

    ROLLBACK = "Rollback"
    HOLD = "Hold"


class Step(Model):
    """One traffic step."""

    percent: int = Field(ge=1, le=100)
    hold: Duration = "0s"


class Release(Model):
    """How a candidate that passed gets its traffic."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "self.mode != 'Canary' || (has(self.steps) && size(self.steps) > 0"
                " && self.steps[size(self.steps) - 1].percent == 100)",
                "mode Canary needs steps that end at percent: 100, such as [{percent: 10, hold: 10m}, {percent: 100}]",
            ),
            (
                "!has(self.steps) || self.steps.all(i, self.steps.filter(j, j.percent == i.percent).size() == 1)",
                "each step needs a percent of its own",
            ),
        )
    )

    mode: ReleaseMode = ReleaseMode.VERDICT_ONLY
    steps: tuple[Step, ...] = Field(
        default=(), max_length=20, json_schema_extra=list_atomic(), description="Rising, ending at 100."
    )
    on_failed: OnFailed = OnFailed.ROLLBACK


class ValidationSpec(Model):
    """What the model's owner asks for."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.target) || has(self.baseline)",
                "name target.inferenceService, or baseline {uri, digest} for a verdict without a target",
            ),
            (
                "has(self.target) || !has(self.release) || self.release.mode == 'VerdictOnly'",
                "release.mode Canary moves traffic and needs target.inferenceService",
            ),
            (
                "!has(self.baseline) || self.baseline.digest != self.candidate.digest",
                "candidate.digest equals baseline.digest: there is nothing to compare",
            ),
        )
    )

    owner: Owner
    target: Target | None = Field(default=None, description="Absent: a verdict only.")
    baseline: Artefact | None = Field(default=None, description="The model that serves now.")
    candidate: Candidate
    purpose: Purpose = Purpose.LATENCY
    policy: Name = Field(description="A ValidationPolicy.")
    pool: Name = Field(description="An AcceleratorPool: where the candidate will serve.")
    packs: tuple[PackRef, ...] = Field(
        default=(), max_length=16, json_schema_extra=list_map("name"), description="Added to the policy's."
    )
    release: Release = Release()


class VerdictStatus(ReadModel):
    """The verdict on one input digest. Written once."""

    outcome: Outcome
    reason: str
    message: Text
    input_digest: Digest
    decided_at: Time
    report: str


class GateStatus(ReadModel):
    """One gate, for people; the report has the whole."""

    name: str
    decision: Decision
    enforcement: Enforcement
    n: int = 0
    message: Text = ""


class ProgressStatus(ReadModel):
    """How far the evaluation is."""

    items: int = 0
    planned: int = 0
    percent: Percent = 0
    stage: str = ""


class AttemptStatus(ReadModel):
    """One evaluator Job."""

    number: int
    job: str
    input_digest: Digest
    started_at: Time | None = None
    finished_at: Time | None = None
    outcome: Literal["Running", "Succeeded", "Failed"] = "Running"
    reason: str = ""
    message: Text = ""


class TrafficWrite(StrEnum):
    """The writes to a target, each recorded as the intent before it is made."""

    INTRODUCE = "Introduce"
    """candidate URI with percent 0, in one patch."""
    SHIFT = "Shift"
    """percent only."""
    PROMOTE = "Promote"
    """percent removed: all traffic on the candidate."""
    WITHDRAW = "Withdraw"
    """percent 0."""
    RESTORE = "Restore"
    """baseline URI, percent still 0."""
    SETTLE = "Settle"
    """percent removed after Restore."""


class Intent(ReadModel):
    """What is about to be written to the target: recorded first, so that a kill between leaves no doubt."""

    write: TrafficWrite
    percent: Percent = 0
    at: Time


class ReleaseOutcome(StrEnum):
    """How a release ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    HELD = "Held"


class ReleaseStatus(ReadModel):
    """What a release did and sees. Decisions are derived from it and the observed target together."""

    input_digest: Digest
    target: str
    baseline_uri: str = ""
    candidate_uri: str = ""
    baseline_revision: str = ""
    candidate_revision: str = ""
    step: int = Field(default=0, description="Index of the step in force or asked for.")
    generation: int | None = Field(
        default=None, description="The target's metadata.generation when our last write was seen to work."
    )
    intent: Intent | None = None
    effective_percent: Percent | None = Field(
        default=None, description="The candidate's share as the data plane reports it."
    )
    live_since: Time | None = Field(default=None, description="When the present step was confirmed.")
    back: bool = Field(default=False, description="Set once: the way is back to the baseline, never forward again.")
    frozen: bool = Field(
        default=False, description="Set once: somebody else changed the target. Share 0 if that is safe, then hands off."
    )
    reason: str = ""
    message: Text = ""
    started_at: Time | None = None
    breached_at: Time | None = None
    zero_at: Time | None = Field(
        default=None, description="When the candidate's share was seen to be 0 after a breach."
    )
    finished_at: Time | None = None
    outcome: ReleaseOutcome | None = None


class SubjectStatus(ReadModel):
    """What was compared."""

    baseline: Subject
    candidate: Subject


class ValidationStatus(ReadModel):
    """A report of what is, never a program counter. The defaults are what an object says before anyone looked."""

    observed_generation: int = -1
    conditions: tuple[Condition, ...] = Field(default=(), max_length=16, json_schema_extra=list_map("type"))
    input_digest: Digest | None = None
    policy_digest: Digest | None = None
    subject: SubjectStatus | None = None
    verdict: VerdictStatus | None = None
    gates: tuple[GateStatus, ...] = Field(
        default=(), max_length=32, json_schema_extra=list_atomic(), description="Worst first."
    )
    progress: ProgressStatus | None = None
    attempts: tuple[AttemptStatus, ...] = Field(default=(), max_length=16, json_schema_extra=list_atomic())
    release: ReleaseStatus | None = None


class CompressionValidation(Model):
    """A CompressionValidation resource."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["CompressionValidation"] = "CompressionValidation"
    metadata: ObjectMeta
    spec: ValidationSpec
    status: ValidationStatus = ValidationStatus()
