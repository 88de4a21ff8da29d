"""ValidationPolicy: what has to be proved before a model may be released, and how sure one must be."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Label, Model, Name, ObjectMeta, PositiveDuration, decimal, matching
from .markers import Rule, list_map


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


DEFAULT_LATENCY_GATES = ("p50", "p95", "p99")
"""Latency gates that tiers bring: one that overrides them may leave its quantile to the default."""

_ITEM_METRICS = frozenset({Metric.ACCURACY, Metric.HARMFUL_FLIP_RATE})

Alpha = Annotated[
    str,
    Field(max_length=20),
    decimal(
        "double(self) > 0.0 && double(self) <= 0.5",
        lambda alpha: 0 < alpha * 2 <= 1,
        'alpha is the chance of a wrong promotion: in quotes, above 0 and at most 0.5, such as "0.05"',
    ),
]
Margin = Annotated[
    str,
    Field(max_length=20),
    decimal(
        "double(self) > 0.0 && double(self) < 1.0",
        lambda margin: 0 < margin < 1,
        'margin must be in quotes and lie between 0 and 1, both excluded: one point is "0.01"',
    ),
]
Limit = Annotated[
    str,
    Field(max_length=20),
    decimal(
        "double(self) > 0.0 && double(self) <= 100.0",
        lambda limit: 0 < limit <= 100,
        'limit is the ratio candidate / baseline in quotes, above 0 and at most 100: 10 % worse is "1.10"',
    ),
]
Quantile = Annotated[
    str,
    Field(max_length=20),
    decimal(
        "double(self) >= 0.5 && double(self) <= 0.99",
        lambda quantile: 50 <= quantile * 100 <= 99,
        'quantile must be in quotes and lie between "0.5" and "0.99"',
    ),
]


class GateSpec(Model):
    """One claim to be proved. A gate named as one of the tier's defaults overrides it."""

    RULES: ClassVar = (
        Rule(
            "!(self.metric in ['Accuracy', 'HarmfulFlipRate']) || !has(self.limit)",
            "metric Accuracy and HarmfulFlipRate take margin, not limit",
            lambda gate: gate.metric not in _ITEM_METRICS or gate.limit is None,
        ),
        Rule(
            "self.metric in ['Accuracy', 'HarmfulFlipRate'] || !has(self.margin)",
            'ratio metrics take limit (candidate / baseline, such as "1.10"), not margin',
            lambda gate: gate.metric in _ITEM_METRICS or gate.margin is None,
        ),
        Rule(
            f"self.metric != 'LatencyRatio' || has(self.quantile) || self.name in {list(DEFAULT_LATENCY_GATES)}",
            'metric LatencyRatio needs quantile, such as "0.95"',
            lambda gate: (
                gate.metric != Metric.LATENCY_RATIO or gate.quantile is not None or gate.name in DEFAULT_LATENCY_GATES
            ),
        ),
        Rule(
            "self.metric == 'LatencyRatio' || !has(self.quantile)",
            "quantile belongs to metric LatencyRatio only",
            lambda gate: gate.metric == Metric.LATENCY_RATIO or gate.quantile is None,
        ),
        Rule(
            "self.metric in ['Accuracy', 'HarmfulFlipRate'] || !has(self.sliceBy)",
            "sliceBy belongs to metrics counted item by item: Accuracy, HarmfulFlipRate",
            lambda gate: gate.metric in _ITEM_METRICS or gate.slice_by is None,
        ),
    )

    name: Label = Field(description="Of the gate, in every message; as a default's of the tier: overrides that.")
    metric: Metric
    slice_by: Label | None = Field(
        default=None, description="A slice column of the pack: one claim for each of its values."
    )
    quantile: Quantile | None = Field(default=None, description='Of LatencyRatio: "0.5" to "0.99".')
    margin: Margin | None = Field(
        default=None, description='How much worse the candidate may be, absolute: "0.01" = 1 point.'
    )
    limit: Limit | None = Field(default=None, description='Largest allowed ratio candidate / baseline: "1.10".')
    enforcement: Enforcement = Enforcement.HARD
    underpowered: Underpowered | None = Field(
        default=None,
        description="When the pack is too small. Refuse: do not run. HarmOnly: can still fail the candidate, its claim "
        "is reported as not proven. Default: HarmOnly for slices in tiers Low and Standard, else Refuse.",
    )


class PackRef(Model):
    """A ScenarioPack in the validation's namespace."""

    name: Name = Field(description="The ScenarioPack's name.")


class EvaluationLimits(Model):
    """Bounds on one evaluation."""

    deadline: PositiveDuration = Field(default="1h", description="An attempt that takes longer is ended: Error.")
    attempts: int = Field(
        default=3, ge=1, le=10, description="Attempts in all when infrastructure fails; never for a verdict."
    )
    latency_blocks: int = Field(
        default=2000, ge=50, le=20000, description="Most blocks of four calls a latency gate may use."
    )


class RolloutLimits(Model):
    """Bounds on a release."""

    progress_deadline: PositiveDuration = Field(
        default="10m", description="A step that is not live by then is rolled back."
    )


class PolicySpec(Model):
    """The policy owner's word: an empty spec is already strict."""

    tier: Tier = Tier.STANDARD
    alpha: Alpha | None = Field(
        default=None, description="Bound on the chance to promote a model worse than a margin. Default by tier."
    )
    gates: Annotated[tuple[GateSpec, ...], list_map("name")] = Field(
        default=(), max_length=64, description="Added to the tier's defaults, or overriding them by name."
    )
    required_packs: Annotated[tuple[PackRef, ...], list_map("name")] = Field(
        default=(), max_length=16, description="Packs of the validation's namespace that every validation is judged on."
    )
    evaluation: EvaluationLimits = EvaluationLimits()
    rollout: RolloutLimits = RolloutLimits()
    evaluator_image: (
        Annotated[
            str,
            Field(max_length=512),
            matching(
                "[^@ ]+@sha256:[0-9a-f]{64}", "name the evaluator image by digest: registry/name@sha256:… (a tag moves)"
            ),
        ]
        | None
    ) = Field(default=None, description="By digest; default: the operator's own release.")


class ValidationPolicy(Model):
    """What has to be proved before a model may be released: who owns this decides, not who owns the model."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["ValidationPolicy"] = "ValidationPolicy"
    metadata: ObjectMeta
    spec: PolicySpec = PolicySpec()
