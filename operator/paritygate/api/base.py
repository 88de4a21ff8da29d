"""The base of every resource model and the scalar types they share."""

import re
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from .markers import Rule

GROUP = "paritygate.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Model(BaseModel):
    """A frozen value: camelCase outside, snake_case inside. Unknown fields are refused: a typo is never a default."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid")

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """What holds for the object as a whole."""

    def dump(self) -> dict[str, object]:
        """The object as Kubernetes sees it: camelCase keys, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        broken = [rule.said_of(self) for rule in self.RULES if rule.broken_by(self)]
        if broken:
            raise ValueError("; ".join(broken))
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        if cls.RULES:
            handler.resolve_ref_schema(schema)["x-kubernetes-validations"] = [rule.schema() for rule in cls.RULES]
        return schema


class ReadModel(Model):
    """A frozen value that we read and a newer version may have widened: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")


def matching(pattern: str, message: str) -> Rule:
    """A text that matches as a whole. A rule and not `pattern`: it says what to write, not which regex failed."""
    return Rule(f"self.matches('^({pattern})$')", message, lambda text: re.fullmatch(pattern, text) is not None)


_DECIMAL = r"(0|[1-9][0-9]{0,8})([.][0-9]{1,9})?"
_DURATION = r"([0-9]{1,5}([.][0-9]{1,3})?h)?([0-9]{1,7}([.][0-9]{1,3})?m)?([0-9]{1,9}([.][0-9]{1,3})?s)?([0-9]{1,9}ms)?"


def decimal(cel: str, holds: Callable[[Decimal], bool], message: str) -> Rule:
    """A decimal string with a bound: `cel` over `double(self)`, `holds` over the number."""
    return Rule(
        f"self.matches('^{_DECIMAL}$') && {cel}",
        message,
        lambda text: re.fullmatch(_DECIMAL, text) is not None and holds(Decimal(text)),
    )


DecimalString = Annotated[
    str, Field(max_length=20), matching(_DECIMAL, 'must be a decimal number in quotes, such as "0.05"')
]
"""A number that decides. Never a float in an API: `1` against `1.0`, and rounding, are how gates drift."""

SignedDecimalString = Annotated[
    str, Field(max_length=20), matching(f"-?{_DECIMAL}", 'must be a decimal number in quotes, such as "0.5" or "-1"')
]
"""A decimal number that may be below zero."""

Duration = Annotated[
    str,
    Field(min_length=1, max_length=32),
    matching(_DURATION, 'must be a duration of hours, minutes and seconds, such as "90s", "10m" or "1h30m"'),
]
"""A Go duration: `90s`, `10m`, `1h30m`."""

PositiveDuration = Annotated[
    str,
    Field(min_length=1, max_length=32),
    Rule(
        f"self.matches('^{_DURATION}$') && self.matches('[1-9]')",
        'must be a duration above 0 in hours, minutes and seconds, such as "90s", "10m" or "1h30m"',
        lambda text: re.fullmatch(_DURATION, text) is not None and re.search("[1-9]", text) is not None,
    ),
]
"""A Go duration above zero."""

Digest = Annotated[
    str,
    Field(max_length=71),
    matching(
        "sha256:[0-9a-f]{64}",
        "must be sha256: and 64 lower-case hexadecimal digits; `paritygate digest PATH` prints it",
    ),
]
Uri = Annotated[str, Field(min_length=1, max_length=1024)]
RemoteUri = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    Rule(
        "self.matches('^[a-z][a-z0-9+.-]*://.+') && !self.startsWith('file://')",
        "must be a place that pods of the cluster reach: s3://, gs://, hf://, https:// or pvc://CLAIM/PATH",
    ),
]
"""A URI that may be a path on this machine in `check`, never in a cluster."""
NAME = matching(
    "[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
    "must be a Kubernetes name: lower-case letters, digits, - and ., beginning and ending with a letter or digit",
)
Name = Annotated[str, Field(min_length=1, max_length=253), NAME]
Label = Annotated[
    str,
    Field(min_length=1, max_length=128),
    matching(
        "[A-Za-z0-9]([-_./A-Za-z0-9]*[A-Za-z0-9])?",
        "must be letters, digits, -, _, . and /, beginning and ending with a letter or digit",
    ),
]
Text = Annotated[str, Field(max_length=2048)]
Word = Annotated[str, Field(max_length=253)]
"""A name or a reason that the operator wrote."""
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, max_length=40)]
Percent = Annotated[int, Field(ge=0, le=100)]


def _quantity(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_QUANTITY = "[0-9]{1,15}([.][0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?"

Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 32}),
    Rule(
        f"type(self) == int ? self > 0 : self.matches('^{_QUANTITY}$') && self.matches('^[0-9.]*[1-9]')",
        'must be a quantity above 0, such as "500m", 2 or "1Gi"',
        lambda text: (
            len(text) <= 32 and re.fullmatch(_QUANTITY, text) is not None and re.match("[0-9.]*[1-9]", text) is not None
        ),
    ),
]
"""A Kubernetes quantity above zero; a plain number may be written without quotes."""


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
