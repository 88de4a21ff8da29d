"""Changes of a pack."""

from collections.abc import Mapping
from typing import Any

from tests.api.manifests import DIGEST, LABEL, Case, Object


def _slices(*columns: Mapping[str, Any], **spec: Any) -> Mapping[str, Any]:
    return {"slices": list(columns), **spec}


def _perturbed(kind: str, strength: str) -> Mapping[str, Any]:
    return {"perturbations": [{"name": "x", "kind": kind, "strength": strength}]}


_LANGUAGE, _BAND = {"column": "language"}, {"column": "band"}
_CROSSED = {"column": "language.band", "cross": ["language", "band"]}
_LENGTH, _CONFIDENT = {"column": "length", "source": "Length"}, {"column": "sure", "source": "BaselineConfidence"}
_SIZED = {"column": "language", "items": [{"value": "en", "items": 200}, {"value": "sw", "items": 100}]}
_CORPUS = {"column": "role", "value": "corpus"}

_RIGHT_SLICES: list[list[Object]] = [
    [_LANGUAGE, _BAND, _CROSSED],
    [_LENGTH, {**_LENGTH, "column": "long", "edges": ["-1", "0", "100"]}],
    [_CONFIDENT, {**_CONFIDENT, "column": "unsure", "edges": ["0.5", "0.60", "0.999"]}],
    [{"column": "range", "source": "InputRange"}],
]
_WRONG_SLICES: list[tuple[list[Object], str]] = [
    ([_LANGUAGE, _BAND, {**_CROSSED, "source": "Length"}], "cross joins columns of the labels: leave source"),
    ([_LANGUAGE, _BAND, {**_CROSSED, "items": _SIZED["items"]}], "cross joins columns of the labels: leave source"),
    ([_LANGUAGE, {**_CROSSED, "cross": ["language"]}], "cross joins columns: name at least two"),
    ([_LANGUAGE, _CROSSED], "cross joins columns of the labels: name each of them in slices too"),
    ([_LENGTH, _BAND, {**_CROSSED, "cross": ["length", "band"]}], "name each of them in slices too"),
    ([{**_LANGUAGE, "edges": ["1"]}], "edges cut a derived column into buckets"),
    ([{**_LENGTH, "items": _SIZED["items"]}], "items are declared for columns of the labels only"),
    ([{**_LENGTH, "edges": ["10", "10.0"]}], "edges must rise"),
    ([{**_LENGTH, "edges": ["10", "9"]}], "edges must rise"),
    ([{**_CONFIDENT, "edges": ["0.6", "1"]}], "edges of BaselineConfidence must lie between 0 and 1"),
    ([{**_CONFIDENT, "edges": ["0", "0.6"]}], "edges of BaselineConfidence must lie between 0 and 1"),
    ([{**_LENGTH, "edges": ["ten"]}], 'must be a decimal number in quotes, such as "0.5" or "-1"'),
]
_RIGHT_TASKS: list[Object] = [
    {"task": "Regression"},
    {"task": "Multilabel", "criticalClasses": ["fire"], "mustPass": True, "scores": "Logits", "output": "logits"},
    {"task": "Classification", "slices": [{**_LANGUAGE, "groups": True}, _BAND, {**_CROSSED, "groups": True}]},
    {"task": "Embedding", "corpus": _CORPUS, "slices": [{"column": "role"}]},
    {"task": "Classification", "cluster": "document"},
    {"task": "Regression", "cluster": "language", "slices": [_LANGUAGE]},
]
_WRONG_TASKS: list[tuple[Object, str]] = [
    ({"task": "Embedding"}, "task Embedding needs corpus {column, value}"),
    ({"task": "Classification", "corpus": _CORPUS, "slices": [{"column": "role"}]}, "corpus belongs to task Embedding"),
    ({"task": "Embedding", "corpus": _CORPUS}, "corpus.column must be one of slices"),
    ({"task": "Embedding", "corpus": {**_CORPUS, "column": "length"}, "slices": [_LENGTH]}, "corpus.column must be"),
    ({"task": "Regression", "criticalClasses": ["x"]}, "criticalClasses belongs to tasks Classification"),
    ({"task": "Regression", "scores": "Logits"}, "scores belongs to tasks Classification"),
    ({"task": "Classification", "unlabelled": True, "mustPass": True}, "leave them out of an unlabelled pack"),
    (
        {"task": "Classification", "unlabelled": True, "criticalClasses": ["fire"]},
        "leave them out of an unlabelled pack",
    ),
    (
        {"task": "Classification", "unlabelled": True, "slices": [{"column": "sex", "groups": True}]},
        "leave them out of an unlabelled pack",
    ),
    ({"task": "Regression", "mustPass": True}, "mustPass belongs to tasks Classification"),
    ({"task": "Regression", "slices": [{**_LANGUAGE, "groups": True}]}, "groups belongs to tasks Classification"),
    *(
        ({"task": "Regression", "cluster": name}, "tells which items belong together, such as document")
        for name in ("id", "label", "pack")
    ),
    ({"task": "Regression", "cluster": "patient id"}, LABEL),
    ({"task": "Regression", "slices": [_CONFIDENT]}, "a slice by BaselineConfidence belongs to tasks Classification"),
]
PACK_CASES = [
    Case("s3", "ScenarioPack", {"data": {"inputs": {"uri": "s3://bucket/inputs.npz"}}}),
    Case(
        "no digest",
        "ScenarioPack",
        {"data": {"inputs": {"digest": None}}},
        "digest is required in a cluster",
        cluster_only=True,
    ),
    *(
        Case(f"digest {digest!r}", "ScenarioPack", {"data": {"labels": {"digest": digest}}}, DIGEST)
        for digest in (64 * "1", "sha256:12", "sha256:" + 64 * "A", "sha512:" + 64 * "1")
    ),
    Case("a column", "ScenarioPack", {"slices": [{"column": "amount band"}]}, LABEL),
    Case("a column twice", "ScenarioPack", {"slices": 2 * [{"column": "language"}]}, "uplicate"),
    Case("no slices", "ScenarioPack", {"slices": None}),
    *(Case(f"slices {columns}", "ScenarioPack", _slices(*columns)) for columns in _RIGHT_SLICES),
    *(Case(f"slices {columns}", "ScenarioPack", _slices(*columns), said) for columns, said in _WRONG_SLICES),
    Case("sizes that add up", "ScenarioPack", _slices(_SIZED, items=300)),
    *(
        Case(f"sizes of {items}", "ScenarioPack", _slices(_SIZED, items=items), "must add up to the pack's own")
        for items in (299, 301, None)
    ),
    *(
        Case(f"{kind} {strength}", "ScenarioPack", _perturbed(kind, strength))
        for kind, strength in (
            ("GaussianNoise", "0.1"),
            ("Blur", "16"),
            ("Brightness", "-0.25"),
            ("FeatureJitter", "100"),
            ("Typos", "1.0"),
        )
    ),
    *(
        Case(f"{kind} {strength!r}", "ScenarioPack", _perturbed(kind, strength), message)
        for kind, strength, message in (
            ("GaussianNoise", "a little", 'must be a decimal number in quotes, such as "0.5" or "-1"'),
            ("GaussianNoise", "-0.1", "strength must be above 0; only Brightness may go below"),
            ("Brightness", "-0", "strength must be above 0; only Brightness may go below"),
            ("Brightness", "-1000001", "strength of Brightness is at most a million"),
            ("Blur", "1.5", "strength of Blur is a whole number of passes"),
            ("Blur", "17", "strength of Blur is a whole number of passes"),
            ("Typos", "1.1", "strength of Typos is a share of the characters"),
            ("FeatureJitter", "101", 'is in standard deviations, at most "100"'),
        )
    ),
    *(Case(f"task {spec['task']}", "ScenarioPack", spec) for spec in _RIGHT_TASKS),
    *(Case(f"task {spec['task']}: {said}", "ScenarioPack", spec, said) for spec, said in _WRONG_TASKS),
]
