"""What the operator asks of an evaluator and what it gets back: the wire between them, and the record of what decided.

The operator believes nothing here that it can recompute: `judge.recompute` derives every decision from the counts.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from .artefact import Purpose, Technique
from .base import DecimalString, Digest, Label, Model, Outcome, Text, Uri, Word
from .markers import ATOMIC
from .metrics import Metric
from .pack import Corpus, DataFile, Perturbation, Scores, SliceColumn, Task
from .policy import ArtefactFormat, Enforcement, Inference, Underpowered

PLAN_SCHEMA: Final = "paritygate.io/evaluation-plan/v1"
RESULT_SCHEMA: Final = "paritygate.io/evaluation-result/v1"

MOST_GATES: Final = 1280
"""Of one evaluation: one for each of a thousand classes, and others. A report of so many is nearly as large as fits."""


def _unsaid(value: object) -> bool:
    """Whether a field of a plan stays out of it: plans that don't use what is new keep their digests, and so nothing is
    evaluated again after an upgrade."""
    return not value


class Claim(Model):
    """A gate with every default filled in: one claim, or one for each value of `slice_by`."""

    name: Label = Field(description="The gate's name.")
    metric: Metric
    slice_by: Label | None = Field(default=None, description="The slice column: one claim for each of its values.")
    value: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Only this value of the column, or this class."
    )
    perturbation: Label | None = Field(default=None, description="Judged on inputs changed by it.")
    quantile: DecimalString | None = Field(default=None, description="Of a latency ratio.")
    beta: DecimalString | None = Field(default=None, description="Of FBeta.")
    cap: DecimalString | None = Field(default=None, description="Of AbsoluteError: the largest error that counts.")
    neighbours: int | None = Field(default=None, description="Of the metrics of embeddings.")
    confidence: DecimalString | None = Field(default=None, description="Of AbstentionRate: below it one abstains.")
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
        default=(), max_length=16, description="The slice columns in the labels."
    )
    derived: Annotated[tuple[SliceColumn, ...], ATOMIC] = Field(
        default=(), max_length=16, description="The slice columns that are derived from the items."
    )
    declared: Annotated[tuple[SliceColumn, ...], ATOMIC] = Field(
        default=(), max_length=16, description="Slice columns whose sizes the pack declares."
    )
    groups: Annotated[tuple[Label, ...], ATOMIC] = Field(
        default=(), max_length=16, description="Slice columns whose values are groups that must fare alike."
    )
    items: int | None = Field(default=None, description="How many items the pack declares.")
    output: Annotated[str, Field(max_length=256)] | None = Field(default=None, description="The output that is judged.")
    scores: Scores | None = Field(default=None, description="What the output holds a class.")
    critical_classes: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], ATOMIC] = Field(
        default=(), max_length=32, description="Classes with a gate of their own."
    )
    must_pass: bool = Field(default=False, description="No item that the baseline gets right may be lost.")
    perturbations: Annotated[tuple[Perturbation, ...], ATOMIC] = Field(
        default=(), max_length=8, description="Changes of the inputs that gates may name."
    )
    corpus: Corpus | None = None
    unlabelled: bool = Field(
        default=False, exclude_if=_unsaid, description="Whether nobody said what is right: no label is read."
    )
    cluster: Label | None = Field(default=None, description="The column of the labels whose values are the clusters.")


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
    calibration: DataFile | None = Field(
        default=None, description="What the candidate was calibrated on: no item of a pack may be in it."
    )
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
    inference: Inference = Field(
        default=Inference.SUPERPOPULATION,
        description="Whether a pass of gates on right and wrong is about the population or about these items. Rates, "
        "bounded losses, ratios and gaps stay claims about the population.",
    )
    candidate_number: int = Field(
        default=1, ge=1, description="How many candidates were tried on these packs, this one included."
    )
    alpha_budget: bool = Field(default=False, description="Whether they share alpha.")
    formats: Annotated[tuple[ArtefactFormat, ...], ATOMIC] = Field(
        default=(ArtefactFormat.ONNX, ArtefactFormat.EXPORTED_PROGRAM, ArtefactFormat.SAFETENSORS),
        max_length=4,
        description="How models may be stored.",
    )
    runtime: Literal["onnxruntime", "torch"] = Field(default="onnxruntime", description="The inference runtime.")
    execution_providers: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], ATOMIC] = Field(
        default=("CPUExecutionProvider",), max_length=8, description="Execution providers of the runtime, best first."
    )
    threads: int | None = Field(default=None, description="Threads of the runtime; absent: the container's cpu quota.")
    latency_blocks: int = Field(default=2000, description="Most blocks of four calls a latency gate may use.")
    every_item: bool = Field(
        default=False,
        exclude_if=_unsaid,
        description="Whether every item is run, also when all gates are decided without some of them.",
    )
    max_items: int | None = Field(
        default=None, description="Most items judged in all; one counts again under each perturbation."
    )
    environment: dict[str, Text] = Field(
        default={}, max_length=64, description="What else makes two runs comparable: pool, node selector, image."
    )

    def runner_configuration(self) -> dict[str, object]:
        """What the runner, with somebody's models in it, is told: nothing of labels, gates or margins."""
        return {
            "packs": len(self.packs),
            "calibration": self.calibration is not None,
            "runtime": self.runtime,
            "providers": list(self.execution_providers),
            "formats": [str(form) for form in self.formats],
            "threads": self.threads,
        }


class Decision(StrEnum):
    """What is known of one claim."""

    PROVED = "Proved"
    """The candidate is not worse than the margin."""
    HARM = "Harm"
    """The candidate is worse than the margin."""
    OPEN = "Open"
    """Neither, with the evidence there is."""
    NOT_PROVEN = "NotProven"
    """The pack is too small to prove it (HarmOnly), and neither side was proved: excluded from the promise."""


class Slice(Model):
    """One value of one slice column."""

    column: Label = Field(description="The slice column.")
    value: str = Field(max_length=128, description="Its value.")


class Power(Model):
    """What was planned for a gate before a device was taken."""

    needed: int = Field(description="Items (or clusters) for 90 % power at the margin and the prior flip rate.")
    have: int = Field(description="Items (or clusters) that the packs hold for this gate.")
    items: int | None = Field(default=None, description="Items in them, where the gate counts clusters.")
    power: float = Field(description="Chance that `have` items prove an equal candidate.")
    within: int | None = Field(
        default=None, description="As many of them as the plan's cap on items leaves, where it leaves not all."
    )
    share: float | None = Field(
        default=None, description="Of the class among all items, or of the second group of a gap."
    )
    smallest_margin: float | None = Field(
        default=None, description="The smallest margin that `have` items can prove with 90 % power."
    )


class GateRecord(Model):
    """The evidence of one gate. Counts and the batch log decide, the rest is derived from them and shown."""

    name: str = Field(max_length=300, description="claim, or claim/value for a slice.")
    claim: Label = Field(description="The claim that this gate belongs to.")
    slice: Slice | None = Field(default=None, description="The slice that it looks at; absent: all items.")
    decision: Decision
    n: int = Field(default=0, description="Items judged; clusters, where the gate counts those.")
    n10: int = Field(default=0, description="Baseline right, candidate wrong: harmful flips.")
    n01: int = Field(default=0, description="Baseline wrong, candidate right: beneficial flips.")
    n11: int = Field(default=0, description="Both right.")
    n00: int = Field(default=0, description="Both wrong.")
    batch_log: str = Field(
        default="", max_length=524_288, description="The counts of each batch, in order, as judge.batchlog writes them."
    )
    baseline_value: float | None = Field(
        default=None, description="The baseline's figure: bytes, ns, or the metric's own unit."
    )
    candidate_value: float | None = Field(default=None, description="The candidate's, in the baseline's unit.")
    estimate: float | None = Field(
        default=None, description="What was lost (positive = worse), a rate, or the ratio candidate / baseline."
    )
    interval: Annotated[tuple[float, float], ATOMIC] | None = Field(
        default=None, description="Of the estimate, [low, high]: anytime-valid, at the policy's alpha."
    )
    proven_margin: float | None = Field(default=None, description="The smallest margin that the evidence proves.")
    log_e: float | None = Field(
        default=None,
        description="Natural logarithm of the evidence for the claim; 1000000 = what was seen makes it certain.",
    )
    log_e_harm: float | None = Field(default=None, description="Natural logarithm of the evidence against it.")
    pass_at: int | None = Field(default=None, description="Items (or blocks) after which the claim was proved.")
    harm_at: int | None = Field(default=None, description="Items (or blocks) after which harm was proved.")
    planned: Power | None = None
    bet: str = Field(default="", max_length=128, description="The bet's rule and its preregistered numbers.")
    missing: int | None = Field(default=None, description="Items that an open gate would still need, by the plan.")
    data: dict[str, Annotated[tuple[float, ...], ATOMIC, Field(max_length=64)]] = Field(
        default={}, max_length=16, description="What a figure rests on, such as the bins of a reliability diagram."
    )


class Check(StrEnum):
    """Deterministic checks: one breach is a fail, no statistics."""

    LOADABLE = "Loadable"
    INTERFACE = "Interface"
    FINITE = "Finite"
    OUTPUT_SHAPE = "OutputShape"
    PROVIDER = "Provider"
    DETERMINISTIC = "Deterministic"


class CheckRecord(Model):
    """One deterministic check of the candidate."""

    name: Check
    ok: bool = Field(description="Whether the candidate kept it.")
    message: str = Field(default="", max_length=1024, description="What was found.")
    items: int | None = Field(default=None, description="Of Finite: items whose outputs were looked at.")
    of_items: int | None = Field(default=None, description="Of Finite: items that the packs hold.")
    share_below: float | None = Field(
        default=None, description="Of Finite: bound at 1 - alpha on the share of items that would still break it."
    )


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
    label: str = Field(max_length=128, description="What is right; - in an unlabelled pack.")
    baseline: str = Field(max_length=128, description="What the baseline answered.")
    candidate: str = Field(max_length=128, description="What the candidate answered.")
    confidence: float = Field(description="How sure the candidate was of its wrong answer.")
    slices: dict[str, Annotated[str, Field(max_length=128)]] = Field(
        default={}, max_length=16, description="Its value in each slice column."
    )


class RepeatRecord(Model):
    """The A/A run: the same items again, in other batches. What differs is not compression's doing."""

    items: int = Field(description="Items answered twice.")
    baseline: int = Field(description="Items that the baseline answered differently the second time.")
    candidate: int = Field(description="Items that the candidate answered differently the second time.")


class Culprit(Model):
    """A gate that is named as a cause, corrected for having looked at all of them."""

    gate: str = Field(max_length=300, description="The gate's name.")
    adjusted: float = Field(description="Holm-adjusted p-value of harm, valid whenever one looks.")


class Suspect(Model):
    """A slice that no hard gate looks at, and that lost more than the overall margin: worth a look, not a verdict."""

    column: Label = Field(description="The slice column, or label for a class.")
    value: str = Field(max_length=128, description="Its value.")
    n: int = Field(description="Items of it among those that were judged in order.")
    n10: int = Field(description="Of them only the baseline got right.")
    n01: int = Field(description="Of them only the candidate got right.")
    log_e: float = Field(description="Natural logarithm of the evidence that it lost more than the overall margin.")
    adjusted: float = Field(description="Adjusted by e-BH for all slices that were looked at.")


class LayerRecord(Model):
    """How far one intermediate tensor of the candidate is from the baseline's, on the items that were lost first."""

    name: str = Field(max_length=256, description="The tensor.")
    difference: float = Field(description="Root mean square of the difference, relative to the baseline's.")
    saturated: float | None = Field(default=None, description="Share of its values at the end of the integer range.")


class Reason(StrEnum):
    """Why an evaluation ended as it did. Documented, never reused for another meaning."""

    ALL_GATES_PROVED = "AllGatesProved"
    HARM_PROVED = "HarmProved"
    CHECK_FAILED = "CheckFailed"
    ITEMS_EXHAUSTED = "ItemsExhausted"
    UNDERPOWERED = "Underpowered"
    CALIBRATION_OVERLAP = "CalibrationOverlap"
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
    gates: tuple[GateRecord, ...] = Field(default=(), max_length=MOST_GATES)
    checks: tuple[CheckRecord, ...] = Field(default=(), max_length=16)
    control: ControlRecord | None = None
    items: int = 0
    repeated_items: int = Field(default=0, description="Items left out because their inputs are those of another.")
    harmful_flips: int = 0
    beneficial_flips: int = 0
    neutral_flips: int = 0
    worst: tuple[Flip, ...] = Field(default=(), max_length=20)
    repeat: RepeatRecord | None = None
    culprits: tuple[Culprit, ...] = Field(default=(), max_length=64)
    judged: int = Field(default=0, description="Items judged, each once for every perturbation that it was under, too.")
    items_in_order: int = Field(default=0, description="The first items of the plan's order without one left out.")
    exploratory: tuple[Suspect, ...] = Field(default=(), max_length=64)
    exploratory_family: int = Field(default=0, description="Slices that were looked at for `exploratory`.")
    layers: tuple[LayerRecord, ...] = Field(default=(), max_length=64)
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
