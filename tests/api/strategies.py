"""Objects drawn from the generated schemas: what the API server takes, and what it nearly takes."""

import functools
import re
from typing import Any

from hypothesis import strategies as st
from paritygate.api import API_VERSION, crd

Schema = dict[str, Any]

_CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))


@functools.cache
def specs(kind: str, tame: bool) -> st.SearchStrategy[Any]:
    """Specs that keep to types and bounds, when `tame` to patterns too; rules over whole objects may break."""
    schema = next(crd.schema(one) for one in crd.KINDS if one.name == kind)
    return _node(schema["properties"]["spec"], tame)


def manifest(kind: str, spec: Any) -> dict[str, Any]:
    """The object with this spec."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "drawn"}, "spec": spec}


def _node(schema: Schema, tame: bool) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            return _object(schema, tame)
        case "array":
            return st.lists(
                _node(schema["items"], tame), min_size=schema.get("minItems", 0), max_size=min(3, schema["maxItems"])
            )
        case "string":
            return _text(schema, tame)
        case "integer":
            return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31))
        case "number":
            return st.floats(-1e9, 1e9)
        case "boolean":
            return st.booleans()
        case _:
            return st.one_of(st.integers(1 if tame else -1, 64), _text(schema, tame))


def _object(schema: Schema, tame: bool) -> st.SearchStrategy[Any]:
    if "additionalProperties" in schema:
        keys = st.sampled_from(["cpu", "memory", "nvidia.com/gpu", "paritygate.io/pool"])
        return st.dictionaries(keys, _node(schema["additionalProperties"], tame), max_size=4)
    drawn = {name: _node(sub, tame) for name, sub in schema["properties"].items()}
    asked = {rule["rule"] for rule in schema.get("x-kubernetes-validations", ())}
    needed = {*schema.get("required", ()), *(name for name in drawn if f"has(self.{name})" in asked)}
    return st.fixed_dictionaries(
        {name: drawn[name] for name in drawn if name in needed},
        optional={name: drawn[name] for name in drawn if name not in needed},
    )


def _text(schema: Schema, tame: bool) -> st.SearchStrategy[str]:
    low, high = schema.get("minLength", 0), schema.get("maxLength", 64)
    if schema.get("format") == "date-time":
        return st.just("2026-11-21T12:00:00Z")
    rules = schema.get("x-kubernetes-validations", ())
    patterns = [pattern for rule in rules for pattern in re.findall(r"matches\('(.*?)'\)", rule["rule"])[:1]]
    free = st.text(_CHARACTERS, min_size=low, max_size=min(high, 12))
    if not patterns:
        return free
    kept = st.from_regex(patterns[0].removesuffix("$") + r"\Z", alphabet=_CHARACTERS).filter(
        lambda text: low <= len(text) <= high
    )
    # Where only the cluster refuses, the two do not have to agree.
    tame = tame or any("file://" in rule["rule"] for rule in rules)
    return kept if tame else st.one_of(kept, kept, free)
