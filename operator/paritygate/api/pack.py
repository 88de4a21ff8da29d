"""ScenarioPack: a locked, versioned set of items with the slices it can be cut into."""

import re
from collections.abc import Callable
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
    labels: DataFile = Field(
        description="CSV or Parquet with the columns id, label (unless the pack is unlabelled) and any slice columns."
    )


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


_OF_LABELS = "(!has(self.source) || self.source == 'Labels')"
_EDGES, _CROSS, _ITEMS = (f"(has(self.{name}) && size(self.{name}) > 0)" for name in ("edges", "cross", "items"))


class SliceColumn(Model):
    """A column by which items are grouped: of the labels file, or derived from the items."""

    RULES: ClassVar = (
        Rule(
            f"!{_CROSS} || ({_OF_LABELS} && !{_EDGES} && !{_ITEMS})",
            "cross joins columns of the labels: leave source, edges and items out",
            lambda column: (
                not column.cross or (column.source == SliceSource.LABELS and not column.edges and not column.items)
            ),
        ),
        Rule(
            f"!{_CROSS} || size(self.cross) > 1",
            "cross joins columns: name at least two",
            lambda column: len(column.cross) != 1,
        ),
        Rule(
            f"!{_EDGES} || !{_OF_LABELS}",
            "edges cut a derived column into buckets: set source to InputRange, Length or BaselineConfidence",
            lambda column: not column.edges or column.source != SliceSource.LABELS,
        ),
        Rule(
            f"!{_ITEMS} || {_OF_LABELS}",
            "items are declared for columns of the labels only: leave them out, they are counted in the evaluator",
            lambda column: not column.items or column.source == SliceSource.LABELS,
        ),
        Rule(
            f"!(has(self.source) && self.source == 'BaselineConfidence' && {_EDGES})"
            " || self.edges.all(one, double(one) > 0.0 && double(one) < 1.0)",
            'edges of BaselineConfidence must lie between 0 and 1, both excluded, such as "0.6"',
            lambda column: (
                column.source != SliceSource.BASELINE_CONFIDENCE or all(0 < float(one) < 1 for one in column.edges)
            ),
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
            'edges must rise, each greater than the one before it, such as ["0.5", "0.8"]',
            lambda edges: all(float(low) < float(high) for low, high in pairwise(edges)),
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
    groups: bool = Field(
        default=False,
        description="Whether its values are groups, of people say, that must fare alike: brings a fairness gate.",
    )
    items: Annotated[tuple[SliceItems, ...], list_map("value")] = Field(
        default=(),
        max_length=256,
        description="How many items each value has: power is planned before a pod starts, and the labels must agree.",
    )


class PerturbationKind(StrEnum):
    """What is done to the inputs, the same to both models, and the unit of its strength."""

    GAUSSIAN_NOISE = "GaussianNoise"
    """Added to every number: standard deviations of the item's own numbers, at most 100."""
    BLUR = "Blur"
    """Of the last two axes: passes of a 3 x 3 box, 1 to 16."""
    BRIGHTNESS = "Brightness"
    """Added to every number, in the input's own unit; below 0 is darker."""
    FEATURE_JITTER = "FeatureJitter"
    """Every number times 1 + noise of this standard deviation, at most 100."""
    TYPOS = "Typos"
    """Of text: the share of characters that are dropped or swapped with the next, at most 1."""


class Perturbation(Model):
    """A change of every input by which robustness is judged."""

    RULES: ClassVar = (
        Rule(
            "self.kind == 'Brightness' ? double(self.strength) != 0.0 : double(self.strength) > 0.0",
            "strength must be above 0; only Brightness may go below, which is darker",
            lambda one: (
                float(one.strength) > 0 or (one.kind == PerturbationKind.BRIGHTNESS and float(one.strength) < 0)
            ),
        ),
        Rule(
            "self.kind != 'Blur' || self.strength.matches('^([1-9]|1[0-6])$')",
            'strength of Blur is a whole number of passes, "1" to "16"',
            lambda one: one.kind != PerturbationKind.BLUR or re.fullmatch("[1-9]|1[0-6]", one.strength) is not None,
        ),
        Rule(
            "self.kind != 'Typos' || double(self.strength) <= 1.0",
            'strength of Typos is a share of the characters, at most "1"',
            lambda one: one.kind != PerturbationKind.TYPOS or float(one.strength) <= 1,
        ),
        Rule(
            "!(self.kind in ['GaussianNoise', 'FeatureJitter']) || double(self.strength) <= 100.0",
            'strength of $kind is in standard deviations, at most "100"',
            lambda one: (
                one.kind not in (PerturbationKind.GAUSSIAN_NOISE, PerturbationKind.FEATURE_JITTER)
                or float(one.strength) <= 100
            ),
        ),
        Rule(
            "self.kind != 'Brightness' || (double(self.strength) <= 1000000.0 && double(self.strength) >= -1000000.0)",
            'strength of Brightness is at most a million to either side, such as "0.2"',
            lambda one: one.kind != PerturbationKind.BRIGHTNESS or abs(float(one.strength)) <= 1e6,
        ),
    )

    name: Label = Field(description="As gates name it.")
    kind: PerturbationKind = Field(
        description="GaussianNoise and FeatureJitter of numbers, Blur and Brightness of pictures, Typos of text."
    )
    strength: SignedDecimalString = Field(
        description="GaussianNoise: standard deviations of the item's own numbers. FeatureJitter: of a factor around "
        "1. Blur: passes of a 3 x 3 box. Brightness: added, in the input's unit. Typos: share of the characters."
    )


class Corpus(Model):
    """Among which items the neighbours of an embedding are looked for."""

    column: Label = Field(description="A slice column of the labels.")
    value: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Items with this value are the corpus; the others are the queries, and only they are judged."
    )


_CLASSES = (Task.CLASSIFICATION, Task.MULTILABEL)
_HAS_CLASSES = f"self.task in {[task.value for task in _CLASSES]}"


def _for_classes(cel: str, name: str, given: Callable[["PackSpec"], bool]) -> Rule:
    """What belongs to packs whose items have classes."""
    return Rule(
        f"!({cel}) || {_HAS_CLASSES}",
        f"{name} belongs to tasks Classification and Multilabel, not to $task",
        lambda pack: not given(pack) or pack.task in _CLASSES,
    )


def _of_labels(pack: "PackSpec", column: str) -> bool:
    """Whether the pack declares this column, and as one of the labels."""
    return any(one.column == column and one.source == SliceSource.LABELS and not one.cross for one in pack.slices)


_DECLARED = "self.slices.exists(s, s.column == {} && s.source == 'Labels' && (!has(s.cross) || size(s.cross) == 0))"

_OF_TASK = (
    Rule(
        "!has(self.corpus) || self.task == 'Embedding'",
        "corpus belongs to task Embedding, not to $task",
        lambda pack: pack.corpus is None or pack.task == Task.EMBEDDING,
    ),
    Rule(
        "has(self.corpus) || self.task != 'Embedding'",
        "task Embedding needs corpus {column, value}: the items among which neighbours are looked for",
        lambda pack: pack.corpus is not None or pack.task != Task.EMBEDDING,
    ),
    _for_classes(
        "has(self.criticalClasses) && size(self.criticalClasses) > 0",
        "criticalClasses",
        lambda pack: bool(pack.critical_classes),
    ),
    _for_classes(
        "has(self.slices) && self.slices.exists(s, has(s.groups) && s.groups)",
        "groups",
        lambda pack: any(one.groups for one in pack.slices),
    ),
    _for_classes("has(self.scores)", "scores", lambda pack: pack.scores is not None),
    _for_classes("has(self.mustPass) && self.mustPass", "mustPass", lambda pack: pack.must_pass),
    _for_classes(
        "has(self.slices) && self.slices.exists(s, s.source == 'BaselineConfidence')",
        "a slice by BaselineConfidence",
        lambda pack: any(one.source == SliceSource.BASELINE_CONFIDENCE for one in pack.slices),
    ),
)
_OF_UNLABELLED = Rule(
    "!has(self.unlabelled) || !self.unlabelled || !((has(self.mustPass) && self.mustPass)"
    " || (has(self.criticalClasses) && size(self.criticalClasses) > 0)"
    " || (has(self.slices) && self.slices.exists(s, has(s.groups) && s.groups)))",
    "mustPass, criticalClasses and groups ask what is right: leave them out of an unlabelled pack",
    lambda pack: (
        not pack.unlabelled or not (pack.must_pass or pack.critical_classes or any(one.groups for one in pack.slices))
    ),
)
_OF_COLUMNS = (
    Rule(
        f"!has(self.corpus) || (has(self.slices) && {_DECLARED.format('self.corpus.column')})",
        "corpus.column must be one of slices, with source Labels and without cross",
        lambda pack: pack.corpus is None or _of_labels(pack, pack.corpus.column),
    ),
    Rule(
        f"!has(self.slices) || self.slices.all(one, !has(one.cross) || one.cross.all(c, {_DECLARED.format('c')}))",
        "cross joins columns of the labels: name each of them in slices too",
        lambda pack: all(_of_labels(pack, column) for one in pack.slices for column in one.cross),
    ),
    Rule(
        "!has(self.slices) || self.slices.all(one, !has(one.items) || size(one.items) == 0"
        " || (has(self.items) && one.items.map(i, i.items).sum() == self.items))",
        "the items of a slice column must add up to the pack's own: write items, in all and a value",
        lambda pack: all(not one.items or sum(value.items for value in one.items) == pack.items for one in pack.slices),
    ),
)


class PackSpec(Model):
    """What is in a pack. Immutable: a new content is a new pack."""

    RULES: ClassVar = (
        Rule("self == oldSelf", "a pack is locked: create a new ScenarioPack with another name instead"),
        *_OF_TASK,
        *_OF_COLUMNS,
        _OF_UNLABELLED,
        Rule(
            "!has(self.cluster) || !(self.cluster in ['id', 'label', 'pack'])",
            "cluster names the column that tells which items belong together, such as document; not $cluster",
            lambda pack: pack.cluster not in ("id", "label", "pack"),
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
    unlabelled: bool = Field(
        default=False,
        description="Nobody said what is right: the labels file holds id and slice columns, no label. The tier's gates "
        "ask then that the models answer alike; a gate that reads labels is refused.",
    )
    cluster: Label | None = Field(
        default=None,
        description="The column of the labels that tells which items belong together (one document, patient or user): "
        "they are no independent evidence, so gates count such clusters and not items.",
    )


class ScenarioPack(Model):
    """A locked, versioned set of items (inputs, labels, slices) that a candidate is judged on."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["ScenarioPack"] = "ScenarioPack"
    metadata: ObjectMeta
    spec: PackSpec
