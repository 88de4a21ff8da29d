"""What Kubernetes asks of a structural schema, and what we ask of ours, as assertions over the generated CRDs."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import pytest
from paritygate.api import crd
from paritygate.api.base import Model
from paritygate.api.markers import ATOMIC, Rule
from pydantic import Field

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


ALL = [
    pytest.param(node, id=f"{kind.name}{path}")
    for kind in crd.KINDS
    for path, node in nodes(crd.schema(kind))
    if path not in (".apiVersion", ".kind", ".metadata")
]


@pytest.mark.parametrize("node", ALL)
def test_a_node_is_structural_described_and_bounded(node: Schema):
    assert ("type" in node) != ("x-kubernetes-int-or-string" in node)
    assert not {"$ref", "anyOf", "oneOf", "allOf", "const", "title", "prefixItems", "uniqueItems", "not"} & set(node)
    assert not ("properties" in node and "additionalProperties" in node)
    assert set(node.get("required", ())) <= set(node.get("properties", ()))
    assert not [
        name
        for name, sub in node.get("properties", {}).items()
        if name in node.get("required", ()) and "default" in sub
    ]
    match node.get("type"):
        case "object":
            assert "properties" in node or "maxProperties" in node
        case "array":
            assert node["maxItems"] >= 1
            assert node["x-kubernetes-list-type"] in ("map", "set", "atomic")
        case "string":
            assert "enum" in node or "maxLength" in node
        case other:
            assert other in ("integer", "number", "boolean", None)


@pytest.mark.parametrize("node", [param for param in ALL if not param.id.endswith(("[]", ".*"))])
def test_a_field_says_what_it_is(node: Schema):
    assert len(node["description"]) > 3


@pytest.mark.parametrize("node", [param for param in ALL if "x-kubernetes-list-map-keys" in param.values[0]])
def test_the_keys_of_a_list_are_required_or_defaulted(node: Schema):
    assert node["x-kubernetes-list-type"] == "map"
    assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"])


@pytest.mark.parametrize("node", [param for param in ALL if "x-kubernetes-validations" in param.values[0]])
def test_a_rule_has_a_message_for_people_on_one_line(node: Schema):
    for rule in node["x-kubernetes-validations"]:
        assert rule["rule"]
        assert 10 < len(rule["message"]) < 200
        assert "\n" not in rule["message"]


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_names_of_a_kind(kind: crd.Kind):
    names = crd.manifest(kind)["spec"]["names"]
    assert names["categories"] == ["paritygate"]
    assert not BUILT_IN & set(names["shortNames"])
    assert re.fullmatch("[a-z]{3,9}", kind.short)
    assert (kind.scope == "Cluster") == (kind.name in ("ValidationPolicy", "AcceleratorPool"))


def test_short_names_differ():
    assert len({kind.short for kind in crd.KINDS}) == len(crd.KINDS)


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
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
