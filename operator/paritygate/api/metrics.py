"""What a gate can measure, and what every part needs to know of it: one row a metric.

Adding one is a row here, its scores in the referee and, if it is evidenced in a new way, a process in the judge: see
docs/add-a-metric.md.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from .pack import Task


class Metric(StrEnum):
    """What a gate measures."""

    ACCURACY = "Accuracy"
    RECALL = "Recall"
    PRECISION = "Precision"
    F_BETA = "FBeta"
    JACCARD = "Jaccard"
    LABEL_ERROR = "LabelError"
    ABSOLUTE_ERROR = "AbsoluteError"
    NEIGHBOUR_PRECISION = "NeighbourPrecision"
    NEIGHBOUR_CHANGE = "NeighbourChange"
    COSINE_CHANGE = "CosineChange"
    MUST_PASS = "MustPass"
    FAIRNESS_GAP = "FairnessGap"
    HARMFUL_FLIP_RATE = "HarmfulFlipRate"
    DISAGREEMENT_RATE = "DisagreementRate"
    ABSTENTION_RATE = "AbstentionRate"
    BRIER = "Brier"
    LOG_LOSS = "LogLoss"
    LATENCY_RATIO = "LatencyRatio"
    SIZE_RATIO = "SizeRatio"
    PEAK_MEMORY_RATIO = "PeakMemoryRatio"
    LOAD_TIME_RATIO = "LoadTimeRatio"
    BATCH_TIME_RATIO = "BatchTimeRatio"
    CALIBRATION_ERROR = "CalibrationError"
    AUROC = "Auroc"
    CONFIDENCE_SHIFT = "ConfidenceShift"
    POPULATION_STABILITY = "PopulationStability"
    KOLMOGOROV_SMIRNOV = "KolmogorovSmirnov"
    JENSEN_SHANNON = "JensenShannon"
    KULLBACK_LEIBLER = "KullbackLeibler"
    SATURATION = "Saturation"


class Evidence(StrEnum):
    """How a metric is evidenced: what is counted, and by which process of the judge."""

    FLIPS = "Flips"
    """Right or wrong of both models on each item: four counts a batch."""
    RATE = "Rate"
    """Whether something happened on an item: hits a batch, against a largest rate."""
    BOUNDED = "Bounded"
    """A loss of the candidate over the baseline in [-1, 1] an item: counts by value a batch."""
    CONFUSION = "Confusion"
    """Label, baseline's and candidate's answer about one class: eight counts a batch."""
    GAP = "Gap"
    """Flips of two groups, side by side."""
    REGRESSIONS = "Regressions"
    """Every item counts: one that only the baseline gets right is a fail."""
    TIMES = "Times"
    """Paired blocks of timed calls."""
    WEIGHT = "Weight"
    """One deterministic figure a model."""
    FIGURE = "Figure"
    """A figure over all judged items that has no bound of its own: it warns, it never decides."""


@dataclass(frozen=True, slots=True)
class Traits:
    """One row of the table. `noun` is what a report calls the estimate."""

    evidence: Evidence
    threshold: Literal["margin", "limit", ""]
    noun: str
    tasks: frozenset[Task]
    labels: bool = True
    """Whether a label is read. Without, it can be asked of a pack that nobody labelled."""

    @property
    def soft_only(self) -> bool:
        """Whether it can only warn."""
        return self.evidence is Evidence.FIGURE

    @property
    def of_items(self) -> bool:
        """Whether it is counted item by item, so that a pass is a proof about the answers."""
        return self.evidence not in (Evidence.TIMES, Evidence.WEIGHT, Evidence.FIGURE)


_ALL = frozenset(Task)
_CLASSES = frozenset({Task.CLASSIFICATION, Task.MULTILABEL})
_ONE_CLASS = frozenset({Task.CLASSIFICATION})
_ANSWERS = frozenset({Task.CLASSIFICATION, Task.MULTILABEL})
_EMBEDDING = frozenset({Task.EMBEDDING})

TRAITS = {
    Metric.ACCURACY: Traits(Evidence.FLIPS, "margin", "accuracy lost", _ANSWERS),
    Metric.RECALL: Traits(Evidence.FLIPS, "margin", "recall lost", _CLASSES),
    Metric.PRECISION: Traits(Evidence.CONFUSION, "margin", "precision lost", _CLASSES),
    Metric.F_BETA: Traits(Evidence.CONFUSION, "margin", "F-beta lost", _CLASSES),
    Metric.JACCARD: Traits(Evidence.CONFUSION, "margin", "Jaccard lost", _CLASSES),
    Metric.LABEL_ERROR: Traits(Evidence.BOUNDED, "margin", "label error added", frozenset({Task.MULTILABEL})),
    Metric.ABSOLUTE_ERROR: Traits(Evidence.BOUNDED, "margin", "error added, of the cap", frozenset({Task.REGRESSION})),
    Metric.NEIGHBOUR_PRECISION: Traits(Evidence.BOUNDED, "margin", "neighbour precision lost", _EMBEDDING),
    Metric.NEIGHBOUR_CHANGE: Traits(Evidence.BOUNDED, "margin", "neighbours changed", _EMBEDDING, labels=False),
    Metric.COSINE_CHANGE: Traits(Evidence.BOUNDED, "margin", "half cosine distance", _EMBEDDING, labels=False),
    Metric.MUST_PASS: Traits(Evidence.REGRESSIONS, "", "regressions", _ANSWERS),
    Metric.FAIRNESS_GAP: Traits(Evidence.GAP, "margin", "gap grown by up to", _ANSWERS),
    Metric.HARMFUL_FLIP_RATE: Traits(Evidence.RATE, "margin", "harmful flips", _ANSWERS),
    Metric.DISAGREEMENT_RATE: Traits(Evidence.RATE, "margin", "answers differ", _ANSWERS, labels=False),
    Metric.ABSTENTION_RATE: Traits(Evidence.FLIPS, "margin", "abstentions added", _ONE_CLASS, labels=False),
    Metric.BRIER: Traits(Evidence.BOUNDED, "margin", "Brier score lost", _ONE_CLASS),
    Metric.LOG_LOSS: Traits(Evidence.BOUNDED, "margin", "log loss added, of 10 nats", _ONE_CLASS),
    Metric.LATENCY_RATIO: Traits(Evidence.TIMES, "limit", "latency ratio", _ALL, labels=False),
    Metric.SIZE_RATIO: Traits(Evidence.WEIGHT, "limit", "size ratio", _ALL, labels=False),
    Metric.PEAK_MEMORY_RATIO: Traits(Evidence.WEIGHT, "limit", "peak memory ratio", _ALL, labels=False),
    Metric.LOAD_TIME_RATIO: Traits(Evidence.FIGURE, "limit", "load time ratio", _ALL, labels=False),
    Metric.BATCH_TIME_RATIO: Traits(Evidence.FIGURE, "limit", "time an item in batches, ratio", _ALL, labels=False),
    Metric.CALIBRATION_ERROR: Traits(Evidence.FIGURE, "margin", "calibration error added", _ONE_CLASS),
    Metric.AUROC: Traits(Evidence.FIGURE, "margin", "AUROC lost", _ONE_CLASS),
    Metric.CONFIDENCE_SHIFT: Traits(Evidence.FIGURE, "margin", "confidence shifted by", _ONE_CLASS, labels=False),
    Metric.POPULATION_STABILITY: Traits(Evidence.FIGURE, "limit", "population stability index", _ANSWERS, labels=False),
    Metric.KOLMOGOROV_SMIRNOV: Traits(
        Evidence.FIGURE, "limit", "Kolmogorov-Smirnov distance", _ONE_CLASS, labels=False
    ),
    Metric.JENSEN_SHANNON: Traits(
        Evidence.FIGURE, "limit", "Jensen-Shannon divergence an item", _ONE_CLASS, labels=False
    ),
    Metric.KULLBACK_LEIBLER: Traits(
        Evidence.FIGURE, "limit", "Kullback-Leibler divergence an item", _ONE_CLASS, labels=False
    ),
    Metric.SATURATION: Traits(Evidence.FIGURE, "limit", "saturated share of a tensor", _ALL, labels=False),
}

LABEL_FREE = frozenset(metric for metric, traits in TRAITS.items() if not traits.labels)
"""Metrics that compare both models with each other: no label is read."""

PER_CLASS = frozenset({Metric.RECALL, Metric.PRECISION, Metric.F_BETA, Metric.JACCARD})
"""One gate for each class of the labels, or for the one that `value` names: macro-F1 is a gate a class."""

NEEDS_SCORES = frozenset(
    {
        Metric.BRIER,
        Metric.LOG_LOSS,
        Metric.ABSTENTION_RATE,
        Metric.CALIBRATION_ERROR,
        Metric.AUROC,
        Metric.CONFIDENCE_SHIFT,
        Metric.KOLMOGOROV_SMIRNOV,
        Metric.JENSEN_SHANNON,
        Metric.KULLBACK_LEIBLER,
    }
)
"""Metrics that read probabilities: the packs say how the model gives them (`scores`)."""


OF_ITEMS = frozenset(metric for metric, traits in TRAITS.items() if traits.of_items)
"""Metrics that are counted item by item."""

SOFT_ONLY = frozenset(metric for metric, traits in TRAITS.items() if traits.soft_only)
"""Metrics without a bound: they warn and never decide."""
