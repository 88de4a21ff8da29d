"""What a Kubernetes schema says beyond JSON Schema: CEL rules and list semantics, as `json_schema_extra` values."""

from typing import Any


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules as (rule, message) pairs; the message says what to write instead."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


def list_map(*keys: str) -> dict[str, Any]:
    """A list whose entries are told apart by these keys: server-side apply merges it entry by entry."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def list_set() -> dict[str, Any]:
    """A list of distinct scalars."""
    return {"x-kubernetes-list-type": "set"}


def list_atomic() -> dict[str, Any]:
    """A list that one applier owns as a whole."""
    return {"x-kubernetes-list-type": "atomic"}
