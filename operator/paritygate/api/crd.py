"""The CRDs, generated from the models: `python -m paritygate.api.crd [--check]`.

What pydantic calls a schema and what Kubernetes calls structural differ: references, null as a type, `const`, tuples
and closed objects have to go; every field has to be described and bounded, or the API server refuses what our rules may
cost.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from .base import GROUP, VERSION
from .dialect import Dumper
from .pack import ScenarioPack
from .policy import ValidationPolicy
from .pool import AcceleratorPool
from .report import ValidationReport
from .validation import CompressionValidation

Schema = dict[str, Any]
Resource = CompressionValidation | ValidationPolicy | ScenarioPack | AcceleratorPool | ValidationReport

ROOT = Path(__file__).resolve().parents[3]
"""The checkout: CRDs are generated there, never from an installed wheel."""

CRDS = Path("crds")
CHART = Path("charts/paritygate/templates/crds")

_KEPT = (
    *("type", "format", "description", "enum", "default", "required", "x-kubernetes-validations"),
    *("minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-int-or-string"),
)
_CONSUMED = ("$ref", "$defs", "anyOf", "const", "title", "properties", "additionalProperties", "items", "prefixItems")


class SchemaError(ValueError):
    """A model says something that a structural schema can't, or leaves a field undescribed or unbounded."""


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column. `wide` columns show with `-o wide` only."""

    name: str
    path: str
    description: str
    type: Literal["string", "integer", "date"] = "string"
    wide: bool = False

    def manifest(self) -> Schema:
        """The entry of additionalPrinterColumns."""
        said = {"name": self.name, "type": self.type, "jsonPath": self.path, "description": self.description}
        return said | ({"priority": 1} if self.wide else {})


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of ours: its model, and what its schema can't say."""

    model: type[Resource]
    plural: str
    short: str
    columns: tuple[Column, ...]
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"
    defaults: bool = True
    """Whether defaults are written into stored objects: not into records, which hold what was written and no more."""
    initial_status: Mapping[str, Any] | None = None
    """The status of an object that no controller has seen; None: the kind has no status."""

    @property
    def name(self) -> str:
        """The kind, as in manifests."""
        return self.model.__name__


_AGE = Column("Age", ".metadata.creationTimestamp", "Since when it exists.", "date")

_UNSEEN = {
    "observedGeneration": -1,
    "conditions": [
        {
            "type": "Reconciling",
            "status": "True",
            "reason": "Pending",
            "message": "Waiting for controller",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ],
}

KINDS = (
    Kind(
        CompressionValidation,
        "compressionvalidations",
        "cval",
        (
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status', "Whether the candidate may serve."),
            Column("Verdict", ".status.verdict.outcome", "Passed, Failed, Inconclusive or Error."),
            Column("Candidate", ".spec.candidate.technique", "How the candidate was made."),
            Column("Traffic", ".status.release.effectivePercent", "The candidate's share in percent.", "integer"),
            _AGE,
            Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why Ready is what it is.", wide=True),
            Column("Target", ".spec.target.inferenceService", "What serves the model.", wide=True),
            Column("Policy", ".spec.policy", "What has to be proved.", wide=True),
            Column("Pool", ".spec.pool", "Where it is proved.", wide=True),
            Column("Items", ".status.progress.items", "Items judged so far.", "integer", wide=True),
            Column("Report", ".status.verdict.report", "The ValidationReport with the evidence.", wide=True),
        ),
        initial_status=_UNSEEN,
    ),
    Kind(
        ValidationPolicy,
        "validationpolicies",
        "vpolicy",
        (
            Column("Tier", ".spec.tier", "The risk tier: where defaults come from."),
            Column("Alpha", ".spec.alpha", "Bound on wrong promotions; empty: the tier's."),
            _AGE,
            Column("Deadline", ".spec.evaluation.deadline", "How long an attempt may take.", wide=True),
            Column("Evaluator", ".spec.evaluatorImage", "Evaluator image; empty: the operator's own.", wide=True),
        ),
        scope="Cluster",
    ),
    Kind(
        ScenarioPack,
        "scenariopacks",
        "spack",
        (
            Column("Version", ".spec.version", "The version of the content."),
            Column("Task", ".spec.task", "What the models do."),
            _AGE,
            Column("Inputs", ".spec.data.inputs.uri", "What the runner sees.", wide=True),
            Column("Labels", ".spec.data.labels.uri", "What only the referee sees.", wide=True),
        ),
    ),
    Kind(
        AcceleratorPool,
        "acceleratorpools",
        "apool",
        (
            Column("Runtime", ".spec.runtime.name", "The inference runtime."),
            Column("Provider", ".spec.runtime.executionProviders[0]", "The preferred execution provider."),
            Column("Price", ".spec.pricePerHour", "Of one evaluator, an hour."),
            _AGE,
            Column("Watts", ".spec.watts", "Drawn by one evaluator under load.", "integer", wide=True),
        ),
        scope="Cluster",
    ),
    Kind(
        ValidationReport,
        "validationreports",
        "vreport",
        (
            Column("Validation", ".spec.validation.name", "The CompressionValidation that this is about."),
            Column("Outcome", ".spec.outcome", "The verdict."),
            Column("Items", ".spec.items", "Items judged.", "integer"),
            Column("Harmful", ".spec.harmfulFlips", "Items that only the baseline got right.", "integer"),
            _AGE,
            Column("Reason", ".spec.reason", "Why.", wide=True),
            Column("Input", ".spec.inputDigest", "sha256 of everything the verdict depends on.", wide=True),
        ),
        defaults=False,
    ),
)


def manifest(kind: Kind) -> Schema:
    """The CustomResourceDefinition of a kind. Raises SchemaError naming the field that can't be said."""
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
        "schema": {"openAPIV3Schema": schema(kind)},
    }
    if kind.initial_status is not None:
        version["subresources"] = {"status": {}}
    names = {"plural": kind.plural, "singular": kind.name.lower(), "kind": kind.name, "listKind": f"{kind.name}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": names | {"shortNames": [kind.short], "categories": ["paritygate"]},
            "versions": [version],
        },
    }


def schema(kind: Kind) -> Schema:
    """The structural schema of a kind."""
    said = kind.model.model_json_schema(by_alias=True, mode="validation")
    walk = _Walk(said["$defs"], kind.defaults)
    properties: Schema = {
        "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}"},
        "kind": {"type": "string", "description": kind.name},
        "metadata": {"type": "object"},
    }
    properties["spec"] = walk.field(said["properties"]["spec"], f"{kind.name}.spec")
    if kind.initial_status is not None:
        status = _Walk(said["$defs"], defaults=False).field(said["properties"]["status"], f"{kind.name}.status")
        properties["status"] = status | {"default": dict(kind.initial_status)}
    required = [name for name in said["required"] if name != "metadata"]
    root: Schema = {"type": "object", "description": said["description"], "properties": properties}
    return root | ({"required": required} if required else {})


@dataclass(frozen=True, slots=True)
class _Walk:
    """From one model's JSON Schema to a structural schema, path by path."""

    defs: Mapping[str, Schema]
    defaults: bool

    def field(self, said: Schema, path: str) -> Schema:
        """A property: as `node`, and it must be described."""
        found = self.node(said, path)
        if "description" not in found:
            raise SchemaError(f"{path}: no description, and kubectl explain would have nothing to say")
        return found

    def node(self, said: Schema, path: str) -> Schema:
        """Any value."""
        said = self._resolved(said, path)
        unknown = sorted(set(said) - set(_KEPT) - set(_CONSUMED))
        if unknown:
            raise SchemaError(f"{path}: {', '.join(unknown)} has no place in a structural schema")
        found = {key: said[key] for key in _KEPT if key in said and key != "default"}
        default = _shown(said.get("default"))
        if self.defaults and default is not None:
            found["default"] = default
        if "const" in said:
            found["enum"] = [said["const"]]
        match said.get("type"):
            case "object":
                found |= self._object(said, path)
            case "array":
                found |= self._array(said, path)
            case "string" if not {"maxLength", "enum"} & set(found):
                raise SchemaError(f"{path}: a text without maxLength")
            case None if "x-kubernetes-int-or-string" not in said:
                raise SchemaError(f"{path}: no type")
        return found

    def _object(self, said: Schema, path: str) -> Schema:
        if "properties" in said:
            return {"properties": {name: self.field(sub, f"{path}.{name}") for name, sub in said["properties"].items()}}
        if "maxProperties" not in said:
            raise SchemaError(f"{path}: a map without a largest size")
        return {"additionalProperties": self.node(said["additionalProperties"], f"{path}.*")}

    def _array(self, said: Schema, path: str) -> Schema:
        if "maxItems" not in said or "x-kubernetes-list-type" not in said:
            raise SchemaError(f"{path}: a list needs a largest size and a list type")
        items = said.get("prefixItems", [said.get("items")])
        if any(item != items[0] for item in items):
            raise SchemaError(f"{path}: a tuple of different types")
        return {"items": self.node(items[0], f"{path}[]")}

    def _resolved(self, said: Schema, path: str) -> Schema:
        """`said` without reference and without null: what it says itself goes first, but rules add up."""
        if "anyOf" in said:
            branches = [branch for branch in said["anyOf"] if branch != {"type": "null"}]
            if len(branches) != 1:
                raise SchemaError(f"{path}: a union; use one object with optional members and a rule")
            inner = branches[0]
        elif "$ref" in said:
            inner = self.defs[said["$ref"].removeprefix("#/$defs/")]
        else:
            return said
        outer = {key: value for key, value in said.items() if key not in ("anyOf", "$ref")}
        rules = [*inner.get("x-kubernetes-validations", ()), *outer.get("x-kubernetes-validations", ())]
        merged = {**inner, **outer} | ({"x-kubernetes-validations": rules} if rules else {})
        return self._resolved(merged, path) if {"anyOf", "$ref"} & set(inner) else merged


def _shown(default: Any) -> Any:
    """A default as it is worth showing in a stored object: without what is null or empty; None when nothing is left."""
    if isinstance(default, dict):
        kept = {key: _shown(value) for key, value in default.items()}
        default = {key: value for key, value in kept.items() if value is not None}
    return None if default in (None, "", [], {}) else default


def rendered() -> Iterator[tuple[Path, str]]:
    """Every generated file: its path in the checkout and its text."""
    for kind in KINDS:
        crd = manifest(kind)
        name = f"{GROUP}_{kind.plural}.yaml"
        yield CRDS / name, _HEADER + _text(crd)
        crd["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
        escaped = _text(crd).replace("{{", '{{ "{{" }}')
        yield CHART / name, f"{{{{- if .Values.crds.install }}}}\n{_HEADER}{escaped}{{{{- end }}}}\n"


_HEADER = "# Generated from operator/paritygate/api by `python -m paritygate.api.crd`: edit there.\n"


def _text(crd: Schema) -> str:
    return yaml.dump(crd, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the CRDs, or with --check say which are not what the models say."""
    parser = argparse.ArgumentParser(prog="python -m paritygate.api.crd", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    arguments = parser.parse_args(argv)
    files = dict(rendered())
    stale = [path for path, text in files.items() if _read(ROOT / path) != text]
    orphans = [path for folder in (CRDS, CHART) for path in _present(folder) if path not in files]
    if arguments.check:
        for path in [*stale, *orphans]:
            print(f"{path} is not what the models say: run python -m paritygate.api.crd", file=sys.stderr)
        return 1 if stale or orphans else 0
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(files[path])
    for path in orphans:
        (ROOT / path).unlink()
    return 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def _present(folder: Path) -> list[Path]:
    return [path.relative_to(ROOT) for path in sorted((ROOT / folder).glob("*.yaml"))]


if __name__ == "__main__":
    sys.exit(main())
