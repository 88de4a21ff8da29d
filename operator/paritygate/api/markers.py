"""What a Kubernetes schema says beyond JSON Schema, as annotations: CEL rules and list semantics.

Each also holds in Python with the same message: `paritygate check` reads manifests where no API server is.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

Schema = dict[str, Any]

_FIELD = re.compile(r"\$([a-z]+)")
"""A field whose value a message tells."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule, its message (what to write instead) and its twin in Python.

    As an annotation it holds for one field, in `Model.RULES` for the whole object: there a message may tell the value
    of a field that is always set, `$metric`. `holds` is None where only the API server can tell: the rule compares
    with the old object, or asks for something only in a cluster.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None

    def broken_by(self, value: object) -> bool:
        """Whether the twin refuses `value`."""
        return self.holds is not None and not self.holds(value)

    def said_of(self, value: object) -> str:
        """The message about `value`, an object that breaks the rule."""
        return _FIELD.sub(lambda field: str(getattr(value, field[1])), self.message)

    def schema(self) -> Schema:
        """The entry of x-kubernetes-validations."""
        words = _FIELD.split(self.message)
        if len(words) == 1:
            return {"rule": self.cel, "message": self.message}
        said = [f"self.{word}" if i % 2 else json.dumps(word, ensure_ascii=False) for i, word in enumerate(words)]
        return {"rule": self.cel, "messageExpression": " + ".join(one for one in said if one != '""')}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        described = handler(schema)
        described.setdefault("x-kubernetes-validations", []).append(self.schema())
        return described

    def _checked(self, value: Any) -> Any:
        if self.broken_by(value):
            raise ValueError(self.message)
        return value


@dataclass(frozen=True, slots=True)
class ListOf:
    """How server-side apply merges a list, and by what its entries are told apart."""

    kind: str
    keys: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        return inner if self.kind == "atomic" else core_schema.no_info_after_validator_function(self._distinct, inner)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        described = handler(schema)
        described["x-kubernetes-list-type"] = self.kind
        if self.keys:
            described["x-kubernetes-list-map-keys"] = list(self.keys)
        return described

    def _distinct(self, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        seen = Counter(tuple(getattr(entry, key) for key in self.keys) if self.keys else (entry,) for entry in entries)
        twice = [", ".join(map(str, key)) for key, count in seen.items() if count > 1]
        if twice:
            what = " and ".join(self.keys) or "value"
            raise ValueError(f"duplicate {what}: {'; '.join(twice)}. Each entry needs a {what} of its own")
        return entries


ATOMIC = ListOf("atomic")
"""A list that one applier owns as a whole."""

SET = ListOf("set")
"""A list of distinct scalars."""


def list_map(*keys: str) -> ListOf:
    """A list whose entries are told apart by these keys: server-side apply merges it entry by entry."""
    return ListOf("map", keys)
