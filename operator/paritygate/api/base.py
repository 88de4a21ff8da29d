"""The base of every resource model and the scalar types they share."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "paritygate.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Model(BaseModel):
    """A frozen value: camelCase outside, snake_case inside. Unknown fields are refused: a typo is never a default."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid")

    def dump(self) -> dict[str, object]:
        """The object as Kubernetes sees it: camelCase keys, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ReadModel(Model):
    """A frozen value that we read and a newer version may have widened: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")


DecimalString = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$", max_length=20)]
"""A number that decides. Never a float in an API: `1` against `1.0`, and rounding, are how gates drift."""

Duration = Annotated[str, Field(pattern=r"^([0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h))+$", max_length=32)]
"""A Go duration: `90s`, `10m`, `1h30m`."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
Uri = Annotated[str, Field(min_length=1, max_length=1024)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-_./A-Za-z0-9]*[A-Za-z0-9])?$", min_length=1, max_length=128)]
Text = Annotated[str, Field(max_length=1024)]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, max_length=40)]
Percent = Annotated[int, Field(ge=0, le=100)]


class Outcome(StrEnum):
    """The four verdicts. Nothing defaults to `Passed`."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


EXIT_CODES = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.INCONCLUSIVE: 3, Outcome.ERROR: 4}
"""The exit code of every command that ends with a verdict; 2 is wrong usage."""


class ObjectMeta(ReadModel):
    """The part of `metadata` that we use."""

    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    generation: int | None = None
    resource_version: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
