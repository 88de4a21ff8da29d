"""ScenarioPack: a locked, versioned set of items with the slices it can be cut into."""

from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Digest, Label, Model, ObjectMeta, SignedDecimalString, Uri
from .markers import ATOMIC, SET, Rule, list_map


class Task(StrEnum):
    """What the models do; later work adds Generation."""

    CLASSIFICATION = "Classification"
    MULTILABEL = "Multilabel"
    REGRESSION = "Regression"
    EMBEDDING = "Embedding"


class Scores(StrEnum):
    """What the numbers are that a classifier gives for each class."""

    PROBABILITIES = "Probabilities"
    LOGITS = "Logits"


class DataFile(Model):
    """One data file of a pack."""

    RULES: ClassVar = (Rule("has(self.digest)", "digest is required in a cluster: `paritygate digest FILE` prints it"),)

    uri: Uri = Field(
        description="s3://, pvc://CLAIM/PATH, ...; relative to the pack's file only in `paritygate check`."
    )
    digest: Digest | None = Field(
        default=None, description="sha256 of the file's manifest; optional only in `paritygate check`."
    )


class PackData(Model):
    """Inputs and labels apart: the process that holds the models never sees the labels."""

    inputs: DataFile = Field(description=".npz or Parquet: one array or column a model input, first axis = items.")
    labels: DataFile = Field(description="CSV or Parquet with the columns id, label and any number of slice columns.")


class SliceSource(StrEnum):
    """What a slice column is read or derived from."""

    LABELS = "Labels"
    INPUT_RANGE = "InputRange"
    LENGTH = "Length"
    BASELINE_CONFIDENCE = "BaselineConfidence"


class SliceItems(Model):
    """How many items one value of a slice column has."""

    value: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="The value.")
    items: int = Field(ge=1, le=1 << 22, description="Its items.")


class SliceColumn(Model):
    """A column by which items are grouped: of the labels file, or derived from the items."""

    RULES: ClassVar = (
        Rule(
            "!has(self.cross) || (self.source == 'Labels' && !has(self.edges))",
            "cross joins columns of the labels: leave source and edges out",
            lambda column: not column.cross or (column.source == SliceSource.LABELS and not column.edges),
        ),
        Rule(
            "self.source != 'Labels' || !has(self.edges)",
            "edges cut a derived column into buckets: set source to InputRange, Length or BaselineConfidence",
            lambda column: column.source != SliceSource.LABELS or not column.edges,
        ),
        Rule(
            "!has(self.items) || (self.source == 'Labels' && !has(self.cross))",
            "items are declared for columns of the labels only",
            lambda column: not column.items or (column.source == SliceSource.LABELS and not column.cross),
        ),
    )

    column: Label = Field(description="Its name: as in the header of the labels file, or a new one if it is derived.")
    source: SliceSource = Field(
        default=SliceSource.LABELS,
        description="Labels: a column of the labels file. InputRange: the largest |x| of an item. Length: the entries "
        "that are not 0, or characters. BaselineConfidence: how sure the baseline is of its answer.",
    )
    edges: Annotated[
        tuple[SignedDecimalString, ...],
        ATOMIC,
        Rule(
            "self.map(i, double(i)).isSorted() && self.all(i, self.exists_one(j, double(j) == double(i)))",
            "edges must rise",
            lambda edges: all(Decimal(low) < Decimal(high) for low, high in pairwise(edges)),
        ),
    ] = Field(
        default=(),
        max_length=16,
        description="Borders between the buckets of a derived column, rising. Without: the largest tenth of InputRange "
        'and Length and the rest; "0.6" for BaselineConfidence.',
    )
    cross: Annotated[tuple[Label, ...], SET] = Field(
        default=(), max_length=3, description="Columns of the labels whose values are joined: one slice a combination."
    )
    items: Annotated[tuple[SliceItems, ...], list_map("value")] = Field(
        default=(),
        max_length=256,
        description="How many items each value has: power is planned before a pod starts, and the labels must agree.",
    )


class PerturbationKind(StrEnum):
    """What is done to the inputs, the same to both models."""

    GAUSSIAN_NOISE = "GaussianNoise"
    BLUR = "Blur"
    BRIGHTNESS = "Brightness"
    FEATURE_JITTER = "FeatureJitter"
    TYPOS = "Typos"


class Perturbation(Model):
    """A change of every input by which robustness is judged."""

    name: Label = Field(description="As gates name it.")
    kind: PerturbationKind
    strength: SignedDecimalString = Field(description="How much; its unit is the kind's, see docs/metrics.md.")


class Corpus(Model):
    """Among which items the neighbours of an embedding are looked for."""

    column: Label = Field(description="A slice column of the labels.")
    value: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Items with this value are the corpus; the others are the queries, and only they are judged."
    )


_CLASSES = (Task.CLASSIFICATION, Task.MULTILABEL)


class PackSpec(Model):
    """What is in a pack. Immutable: a new content is a new pack."""

    RULES: ClassVar = (
        Rule("self == oldSelf", "a pack is locked: create a new ScenarioPack with another name instead"),
        Rule(
            "!has(self.corpus) || self.task == 'Embedding'",
            "corpus belongs to task Embedding only",
            lambda pack: pack.corpus is None or pack.task == Task.EMBEDDING,
        ),
        Rule(
            "has(self.corpus) || self.task != 'Embedding'",
            "task Embedding needs corpus: which items the neighbours are looked for among",
            lambda pack: pack.corpus is not None or pack.task != Task.EMBEDDING,
        ),
        Rule(
            "!has(self.criticalClasses) || self.task in ['Classification', 'Multilabel']",
            "criticalClasses belongs to tasks Classification and Multilabel only",
            lambda pack: not pack.critical_classes or pack.task in _CLASSES,
        ),
        Rule(
            "!has(self.scores) || self.task in ['Classification', 'Multilabel']",
            "scores belongs to tasks Classification and Multilabel only",
            lambda pack: pack.scores is None or pack.task in _CLASSES,
        ),
        Rule(
            "!(has(self.mustPass) && self.mustPass) || self.task in ['Classification', 'Multilabel']",
            "mustPass belongs to tasks Classification and Multilabel only: an item is right or wrong there",
            lambda pack: not pack.must_pass or pack.task in _CLASSES,
        ),
    )

    version: str = Field(min_length=1, max_length=64, description="The version of the content, for people.")
    task: Task
    data: PackData
    slices: Annotated[tuple[SliceColumn, ...], list_map("column")] = Field(
        default=(), max_length=16, description="Slice columns that gates may use."
    )
    items: int | None = Field(
        default=None, ge=1, le=1 << 22, description="How many items it has: power is planned before a pod starts."
    )
    output: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        default=None, description="The model output that is judged; needed when a model gives several that could be."
    )
    scores: Scores | None = Field(
        default=None, description="What the output holds a class: needed by calibration gates, which it also brings."
    )
    critical_classes: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=128)], ...], SET] = Field(
        default=(), max_length=32, description="Labels whose recall has a gate of its own, with the tier's margin."
    )
    must_pass: bool = Field(
        default=False, description="No item of this pack that the baseline gets right may be lost: one is a fail."
    )
    perturbations: Annotated[tuple[Perturbation, ...], list_map("name")] = Field(
        default=(), max_length=8, description="Changes of the inputs that gates may name."
    )
    corpus: Corpus | None = None


class ScenarioPack(Model):
    """A locked, versioned set of items (inputs, labels, slices) that a candidate is judged on."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["ScenarioPack"] = "ScenarioPack"
    metadata: ObjectMeta
    spec: PackSpec
