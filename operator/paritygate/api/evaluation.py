"""What the operator asks of an evaluator and what it gets back: the wire between them, and the record of what decided.

The operator believes nothing here that it can recompute: `judge.recompute` derives every decision from the counts.
"""

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from .artefact import Purpose, Technique
from .base import DecimalString, Digest, Label, Model, Outcome, Uri
from .pack import DataFile, Task
from .policy import Enforcement, Metric, Underpowered

PLAN_SCHEMA: Final = "paritygate.io/evaluation-plan/v1"
RESULT_SCHEMA: Final = "paritygate.io/evaluation-result/v1"


class Claim(Model):
    """A gate with every default filled in: one claim, or one for each value of `slice_by`."""

    name: Label
    metric: Metric
    slice_by: Label | None = None
    quantile: DecimalString | None = None
    margin: DecimalString | None = None
    limit: DecimalString | None = None
    enforcement: Enforcement
    underpowered: Underpowered
    origin: Literal["Tier", "Technique", "Policy"] = "Policy"


class PlannedPack(Model):
    """A pack to be judged."""

    name: str
    version: str
    task: Task
    inputs: DataFile
    labels: DataFile
    slices: tuple[Label, ...] = ()


class Subject(Model):
    """A model to be judged. Without a digest (a baseline named only by what serves) the evaluator tells what it found."""

    uri: Uri
    digest: Digest | None = None


class EvaluationPlan(Model):
    """Everything an evaluation depends on. Its digest (of canonical JSON) is the input digest: same digest, same run."""

    plan_schema: Literal["paritygate.io/evaluation-plan/v1"] = PLAN_SCHEMA
    baseline: Subject
    candidate: Subject
    technique: Technique
    purpose: Purpose
    packs: tuple[PlannedPack, ...] = Field(min_length=1)
    alpha: DecimalString
    alpha_fail: DecimalString = "0.05"
    flip_rate: DecimalString = Field(
        description="The technique's prior flip rate: the planner's guess and the bet's v0."
    )
    claims: tuple[Claim, ...] = Field(min_length=1)
    runtime: Literal["onnxruntime"] = "onnxruntime"
    execution_providers: tuple[str, ...] = ("CPUExecutionProvider",)
    threads: int | None = None
    latency_blocks: int = 2000
    environment: dict[str, str] = Field(
        default={}, description="What else makes two runs comparable: pool, node selector, image."
    )


class Decision(StrEnum):
    """What is known of one claim."""

    PROVED = "Proved"
    """The candidate is not worse than the margin."""
    HARM = "Harm"
    """The candidate is worse than the margin."""
    OPEN = "Open"
    """Neither, with the evidence there is."""
    NOT_PROVEN = "NotProven"
    """The pack is too small to prove it (HarmOnly): excluded from the promise, can still fail."""


class Slice(Model):
    """One value of one slice column."""

    column: Label
    value: str = Field(max_length=128)


class Power(Model):
    """What was planned for a gate before a device was taken."""

    needed: int = Field(description="Items for 90 % power at the margin and the prior flip rate.")
    have: int
    power: float
    smallest_margin: float | None = Field(
        default=None, description="The smallest margin that `have` items can prove with 90 % power."
    )


class GateRecord(Model):
    """The evidence of one gate. Counts and the batch log decide, the rest is derived from them and shown."""

    name: str = Field(max_length=300, description="claim, or claim/value for a slice.")
    claim: Label
    slice: Slice | None = None
    decision: Decision
    n: int = 0
    n10: int = Field(default=0, description="Baseline right, candidate wrong: harmful flips.")
    n01: int = 0
    n11: int = 0
    n00: int = 0
    batch_log: str = Field(default="", description="`n10,n01[*repeat]` a batch, in order; see judge.batchlog.")
    baseline_value: float | None = Field(
        default=None, description="Bytes of SizeRatio and PeakMemoryRatio; ns of LatencyRatio."
    )
    candidate_value: float | None = None
    estimate: float | None = Field(
        default=None, description="Accuracy lost (positive = worse), or the ratio candidate / baseline."
    )
    interval: tuple[float, float] | None = Field(default=None, description="Anytime-valid, at the policy's alpha.")
    proven_margin: float | None = None
    log_e: float | None = None
    log_e_harm: float | None = None
    pass_at: int | None = None
    harm_at: int | None = None
    planned: Power | None = None


class Check(StrEnum):
    """Deterministic checks: one breach is a fail, no statistics."""

    LOADABLE = "Loadable"
    INTERFACE = "Interface"
    FINITE = "Finite"
    OUTPUT_SHAPE = "OutputShape"
    PROVIDER = "Provider"


class CheckRecord(Model):
    """One deterministic check of the candidate."""

    name: Check
    ok: bool
    message: str = Field(default="", max_length=1024)


class ControlRecord(Model):
    """The A/A control: the baseline in both places, before any latency is believed."""

    state: Literal["Quiet", "Noisy", "Biased"]
    ratio: float
    blocks: int
    limit: float
    message: str = Field(default="", max_length=1024)


class Flip(Model):
    """A harmful flip worth looking at."""

    id: str = Field(max_length=256)
    label: str = Field(max_length=128)
    baseline: str = Field(max_length=128)
    candidate: str = Field(max_length=128)
    confidence: float = Field(description="How sure the candidate was of its wrong answer.")
    slices: dict[str, str] = Field(default={}, description="Its value in each slice column.")


class Reason(StrEnum):
    """Why an evaluation ended as it did. Documented, never reused for another meaning."""

    ALL_GATES_PROVED = "AllGatesProved"
    HARM_PROVED = "HarmProved"
    CHECK_FAILED = "CheckFailed"
    ITEMS_EXHAUSTED = "ItemsExhausted"
    UNDERPOWERED = "Underpowered"
    NO_HARD_GATE = "NoHardGate"
    NOISY_NODE = "NoisyNode"
    BIASED_HARNESS = "BiasedHarness"
    DIGEST_MISMATCH = "DigestMismatch"
    ARTEFACT_NOT_FOUND = "ArtefactNotFound"
    ARTEFACT_UNREADABLE = "ArtefactUnreadable"
    BASELINE_UNLOADABLE = "BaselineUnloadable"
    PACK_INVALID = "PackInvalid"
    RUNNER_LOST = "RunnerLost"
    RESULT_REFUSED = "ResultRefused"


class EvaluationResult(Model):
    """The referee's last line."""

    type: Literal["result"] = "result"
    result_schema: Literal["paritygate.io/evaluation-result/v1"] = RESULT_SCHEMA
    input_digest: Digest
    attempt: int = 1
    outcome: Outcome
    reason: Reason
    message: str = Field(max_length=2048)
    gates: tuple[GateRecord, ...] = Field(default=(), max_length=512)
    checks: tuple[CheckRecord, ...] = Field(default=(), max_length=16)
    control: ControlRecord | None = None
    items: int = 0
    harmful_flips: int = 0
    beneficial_flips: int = 0
    neutral_flips: int = 0
    worst: tuple[Flip, ...] = Field(default=(), max_length=20)
    latency_blocks: str = Field(
        default="", description="base64 of int64 ns, shape (blocks, 4): two baseline times, two candidate times."
    )
    control_blocks: str = Field(default="", description="The same of the A/A control, the baseline in both places.")
    baseline_digest: Digest | None = Field(default=None, description="As fetched.")
    candidate_digest: Digest | None = Field(default=None, description="As fetched.")
    environment: dict[str, str] = Field(default={}, description="Versions and device as the evaluator saw them.")
    started_at: str = ""
    finished_at: str = ""


class Progress(Model):
    """A line the referee prints while it works."""

    type: Literal["progress"] = "progress"
    stage: Literal["Planned", "Loading", "Evaluating", "Measuring"]
    items: int = 0
    planned: int = 0
    message: str = Field(default="", max_length=1024)
