"""What the operator asks of an evaluator and what it gets back: the wire between them, and the record of what decided.

The operator believes nothing here that it can recompute: `judge.recompute` derives every decision from the counts.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from .artefact import Purpose, Technique
from .base import DecimalString, Digest, Label, Model, Outcome, Text, Uri, Word
from .markers import ATOMIC
from .pack import DataFile, Task
from .policy import Enforcement, Metric, Underpowered

PLAN_SCHEMA: Final = "paritygate.io/evaluation-plan/v1"
RESULT_SCHEMA: Final = "paritygate.io/evaluation-result/v1"


class Claim(Model):
    """A gate with every default filled in: one claim, or one for each value of `slice_by`."""

    name: Label = Field(description="The gate's name.")
    metric: Metric
    slice_by: Label | None = Field(default=None, description="The slice column: one claim for each of its values.")
    quantile: DecimalString | None = Field(default=None, description="Of a latency ratio.")
    margin: DecimalString | None = Field(default=None, description="How much worse the candidate may be, absolute.")
    limit: DecimalString | None = Field(default=None, description="Largest allowed ratio candidate / baseline.")
    enforcement: Enforcement
    underpowered: Underpowered
    origin: Literal["Tier", "Technique", "Policy"] = Field(default="Policy", description="Who asked for this gate.")


class PlannedPack(Model):
    """A pack to be judged."""

    name: Word = Field(description="The ScenarioPack's name.")
    version: str = Field(max_length=64, description="The version of its content.")
    task: Task
    inputs: DataFile = Field(description="What the runner sees.")
    labels: DataFile = Field(description="What only the referee sees.")
    slices: Annotated[tuple[Label, ...], ATOMIC] = Field(
        default=(), max_length=16, description="The pack's slice columns."
    )


class Subject(Model):
    """A model to be judged. Without a digest (a baseline named only by what serves) the evaluator tells its own."""

    uri: Uri = Field(description="Where the model lies.")
    digest: Digest | None = Field(default=None, description="sha256 of the model's manifest.")


class EvaluationPlan(Model):
    """Everything an evaluation depends on. Its digest (canonical JSON) is the input digest: same digest, same run."""

    plan_schema: Literal["paritygate.io/evaluation-plan/v1"] = Field(
        default=PLAN_SCHEMA, description="The version of this format."
    )
    baseline: Subject = Field(description="The model that serves now.")
    candidate: Subject = Field(description="The compressed model.")
    technique: Technique
    purpose: Purpose
    packs: Annotated[tuple[PlannedPack, ...], ATOMIC] = Field(
        min_length=1, max_length=32, description="What both models are judged on."
    )
    alpha: DecimalString = Field(description="Bound on the chance to promote a model worse than a margin.")
    alpha_fail: DecimalString = Field(
        default="0.05", description="Bound on the chance to fail a model that is not worse than its margins."
    )
    flip_rate: DecimalString = Field(
        description="The technique's prior flip rate: the planner's guess and the bet's v0."
    )
    claims: Annotated[tuple[Claim, ...], ATOMIC] = Field(
        min_length=1, max_length=128, description="What has to be proved."
    )
    runtime: Literal["onnxruntime"] = Field(default="onnxruntime", description="The inference runtime.")
    execution_providers: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], ATOMIC] = Field(
        default=("CPUExecutionProvider",), max_length=8, description="Execution providers of the runtime, best first."
    )
    threads: int | None = Field(default=None, description="Threads of the runtime; absent: the container's cpu quota.")
    latency_blocks: int = Field(default=2000, description="Most blocks of four calls a latency gate may use.")
    environment: dict[str, Text] = Field(
        default={}, max_length=64, description="What else makes two runs comparable: pool, node selector, image."
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

    column: Label = Field(description="The slice column.")
    value: str = Field(max_length=128, description="Its value.")


class Power(Model):
    """What was planned for a gate before a device was taken."""

    needed: int = Field(description="Items for 90 % power at the margin and the prior flip rate.")
    have: int = Field(description="Items that the packs hold for this gate.")
    power: float = Field(description="Chance that `have` items prove an equal candidate.")
    smallest_margin: float | None = Field(
        default=None, description="The smallest margin that `have` items can prove with 90 % power."
    )


class GateRecord(Model):
    """The evidence of one gate. Counts and the batch log decide, the rest is derived from them and shown."""

    name: str = Field(max_length=300, description="claim, or claim/value for a slice.")
    claim: Label = Field(description="The claim that this gate belongs to.")
    slice: Slice | None = Field(default=None, description="The slice that it looks at; absent: all items.")
    decision: Decision
    n: int = Field(default=0, description="Items judged.")
    n10: int = Field(default=0, description="Baseline right, candidate wrong: harmful flips.")
    n01: int = Field(default=0, description="Baseline wrong, candidate right: beneficial flips.")
    n11: int = Field(default=0, description="Both right.")
    n00: int = Field(default=0, description="Both wrong.")
    batch_log: str = Field(
        default="", max_length=262_144, description="`n10,n01[*repeat]` a batch, in order; see judge.batchlog."
    )
    baseline_value: float | None = Field(
        default=None, description="Bytes of SizeRatio and PeakMemoryRatio; ns of LatencyRatio."
    )
    candidate_value: float | None = Field(default=None, description="The candidate's, in the baseline's unit.")
    estimate: float | None = Field(
        default=None, description="Accuracy lost (positive = worse), or the ratio candidate / baseline."
    )
    interval: Annotated[tuple[float, float], ATOMIC] | None = Field(
        default=None, description="Of the estimate, [low, high]: anytime-valid, at the policy's alpha."
    )
    proven_margin: float | None = Field(default=None, description="The smallest margin that the evidence proves.")
    log_e: float | None = Field(default=None, description="Natural logarithm of the evidence for the claim.")
    log_e_harm: float | None = Field(default=None, description="Natural logarithm of the evidence against it.")
    pass_at: int | None = Field(default=None, description="Items (or blocks) after which the claim was proved.")
    harm_at: int | None = Field(default=None, description="Items (or blocks) after which harm was proved.")
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
    ok: bool = Field(description="Whether the candidate kept it.")
    message: str = Field(default="", max_length=1024, description="What was found.")


class ControlRecord(Model):
    """The A/A control: the baseline in both places, before any latency is believed."""

    state: Literal["Quiet", "Noisy", "Biased"] = Field(
        description="Quiet: latency can be believed. Noisy: the node was not. Biased: the harness is not."
    )
    ratio: float = Field(description="The ratio measured between the baseline and itself.")
    blocks: int = Field(description="Blocks of four calls looked at.")
    limit: float = Field(description="The largest ratio that still counts as quiet.")
    message: str = Field(default="", max_length=1024, description="What was found.")


class Flip(Model):
    """A harmful flip worth looking at."""

    id: str = Field(max_length=256, description="The item.")
    label: str = Field(max_length=128, description="What is right.")
    baseline: str = Field(max_length=128, description="What the baseline answered.")
    candidate: str = Field(max_length=128, description="What the candidate answered.")
    confidence: float = Field(description="How sure the candidate was of its wrong answer.")
    slices: dict[str, Annotated[str, Field(max_length=128)]] = Field(
        default={}, max_length=16, description="Its value in each slice column."
    )


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
