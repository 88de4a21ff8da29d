"""CompressionValidation: may this candidate take the traffic of that baseline?"""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .artefact import Artefact, Purpose, Technique
from .base import Digest, Duration, Model, Name, ObjectMeta, Outcome, Percent, ReadModel, Text, Time, Word
from .conditions import Condition
from .evaluation import Decision, Subject
from .markers import ATOMIC, Rule, list_map
from .policy import Enforcement, PackRef


class Owner(Model):
    """Who answers for this change."""

    team: str = Field(min_length=1, max_length=128, description="The team.")
    contact: str = Field(min_length=1, max_length=256, description="Where to reach it: a mail address or a channel.")


class Target(Model):
    """What serves the model."""

    inference_service: Name = Field(description="A KServe InferenceService in the validation's namespace.")


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

    percent: int = Field(ge=1, le=100, description="The candidate's share of the requests.")
    hold: Duration = Field(default="0s", description="How long the share is watched before the next step.")


class Release(Model):
    """How a candidate that passed gets its traffic."""

    RULES: ClassVar = (
        Rule(
            "self.mode != 'Canary' || (has(self.steps) && size(self.steps) > 0"
            " && self.steps[size(self.steps) - 1].percent == 100)",
            "mode Canary needs steps that end at percent: 100, such as [{percent: 10, hold: 10m}, {percent: 100}]",
            lambda release: (
                release.mode != ReleaseMode.CANARY or bool(release.steps and release.steps[-1].percent == 100)
            ),
        ),
        Rule(
            "self.mode == 'Canary' || !has(self.steps) || size(self.steps) == 0",
            "steps move traffic and need mode: Canary",
            lambda release: release.mode == ReleaseMode.CANARY or not release.steps,
        ),
        Rule(
            "!has(self.steps) || (self.steps.map(step, step.percent).isSorted()"
            " && self.steps.all(i, self.steps.filter(j, j.percent == i.percent).size() == 1))",
            "steps must rise: each percent greater than the one before it",
            lambda release: all(earlier.percent < later.percent for earlier, later in pairwise(release.steps)),
        ),
    )

    mode: ReleaseMode = ReleaseMode.VERDICT_ONLY
    steps: Annotated[tuple[Step, ...], ATOMIC] = Field(
        default=(), max_length=20, description="The candidate's shares, rising, ending at 100."
    )
    on_failed: OnFailed = OnFailed.ROLLBACK


class ValidationSpec(Model):
    """What the model's owner asks for."""

    RULES: ClassVar = (
        Rule(
            "has(self.target) || has(self.baseline)",
            "name target.inferenceService, or baseline {uri, digest} for a verdict without a target",
            lambda spec: spec.target is not None or spec.baseline is not None,
        ),
        Rule(
            "has(self.target) || !has(self.release) || self.release.mode == 'VerdictOnly'",
            "release.mode Canary moves traffic and needs target.inferenceService",
            lambda spec: spec.target is not None or spec.release.mode == ReleaseMode.VERDICT_ONLY,
        ),
        Rule(
            "!has(self.baseline) || self.baseline.digest != self.candidate.digest",
            "candidate.digest equals baseline.digest: there is nothing to compare",
            lambda spec: spec.baseline is None or spec.baseline.digest != spec.candidate.digest,
        ),
    )

    owner: Owner
    target: Target | None = Field(default=None, description="What serves the model. Absent: a verdict only.")
    baseline: Artefact | None = Field(
        default=None, description="The model that serves now. Absent: what the target serves at 100 %."
    )
    candidate: Candidate
    purpose: Purpose = Purpose.LATENCY
    policy: Name = Field(description="A ValidationPolicy: what has to be proved.")
    pool: Name = Field(description="An AcceleratorPool: where the candidate will serve.")
    packs: Annotated[tuple[PackRef, ...], list_map("name")] = Field(
        default=(), max_length=16, description="ScenarioPacks to judge on, added to the policy's requiredPacks."
    )
    release: Release = Release()


class VerdictStatus(ReadModel):
    """The verdict on one input digest. Written once."""

    outcome: Outcome
    reason: Word = Field(description="Why, as one documented word.")
    message: Text = Field(description="Why, for people: value, margin, n and interval.")
    input_digest: Digest = Field(description="What was judged: sha256 of the plan as canonical JSON.")
    decided_at: Time = Field(description="When the verdict was reached.")
    report: Word = Field(description="The ValidationReport with the evidence.")


class GateStatus(ReadModel):
    """One gate, for people; the report has the whole."""

    name: str = Field(max_length=300, description="claim, or claim/value for a slice.")
    decision: Decision
    enforcement: Enforcement
    n: int = Field(default=0, description="Items judged.")
    message: Text = Field(default="", description="Value, margin, n and interval.")


class ProgressStatus(ReadModel):
    """How far the evaluation is."""

    items: int = Field(default=0, description="Items judged so far.")
    planned: int = Field(default=0, description="Items it may take at most.")
    percent: Percent = Field(default=0, description="items / planned.")
    stage: Word = Field(default="", description="What the evaluator is at.")


class AttemptStatus(ReadModel):
    """One evaluator Job."""

    number: int = Field(description="Counted from 1 for each input digest.")
    job: Word = Field(description="The Job's name.")
    input_digest: Digest = Field(description="What it judges.")
    started_at: Time | None = Field(default=None, description="When the Job was created.")
    finished_at: Time | None = Field(default=None, description="When it ended.")
    outcome: Literal["Running", "Succeeded", "Failed"] = Field(
        default="Running", description="Of the Job, not of the model."
    )
    reason: Word = Field(default="", description="Why it failed, as one documented word.")
    message: Text = Field(default="", description="Why it failed, for people.")


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
    percent: Percent = Field(default=0, description="The candidate's share that it asks for.")
    at: Time = Field(description="When it was recorded.")


class ReleaseOutcome(StrEnum):
    """How a release ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    HELD = "Held"


class ReleaseStatus(ReadModel):
    """What a release did and sees. Decisions are derived from it and the observed target together."""

    input_digest: Digest = Field(description="The verdict that allowed it.")
    target: Word = Field(description="The InferenceService.")
    baseline_uri: Annotated[str, Field(max_length=1024)] = Field(
        default="", description="What the target served at 100 % before."
    )
    candidate_uri: Annotated[str, Field(max_length=1024)] = Field(
        default="", description="What the release introduces."
    )
    baseline_revision: Word = Field(default="", description="The revision that serves the baseline.")
    candidate_revision: Word = Field(default="", description="The revision that serves the candidate.")
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
        default=False,
        description="Set once: somebody else changed the target. Share 0 if that is safe, then hands off.",
    )
    reason: Word = Field(default="", description="Why the release stands where it stands, as one documented word.")
    message: Text = Field(default="", description="The same for people.")
    started_at: Time | None = Field(default=None, description="When the candidate was introduced.")
    breached_at: Time | None = Field(default=None, description="When a breach was seen.")
    zero_at: Time | None = Field(
        default=None, description="When the candidate's share was seen to be 0 after a breach."
    )
    finished_at: Time | None = Field(default=None, description="When the release ended.")
    outcome: ReleaseOutcome | None = None


class SubjectStatus(ReadModel):
    """What was compared."""

    baseline: Subject = Field(description="The model that served.")
    candidate: Subject = Field(description="The compressed model.")


class ValidationStatus(ReadModel):
    """A report of what is, never a program counter. The defaults are what an object says before anyone looked."""

    observed_generation: int = Field(
        default=-1, description="The metadata.generation that this is about; -1: none yet."
    )
    conditions: Annotated[tuple[Condition, ...], list_map("type")] = Field(
        default=(), max_length=16, description="Ready says whether the candidate may serve; the others say why not yet."
    )
    input_digest: Digest | None = Field(
        default=None,
        description="Everything the verdict depends on, as one sha256: a change of it is a new evaluation.",
    )
    policy_digest: Digest | None = Field(default=None, description="The policy as it was read.")
    candidate_number: int | None = Field(
        default=None, description="How many tries there were on the packs' data, this one included."
    )
    subject: SubjectStatus | None = None
    verdict: VerdictStatus | None = None
    gates: Annotated[tuple[GateStatus, ...], ATOMIC] = Field(
        default=(), max_length=32, description="The gates, worst first; the report has them all."
    )
    progress: ProgressStatus | None = None
    attempts: Annotated[tuple[AttemptStatus, ...], ATOMIC] = Field(
        default=(), max_length=16, description="Evaluator Jobs, oldest first."
    )
    release: ReleaseStatus | None = None


class CompressionValidation(Model):
    """May this candidate take the traffic of that baseline? Applied by the model's owner, answered in status."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["CompressionValidation"] = "CompressionValidation"
    metadata: ObjectMeta
    spec: ValidationSpec
    status: ValidationStatus = ValidationStatus()
