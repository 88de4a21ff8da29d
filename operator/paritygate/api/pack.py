"""ScenarioPack: a locked, versioned set of items with the slices it can be cut into."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Digest, Label, Model, ObjectMeta, Uri
from .markers import Rule, list_map


class Task(StrEnum):
    """What the models do; later work adds Regression, Embedding and Generation."""

    CLASSIFICATION = "Classification"


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


class SliceColumn(Model):
    """A column of the labels file by which items are grouped."""

    column: Label = Field(description="Its name in the header of the labels file.")


class PackSpec(Model):
    """What is in a pack. Immutable: a new content is a new pack."""

    RULES: ClassVar = (
        Rule("self == oldSelf", "a pack is locked: create a new ScenarioPack with another name instead"),
    )

    version: str = Field(min_length=1, max_length=64, description="The version of the content, for people.")
    task: Task
    data: PackData
    slices: Annotated[tuple[SliceColumn, ...], list_map("column")] = Field(
        default=(), max_length=16, description="Slice columns that gates may use."
    )


class ScenarioPack(Model):
    """A locked, versioned set of items (inputs, labels, slices) that a candidate is judged on."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["ScenarioPack"] = "ScenarioPack"
    metadata: ObjectMeta
    spec: PackSpec
