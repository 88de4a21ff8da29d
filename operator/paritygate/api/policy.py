"""ValidationPolicy: what has to be proved before a model may be released, and how sure one must be."""

from enum import StrEnum
from typing import Literal

from pydantic import ConfigDict, Field

from .base import DecimalString, Duration, Label, Model, Name, ObjectMeta
from .markers import list_map, rules


class Tier(StrEnum):
    """Risk tier: the defaults for alpha, margins and enforcement."""

    LOW = "Low"
    STANDARD = "Standard"
    HIGH = "High"
    SAFETY_CRITICAL = "SafetyCritical"


class Metric(StrEnum):
    """What a gate measures."""

    ACCURACY = "Accuracy"
    HARMFUL_FLIP_RATE = "HarmfulFlipRate"
    LATENCY_RATIO = "LatencyRatio"
    SIZE_RATIO = "SizeRatio"
    PEAK_MEMORY_RATIO = "PeakMemoryRatio"


class Enforcement(StrEnum):
    """Hard gates decide; soft gates warn; dry-run gates only report."""

    HARD = "Hard"
    SOFT = "Soft"
    DRY_RUN = "DryRun"


class Underpowered(StrEnum):
    """What a hard gate does that the pack cannot prove."""

    REFUSE = "Refuse"
    HARM_ONLY = "HarmOnly"


_GATE_RULES = rules(
    (
        "!(self.metric in ['Accuracy', 'HarmfulFlipRate']) || !has(self.limit)",
        "metric Accuracy and HarmfulFlipRate take margin, not limit",
    ),
    (
        "!(self.metric in ['LatencyRatio', 'SizeRatio', 'PeakMemoryRatio']) || !has(self.margin)",
        'ratio metrics take limit (candidate / baseline, such as "1.10"), not margin',
    ),
    (
        "self.metric != 'LatencyRatio' || has(self.quantile)",
        'metric LatencyRatio needs quantile, such as "0.95"',
    ),
    ("self.metric == 'LatencyRatio' || !has(self.quantile)", "quantile belongs to metric LatencyRatio only"),
    (
        "self.metric in ['Accuracy', 'HarmfulFlipRate'] || !has(self.sliceBy)",
        "sliceBy belongs to metrics counted item by item: Accuracy, HarmfulFlipRate",
    ),
    (
        "!has(self.margin) || (double(self.margin) > 0.0 && double(self.margin) < 1.0)",
        'margin must lie between 0 and 1, both excluded: one point is "0.01"',
    ),
    (
        "!has(self.limit) || (double(self.limit) > 0.0 && double(self.limit) <= 100.0)",
        'limit is the ratio candidate / baseline, above 0 and at most 100: 10 % worse is "1.10"',
    ),
    (
        "!has(self.quantile) || (double(self.quantile) >= 0.5 && double(self.quantile) <= 0.99)",
        'quantile must lie between "0.5" and "0.99"',
    ),
)


class GateSpec(Model):
    """One claim to be proved. A gate named as one of the tier's defaults overrides it."""

    model_config = ConfigDict(json_schema_extra=_GATE_RULES)

    name: Label
    metric: Metric
    slice_by: Label | None = Field(
        default=None, description="A slice column of the pack: one claim for each of its values."
    )
    quantile: DecimalString | None = Field(default=None, description='Of LatencyRatio: "0.5" to "0.99".')
    margin: DecimalString | None = Field(
        default=None, description='How much worse the candidate may be, absolute: "0.01" = 1 point.'
    )
    limit: DecimalString | None = Field(default=None, description='Largest allowed ratio candidate / baseline: "1.10".')
    enforcement: Enforcement = Enforcement.HARD
    underpowered: Underpowered | None = Field(
        default=None,
        description="Refuse to run, or HarmOnly: can still fail the candidate, its claim is reported as not proven.",
    )


class PackRef(Model):
    """A ScenarioPack in the validation's namespace."""

    name: Name


class EvaluationLimits(Model):
    """Bounds on one evaluation."""

    deadline: Duration = Field(default="1h", description="An attempt that takes longer is ended: Error.")
    attempts: int = Field(
        default=3, ge=1, le=10, description="Attempts in all when infrastructure fails; never for a verdict."
    )
    latency_blocks: int = Field(
        default=2000, ge=50, le=20000, description="Most blocks of four calls a latency gate may use."
    )


class RolloutLimits(Model):
    """Bounds on a release."""

    progress_deadline: Duration = Field(default="10m", description="A step that is not live by then is rolled back.")


class PolicySpec(Model):
    """The policy owner's word: an empty spec is already strict."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(self.alpha) || (double(self.alpha) > 0.0 && double(self.alpha) <= 0.5)",
                'alpha is the chance of a wrong promotion: above 0 and at most "0.5", such as "0.05"',
            )
        )
    )

    tier: Tier = Tier.STANDARD
    alpha: DecimalString | None = Field(
        default=None, description="Bound on the chance to promote a model worse than a margin. Default by tier."
    )
    gates: tuple[GateSpec, ...] = Field(
        default=(),
        max_length=64,
        json_schema_extra=list_map("name"),
        description="Added to the tier's defaults, or overriding them by name.",
    )
    required_packs: tuple[PackRef, ...] = Field(default=(), max_length=16, json_schema_extra=list_map("name"))
    evaluation: EvaluationLimits = EvaluationLimits()
    rollout: RolloutLimits = RolloutLimits()
    evaluator_image: str | None = Field(
        default=None, max_length=512, description="By digest; default: the operator's own release."
    )


class ValidationPolicy(Model):
    """A ValidationPolicy resource or file."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["ValidationPolicy"] = "ValidationPolicy"
    metadata: ObjectMeta
    spec: PolicySpec = PolicySpec()
