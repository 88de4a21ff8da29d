"""ValidationPolicy: what has to be proved before a model may be released, and how sure one must be."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.alias_generators import to_snake

from .base import Label, Model, Name, ObjectMeta, PositiveDuration, decimal, matching
from .markers import SET, Rule, list_map
from .metrics import OF_ITEMS, PER_CLASS, SOFT_ONLY, TRAITS, Evidence, Metric


class Tier(StrEnum):
    """Risk tier: the defaults for alpha, margins and enforcement."""

    LOW = "Low"
    STANDARD = "Standard"
    HIGH = "High"
    SAFETY_CRITICAL = "SafetyCritical"


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


MOST_BLOCKS = 20_000
"""That a latency gate may use."""


class Inference(StrEnum):
    """Of what a pass is a proof."""

    SUPERPOPULATION = "Superpopulation"
    """Of the population that the packs were drawn from."""
    LOCKED_SET = "LockedSet"
    """Of these very items only: fewer are needed."""


class ArtefactFormat(StrEnum):
    """How a model may be stored. A pickle never is one: reading it runs what its writer wrote."""

    ONNX = "Onnx"
    EXPORTED_PROGRAM = "ExportedProgram"
    SAFETENSORS = "Safetensors"
    TORCH_SCRIPT = "TorchScript"


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
        'limit must be in quotes, above 0 and at most 100: "1.10" is a ratio candidate / baseline of 10 % more',
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


Beta = Annotated[
    str,
    Field(max_length=20),
    decimal(
        "double(self) > 0.0 && double(self) <= 10.0",
        lambda beta: 0 < beta <= 10,
        'beta weighs recall against precision: in quotes, above 0 and at most 10, such as "1"',
    ),
]
Cap = Annotated[
    str,
    Field(max_length=20),
    decimal(
        "double(self) > 0.0",
        lambda cap: cap > 0,
        'cap is the largest error that counts, in the unit of the labels: in quotes and above 0, such as "25.0"',
    ),
]
Confidence = Annotated[
    str,
    Field(max_length=20),
    decimal(
        "double(self) > 0.0 && double(self) < 1.0",
        lambda confidence: 0 < confidence < 1,
        'confidence must be in quotes and lie between 0 and 1, both excluded, such as "0.8"',
    ),
]

_MARGIN = frozenset(metric for metric, traits in TRAITS.items() if traits.threshold == "margin")
_LIMIT = frozenset(metric for metric, traits in TRAITS.items() if traits.threshold == "limit")
_SLICED = OF_ITEMS - PER_CLASS
_NEIGHBOURS = frozenset({Metric.NEIGHBOUR_PRECISION, Metric.NEIGHBOUR_CHANGE})
_GAP = frozenset(metric for metric, traits in TRAITS.items() if traits.evidence is Evidence.GAP)


def _listed(metrics: frozenset[Metric]) -> list[str]:
    return [metric.value for metric in TRAITS if metric in metrics]


def _only_for(field: str, metrics: frozenset[Metric], message: str) -> Rule:
    """`field` belongs to these metrics only."""
    attribute = to_snake(field)
    return Rule(
        f"self.metric in {_listed(metrics)} || !has(self.{field})",
        message,
        lambda gate: gate.metric in metrics or getattr(gate, attribute) is None,
    )


def _needed_by(field: str, metrics: frozenset[Metric], message: str) -> Rule:
    """These metrics can't do without `field`."""
    attribute = to_snake(field)
    return Rule(
        f"!(self.metric in {_listed(metrics)}) || has(self.{field})",
        message,
        lambda gate: gate.metric not in metrics or getattr(gate, attribute) is not None,
    )


_THRESHOLDS = (
    Rule(
        f"!(self.metric in {_listed(_MARGIN)}) || !has(self.limit)",
        '$metric takes margin, not limit: how much worse the candidate may be, absolute, such as "0.01"',
        lambda gate: gate.metric not in _MARGIN or gate.limit is None,
    ),
    Rule(
        f"!(self.metric in {_listed(_LIMIT)}) || !has(self.margin)",
        '$metric takes limit, not margin: the largest ratio or distance, such as "1.10" for a ratio',
        lambda gate: gate.metric not in _LIMIT or gate.margin is None,
    ),
    Rule(
        "self.metric != 'MustPass' || !(has(self.margin) || has(self.limit))",
        "MustPass takes neither margin nor limit: one item that only the baseline gets right is a fail",
        lambda gate: gate.metric != Metric.MUST_PASS or (gate.margin is None and gate.limit is None),
    ),
)
_PARAMETERS = (
    _only_for("quantile", frozenset({Metric.LATENCY_RATIO}), "quantile belongs to LatencyRatio, not to $metric"),
    Rule(
        f"self.metric != 'LatencyRatio' || has(self.quantile) || self.name in {list(DEFAULT_LATENCY_GATES)}",
        'LatencyRatio needs quantile, such as "0.95"',
        lambda gate: (
            gate.metric != Metric.LATENCY_RATIO or gate.quantile is not None or gate.name in DEFAULT_LATENCY_GATES
        ),
    ),
    _only_for("beta", frozenset({Metric.F_BETA}), "beta belongs to FBeta, not to $metric"),
    _only_for("cap", frozenset({Metric.ABSOLUTE_ERROR}), "cap belongs to AbsoluteError, not to $metric"),
    _needed_by(
        "cap",
        frozenset({Metric.ABSOLUTE_ERROR}),
        'AbsoluteError needs cap, in the unit of the labels: a larger error counts as this one, such as "25.0"',
    ),
    _only_for(
        "neighbours", _NEIGHBOURS, "neighbours belongs to NeighbourPrecision and NeighbourChange, not to $metric"
    ),
    _only_for(
        "confidence", frozenset({Metric.ABSTENTION_RATE}), "confidence belongs to AbstentionRate, not to $metric"
    ),
    _needed_by(
        "confidence",
        frozenset({Metric.ABSTENTION_RATE}),
        'AbstentionRate needs confidence, below which a model abstains, such as "0.8"',
    ),
)
_ITEMS = (
    _only_for(
        "sliceBy", _SLICED, "$metric is not counted slice by slice, or has a gate for each class: leave sliceBy out"
    ),
    _needed_by("sliceBy", _GAP, "$metric needs sliceBy: the slice column of the groups"),
    Rule(
        f"!has(self.value) || has(self.sliceBy) || self.metric in {_listed(PER_CLASS)}",
        "value needs sliceBy, the column that it is of; $metric has no gate for each class that it could name",
        lambda gate: gate.value is None or gate.slice_by is not None or gate.metric in PER_CLASS,
    ),
    Rule(
        f"!(self.metric in {_listed(_GAP)}) || !has(self.value)",
        "$metric compares every two groups of sliceBy: leave value out",
        lambda gate: gate.metric not in _GAP or gate.value is None,
    ),
    _only_for("perturbation", OF_ITEMS, "$metric is not counted item by item: leave perturbation out"),
    Rule(
        f"!(self.metric in {_listed(SOFT_ONLY)}) || self.enforcement != 'Hard'",
        "$metric has no bound and can't decide: write enforcement: Soft to be warned, or DryRun to be told",
        lambda gate: gate.metric not in SOFT_ONLY or gate.enforcement != Enforcement.HARD,
    ),
)


class GateSpec(Model):
    """One claim to be proved. A gate named as one of the defaults of tier and technique overrides it."""

    RULES: ClassVar = (*_THRESHOLDS, *_PARAMETERS, *_ITEMS)

    name: Label = Field(description="In every message; the name of a default of tier or technique overrides that.")
    metric: Metric
    slice_by: Label | None = Field(
        default=None, description="A slice column of the pack: one claim for each of its values."
    )
    value: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Only this value of sliceBy, or this class: with a margin of its own."
    )
    perturbation: Label | None = Field(
        default=None, description="A perturbation of the packs: both models are judged on inputs changed by it."
    )
    quantile: Quantile | None = Field(default=None, description='Of LatencyRatio: "0.5" to "0.99".')
    beta: Beta | None = Field(default=None, description='Of FBeta: weight of recall against precision. Default: "1".')
    cap: Cap | None = Field(
        default=None, description="Of AbsoluteError: the largest error that counts, in the unit of the labels."
    )
    neighbours: int | None = Field(
        default=None, ge=1, le=100, description="Of NeighbourPrecision and NeighbourChange: how many. Default: 10."
    )
    confidence: Confidence | None = Field(
        default=None, description="Of AbstentionRate: the owner's threshold, below which a model abstains or escalates."
    )
    margin: Margin | None = Field(
        default=None, description='How much worse the candidate may be, absolute: "0.01" = 1 point.'
    )
    limit: Limit | None = Field(
        default=None, description='Largest allowed ratio candidate / baseline ("1.10"), or largest distance.'
    )
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

    RULES: ClassVar = (
        Rule(
            "!(has(self.everyItem) && self.everyItem && has(self.maxItems))",
            "everyItem asks for all items and maxItems forbids some of them: leave one of the two out",
            lambda limits: not (limits.every_item and limits.max_items is not None),
        ),
    )

    deadline: PositiveDuration = Field(default="1h", description="An attempt that takes longer is ended: Error.")
    attempts: int = Field(
        default=3, ge=1, le=10, description="Attempts in all when infrastructure fails; never for a verdict."
    )
    latency_blocks: int = Field(
        default=2000, ge=50, le=MOST_BLOCKS, description="Most blocks of four calls a latency gate may use."
    )
    every_item: bool | None = Field(
        default=None,
        description="Run every item of the packs, also when all gates are decided by a part of them: NaN and infinity "
        "are looked for in what is run. Default: true in tier SafetyCritical without maxItems, else false.",
    )
    max_items: int | None = Field(
        default=None,
        ge=64,
        le=4_194_304,
        description="Most items judged in one evaluation; one counts again under each perturbation. Where it leaves a "
        "hard gate open the verdict is Inconclusive; a gate that can't be proved within it is underpowered.",
    )
    inference: Inference = Field(
        default=Inference.SUPERPOPULATION,
        description="Superpopulation: a pass holds for the population that the packs were drawn from. LockedSet: for "
        "these very items only, with fewer of them.",
    )
    alpha_budget: bool = Field(
        default=False,
        description="Candidates tried on the same packs share alpha: the k-th gets 6/(pi k)^2 of it.",
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
    allowed_formats: Annotated[tuple[ArtefactFormat, ...], SET] = Field(
        default=(ArtefactFormat.ONNX, ArtefactFormat.EXPORTED_PROGRAM, ArtefactFormat.SAFETENSORS),
        min_length=1,
        max_length=4,
        description="How models may be stored. TorchScript only by name; a pickle never.",
    )
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
