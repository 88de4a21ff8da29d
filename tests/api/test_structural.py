"""What Kubernetes asks of a structural schema, and what we ask of ours, as assertions over the generated CRDs."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import pytest
from paritygate.api import crd
from paritygate.api.base import Model
from paritygate.api.markers import ATOMIC, Rule
from pydantic import Field

from tests.api.test_cases import message_of

Schema = dict[str, Any]

BUILT_IN = {
    *("cm", "cs", "csr", "cj", "crd", "deploy", "ds", "ep", "ev", "hpa", "ing", "limits", "netpol", "no", "ns", "pc"),
    *("pdb", "po", "pv", "pvc", "quota", "rc", "rs", "sa", "sc", "sts", "svc", "isvc", "kservice", "ksvc", "rev", "rt"),
    *("vpol", "cpol", "polr", "vpa", "vap"),
}
"""Short names of Kubernetes, KServe, Knative and Kyverno."""


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, sub in schema.get("properties", {}).items():
        yield from nodes(sub, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if key in schema:
            yield from nodes(schema[key], path + mark)


PLAIN = (".apiVersion", ".kind", ".metadata")
"""What the API server describes and bounds itself."""

FORBIDDEN = {"$ref", "anyOf", "oneOf", "allOf", "const", "title", "prefixItems", "uniqueItems", "not"}

of_each_kind = pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)


def complaints(node: Schema) -> Iterator[str]:
    """What is wrong with one node."""
    fields, required = node.get("properties", {}), set(node.get("required", ()))
    if ("type" in node) == ("x-kubernetes-int-or-string" in node):
        yield "neither a type nor int-or-string, or both"
    if FORBIDDEN & set(node):
        yield f"not structural: {FORBIDDEN & set(node)}"
    if fields and "additionalProperties" in node:
        yield "closed and open at once"
    if not required <= set(fields):
        yield "requires what it does not have"
    if [name for name in required if "default" in fields[name]]:
        yield "requires what has a default"
    match node.get("type"):
        case "object" if not fields and "maxProperties" not in node:
            yield "a map without bound"
        case "array" if not node.get("maxItems") or node.get("x-kubernetes-list-type") not in ("map", "set", "atomic"):
            yield "a list without bound or type"
        case "array" if not set(node.get("x-kubernetes-list-map-keys", ())) <= set(node["items"].get("required", ())):
            yield "entries may lack their key"
        case "string" if not {"enum", "maxLength"} & set(node):
            yield "text without bound"


@of_each_kind
def test_a_schema_is_structural_and_bounded(kind: crd.Kind):
    found = [(path, said) for path, node in nodes(crd.schema(kind)) if path not in PLAIN for said in complaints(node)]
    assert not found


@of_each_kind
def test_every_field_says_what_it_is(kind: crd.Kind):
    fields = [(path, node) for path, node in nodes(crd.schema(kind)) if not path.endswith(("[]", ".*", ".metadata"))]
    assert not [path for path, node in fields if len(node.get("description", "")) < 4]


@of_each_kind
def test_every_rule_has_a_message_for_people_on_one_line(kind: crd.Kind):
    rules = [rule for _, node in nodes(crd.schema(kind)) for rule in node.get("x-kubernetes-validations", ())]
    assert rules
    assert not [said for said in map(message_of, rules) if not 10 < len(said) < 200 or "\n" in said]


@of_each_kind
def test_names_of_a_kind(kind: crd.Kind):
    names = crd.manifest(kind)["spec"]["names"]
    assert names["categories"] == ["paritygate"]
    assert not BUILT_IN & set(names["shortNames"])
    assert re.fullmatch("[a-z]{3,9}", kind.short)
    assert (kind.scope == "Cluster") == (kind.name in ("ValidationPolicy", "AcceleratorPool"))


def test_short_names_differ():
    assert len({kind.short for kind in crd.KINDS}) == len(crd.KINDS)


@of_each_kind
def test_a_column_shows_a_field_that_exists(kind: crd.Kind):
    known = {path for path, _ in nodes(crd.schema(kind))} | {".metadata.creationTimestamp"}
    for column in kind.columns:
        assert re.sub(r"\[.*?\](?=\.|$)", "[]", column.path) in known


def test_only_a_validation_has_a_status_and_it_does_not_begin_green():
    with_status = [kind for kind in crd.KINDS if kind.initial_status]
    assert [kind.name for kind in with_status] == ["CompressionValidation"]
    (version,) = crd.manifest(with_status[0])["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    default = version["schema"]["openAPIV3Schema"]["properties"]["status"]["default"]
    assert default["observedGeneration"] == -1
    assert [(c["type"], c["status"], c["reason"]) for c in default["conditions"]] == [
        ("Reconciling", "True", "Pending")
    ]


def test_nothing_of_a_record_is_defaulted():
    report = next(kind for kind in crd.KINDS if kind.name == "ValidationReport")
    assert not [path for path, node in nodes(crd.schema(report)) if "default" in node]


def kind_of(annotation: Any, **field: Any) -> crd.Kind:
    """A kind whose spec has one field `x`."""
    spec = type("Spec", (Model,), {"__annotations__": {"x": annotation}, "x": Field(**field), "__doc__": "A spec."})
    thing = type("Thing", (Model,), {"__annotations__": {"metadata": dict, "spec": spec}, "__doc__": "A thing."})
    return crd.Kind(thing, "things", "thg", ())


@pytest.mark.parametrize(
    ("annotation", "field", "complaint"),
    [
        (str, {"description": "Text."}, "Thing.spec.x: a text without maxLength"),
        (int, {}, "Thing.spec.x: no description"),
        (dict[str, int], {"description": "Map."}, "Thing.spec.x: a map without a largest size"),
        (tuple[int, ...], {"description": "List.", "max_length": 3}, "Thing.spec.x: a list needs"),
        (Annotated[tuple[int, ...], ATOMIC], {"description": "List."}, "Thing.spec.x: a list needs"),
        (Annotated[tuple[int, bool], ATOMIC], {"description": "Pair."}, "Thing.spec.x: a tuple of different types"),
        (int | bool, {"description": "Either."}, "Thing.spec.x: a union"),
        (float, {"description": "Number.", "gt": 0}, "Thing.spec.x: exclusiveMinimum has no place"),
        (Any, {"description": "Anything."}, "Thing.spec.x: no type"),
    ],
)
def test_what_a_structural_schema_can_not_say_is_refused_with_its_path(annotation: Any, field: Any, complaint: str):
    with pytest.raises(crd.SchemaError, match=re.escape(complaint)):
        crd.schema(kind_of(annotation, **field))


class Inner(Model):
    """An inner object."""

    RULES: ClassVar = (Rule("true", "never broken"),)

    x: int = Field(default=1, description="A number.")


def test_rules_of_a_field_and_of_its_type_add_up():
    field = Rule("self.x > 0", "must be positive", lambda inner: inner.x > 0)
    node = crd.schema(kind_of(Annotated[Inner, field], description="Outer."))["properties"]["spec"]["properties"]["x"]
    assert [rule["message"] for rule in node["x-kubernetes-validations"]] == ["never broken", "must be positive"]
    assert node["description"] == "Outer."
