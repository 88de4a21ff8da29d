"""Manifests from files, refused like an API server would: where none is, a typo must not become a default either."""

import difflib
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from . import crd
from .base import API_VERSION, GROUP, NAME
from .crd import Resource
from .dialect import Loader

ResourceT = TypeVar("ResourceT", bound=Resource)

Location = tuple[str | int, ...]


class ManifestError(ValueError):
    """A manifest that can't be used. The message names the file, each field and what to write instead."""


def load_manifest(path: Path) -> tuple[Resource, ...]:
    """Every resource of ours in a YAML or JSON file, in order; objects of other API groups are passed over.

    Raises ManifestError with everything that is wrong: unreadable file, broken YAML, unknown kind or field, broken
    rule, nothing of ours.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: can't be read: {error}") from error
    return parse_manifest(text, str(path))


def load_one(path: Path, model: type[ResourceT]) -> ResourceT:
    """The one resource of this kind in a file that may hold others. Raises ManifestError for none, or more than one."""
    found = [resource for resource in load_manifest(path) if isinstance(resource, model)]
    if len(found) != 1:
        raise ManifestError(f"{path}: holds {len(found) or 'no'} {model.__name__}; exactly one is needed")
    return found[0]


def parse_manifest(text: str, source: str) -> tuple[Resource, ...]:
    """As `load_manifest`, of text that came from `source`."""
    try:
        documents = [document for document in yaml.load_all(text, Loader) if document is not None]
    except yaml.YAMLError as error:
        raise ManifestError(f"{source}: not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ManifestError(f"{source}: nested without end") from error
    resources, problems = [], []
    for number, document in enumerate(documents, 1):
        where = source if len(documents) == 1 else f"{source} (document {number})"
        try:
            if (resource := _resource(document, where)) is not None:
                resources.append(resource)
        except ManifestError as error:
            problems.append(str(error))
    if problems:
        raise ManifestError("\n".join(problems))
    if not resources:
        raise ManifestError(f"{source}: holds no resource of {API_VERSION}")
    return tuple(resources)


def _resource(document: object, where: str) -> Resource | None:
    if not isinstance(document, Mapping):
        raise ManifestError(f"{where}: a resource is a map with apiVersion, kind, metadata and spec")
    api_version, name = document.get("apiVersion"), document.get("kind")
    if api_version != API_VERSION:
        if isinstance(api_version, str) and api_version and not api_version.startswith(f"{GROUP}/"):
            return None
        raise ManifestError(f"{where}: apiVersion: write apiVersion: {API_VERSION}, not {api_version!r}")
    kind = _kinds().get(str(name))
    if kind is None:
        raise ManifestError(f"{where}: kind: {instead(str(name), list(_kinds()))}")
    # As the API server: null is the same as absent. Strict: what it refuses is not coerced here either.
    try:
        plain = json.dumps(_without_nulls(document), default=str)
        resource = kind.model.model_validate_json(plain, strict=True, by_alias=True, by_name=False)
    except RecursionError as error:
        raise ManifestError(f"{where}: nested without end") from error
    except ValidationError as error:
        raise _refused(error, kind, where) from error
    if NAME.broken_by(resource.metadata.name):
        raise ManifestError(f"{where}: {kind.name}: metadata.name: {NAME.message}")
    return resource


@functools.cache
def _kinds() -> dict[str, crd.Kind]:
    return {kind.name: kind for kind in crd.KINDS}


@functools.cache
def _schema(name: str) -> crd.Schema:
    return crd.schema(_kinds()[name])


def _without_nulls(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _refused(error: ValidationError, kind: crd.Kind, where: str) -> ManifestError:
    found = error.errors(include_url=False)
    # Where an entry is broken, pydantic may also miss it in its list: the deeper problem is the one to mend.
    deepest = [one for one in found if not any(_is_under(other["loc"], one["loc"]) for other in found)]
    return ManifestError("\n".join(f"{where}: {kind.name}: {_problem(one, kind)}" for one in deepest))


def _is_under(inner: Location, outer: Location) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _problem(details: ErrorDetails, kind: crd.Kind) -> str:
    """One line: the field as Kubernetes writes it, what is wrong, what to write instead."""
    loc, given = details["loc"], details["input"]
    match details["type"]:
        case "missing":
            described = _at(kind, loc).get("description")
            said = f"is required: {described}" if described else "is required"
        case "extra_forbidden":
            said = "is no field: " + instead(str(loc[-1]), list(_at(kind, loc[:-1]).get("properties", ())))
        case "enum" | "literal_error":
            said = instead(str(given), [str(value) for value in _at(kind, loc).get("enum", ())])
        case "string_type" if isinstance(given, bool | int | float):
            said = f'must be text: put it in quotes, "{json.dumps(given)}"'
        case "value_error":
            value = f", not {json.dumps(given, ensure_ascii=False)}" if isinstance(given, str) else ""
            said = details["msg"].removeprefix("Value error, ") + value
        case "greater_than_equal" | "less_than_equal":
            bound, word = (
                (details["ctx"].get("ge"), "least") if "ge" in details["ctx"] else (details["ctx"]["le"], "most")
            )
            said = f"must be at {word} {bound}, not {json.dumps(given)}"
        case _:
            said = f"{details['msg'][:1].lower()}{details['msg'][1:]}, not {json.dumps(given)}"
    return f"{_shown(loc)}: {said}" if loc else said


def instead(given: str, known: list[str]) -> str:
    """What to write: the nearest of what is known, or all of it."""
    lower = {word.lower(): word for word in known}
    near = difflib.get_close_matches(given.lower(), list(lower), n=1)
    return f"write {lower[near[0]]}, not {given}" if near else f"write one of {', '.join(known)}, not {given}"


def _at(kind: crd.Kind, loc: Location) -> crd.Schema:
    """The schema of a field; empty where the schema says nothing, as in metadata."""
    found = _schema(kind.name)
    for step in loc:
        found = found.get("items", {}) if isinstance(step, int) else found.get("properties", {}).get(step, {})
    return found


def _shown(loc: Location) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).removeprefix(".")
