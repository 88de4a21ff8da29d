"""Manifests that are right, and one change each that is refused or not: in Python and by the API server."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

SHA = "sha256:" + 64 * "1"
OTHER_SHA = "sha256:" + 64 * "2"

PACK: Object = {
    "apiVersion": "paritygate.io/v1alpha1",
    "kind": "ScenarioPack",
    "metadata": {"name": "fraud-core"},
    "spec": {
        "version": "2026-11",
        "task": "Classification",
        "data": {"inputs": {"uri": "inputs.npz", "digest": SHA}, "labels": {"uri": "labels.csv", "digest": SHA}},
        "slices": [{"column": "language"}, {"column": "amount_band"}],
    },
}
POLICY: Object = {
    "apiVersion": "paritygate.io/v1alpha1",
    "kind": "ValidationPolicy",
    "metadata": {"name": "customer-visible"},
    "spec": {
        "tier": "Standard",
        "alpha": "0.05",
        "gates": [
            {"name": "accuracy", "metric": "Accuracy", "margin": "0.01", "enforcement": "Hard"},
            {
                "name": "by-language",
                "metric": "Accuracy",
                "sliceBy": "language",
                "margin": "0.03",
                "enforcement": "Hard",
                "underpowered": "HarmOnly",
            },
            {"name": "p95", "metric": "LatencyRatio", "quantile": "0.95", "limit": "1.00", "enforcement": "Hard"},
        ],
    },
}
POOL: Object = {
    "apiVersion": "paritygate.io/v1alpha1",
    "kind": "AcceleratorPool",
    "metadata": {"name": "gpu-t4"},
    "spec": {
        "nodeSelector": {"paritygate.io/pool": "gpu-t4"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "resources": {"limits": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": 1}},
        "runtime": {"executionProviders": ["CUDAExecutionProvider", "CPUExecutionProvider"]},
    },
}
VALIDATION: Object = {
    "apiVersion": "paritygate.io/v1alpha1",
    "kind": "CompressionValidation",
    "metadata": {"name": "fraud-int8"},
    "spec": {
        "owner": {"team": "risk-ml", "contact": "risk-ml@example.com"},
        "target": {"inferenceService": "fraud"},
        "baseline": {"uri": "s3://models/fraud/fp32", "digest": SHA},
        "candidate": {
            "uri": "s3://models/fraud/int8",
            "digest": OTHER_SHA,
            "technique": "Int8Static",
            "calibration": {"uri": "s3://data/calibration", "digest": SHA},
        },
        "purpose": "Latency",
        "policy": "customer-visible",
        "pool": "gpu-t4",
        "packs": [{"name": "fraud-core"}, {"name": "fraud-multilingual"}],
        "release": {
            "mode": "Canary",
            "steps": [{"percent": 5, "hold": "10m"}, {"percent": 25, "hold": "30m"}, {"percent": 100, "hold": "1h"}],
            "onFailed": "Rollback",
        },
    },
}
REPORT: Object = {
    "apiVersion": "paritygate.io/v1alpha1",
    "kind": "ValidationReport",
    "metadata": {"name": "fraud-int8-1"},
    "spec": {
        "validation": {"name": "fraud-int8", "uid": "8e4f9f0e-0c7a-4d4c-9a52-1f5ff4d0f7a3", "generation": 1},
        "inputDigest": SHA,
        "outcome": "Passed",
        "reason": "AllGatesProved",
        "message": "accuracy: lost 0.001, margin 0.01",
        "decidedAt": "2026-11-21T12:00:00Z",
        "plan": {
            "baseline": {"uri": "s3://models/fraud/fp32", "digest": SHA},
            "candidate": {"uri": "s3://models/fraud/int8", "digest": OTHER_SHA},
            "technique": "Int8Static",
            "purpose": "Latency",
            "packs": [{"name": "fraud-core", "version": "2026-11", "task": "Classification", **PACK["spec"]["data"]}],
            "alpha": "0.05",
            "flipRate": "0.03",
            "claims": [
                {
                    "name": "accuracy",
                    "metric": "Accuracy",
                    "margin": "0.01",
                    "enforcement": "Hard",
                    "underpowered": "Refuse",
                }
            ],
        },
        "gates": [
            {"name": "accuracy", "claim": "accuracy", "decision": "Proved", "n": 1800, "interval": [-0.004, 0.006]}
        ],
    },
}

VALID = {one["kind"]: one for one in (PACK, POLICY, POOL, VALIDATION, REPORT)}
PLURALS = {
    "ScenarioPack": "scenariopacks",
    "ValidationPolicy": "validationpolicies",
    "AcceleratorPool": "acceleratorpools",
    "CompressionValidation": "compressionvalidations",
    "ValidationReport": "validationreports",
}


def changed(manifest: Object, patch: Mapping[str, Any]) -> Object:
    """A copy with a JSON merge patch applied: None removes, a list replaces."""
    found = copy.deepcopy(manifest)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(found.get(key), dict):
            found[key] = changed(found[key], value)
        else:
            found[key] = copy.deepcopy(value)
    return found


@dataclass(frozen=True)
class Case:
    """A change of the right manifest of a kind, and the message that refuses it; None where it is accepted."""

    name: str
    kind: str
    spec: Mapping[str, Any]
    refusal: str | None = None
    cluster_only: bool = False
    """Refused by the API server only: a file for `paritygate check` may say it."""

    @property
    def manifest(self) -> Object:
        return changed(VALID[self.kind], {"spec": dict(self.spec)})


def _gate(**fields: Any) -> Mapping[str, Any]:
    return {"gates": [{"name": "x", "metric": "Accuracy", **fields}]}


def _slices(*columns: Mapping[str, Any], **spec: Any) -> Mapping[str, Any]:
    return {"slices": list(columns), **spec}


def _perturbed(kind: str, strength: str) -> Mapping[str, Any]:
    return {"perturbations": [{"name": "x", "kind": kind, "strength": strength}]}


def _limits(**limits: Any) -> Mapping[str, Any]:
    return {"resources": {"limits": limits}}


def _release(mode: str, *percents: int) -> Mapping[str, Any]:
    return {"release": {"mode": mode, "steps": [{"percent": percent} for percent in percents]}}


_ALPHA = "alpha is the chance of a wrong promotion"
_MARGIN = "margin must be in quotes and lie between 0 and 1"
_LIMIT = "limit must be in quotes, above 0 and at most 100"
_MUST_PASS = "MustPass takes neither margin nor limit"
_BETA = "beta weighs recall against precision: in quotes"
_CAP = "cap is the largest error that counts"
_CONFIDENCE = "confidence must be in quotes and lie between 0 and 1"
_BY_SLICE = " is not counted slice by slice, or has a gate for each class"
_QUANTILE = 'quantile must be in quotes and lie between "0.5" and "0.99"'
_ABOVE_ZERO = "must be a duration above 0"
_DURATION = "must be a duration of hours, minutes and seconds"
_NAME = "must be a Kubernetes name"
_LABEL = "must be letters, digits, -, _, . and /"
_QUANTITY = "must be a quantity above 0"
_LIMITS = "limits must name cpu and memory"
_DIGEST = "must be sha256: and 64 lower-case hexadecimal digits"
_REACHED = "must be a place that pods of the cluster reach"
_STEPS = "mode Canary needs steps that end at percent: 100"
_RISING = "steps must rise"

POLICY_CASES = [
    *(Case(f"alpha {alpha}", "ValidationPolicy", {"alpha": alpha}) for alpha in ("0.5", "0.000000001", "0.500")),
    *(
        Case(f"alpha {alpha!r}", "ValidationPolicy", {"alpha": alpha}, _ALPHA)
        for alpha in ("0", "0.51", "0.500000001", "1", "-0.1", "5%", "1e-2", ".5", "", " 0.05", "0.05\n", "00.5")
    ),
    *(Case(f"margin {m}", "ValidationPolicy", _gate(margin=m)) for m in ("0.000000001", "0.999999999")),
    *(Case(f"margin {m!r}", "ValidationPolicy", _gate(margin=m), _MARGIN) for m in ("0", "1", "1.0", "0,01", "1 %")),
    Case("margin left to the default", "ValidationPolicy", _gate()),
    Case("margin of flips", "ValidationPolicy", _gate(metric="HarmfulFlipRate", margin="0.02")),
    *(
        Case(
            f"limit of {m}", "ValidationPolicy", _gate(metric=m, limit="1.1", enforcement=e), " takes margin, not limit"
        )
        for m, e in (("Accuracy", "Hard"), ("DisagreementRate", "Hard"), ("CalibrationError", "Soft"))
    ),
    *(
        Case(
            f"margin of {m}",
            "ValidationPolicy",
            _gate(metric=m, margin="0.1", enforcement=e),
            " takes limit, not margin",
        )
        for m, e in (("SizeRatio", "Hard"), ("PopulationStability", "Soft"))
    ),
    Case("nothing lost", "ValidationPolicy", _gate(metric="MustPass")),
    *(
        Case(f"{name} of nothing lost", "ValidationPolicy", _gate(metric="MustPass", **{name: "0.1"}), _MUST_PASS)
        for name in ("margin", "limit")
    ),
    *(
        Case(f"limit {r}", "ValidationPolicy", _gate(metric="SizeRatio", limit=r))
        for r in ("100", "0.000000001", "1.10")
    ),
    *(
        Case(f"limit {r!r}", "ValidationPolicy", _gate(metric="PeakMemoryRatio", limit=r), _LIMIT)
        for r in ("0", "100.1", "10%")
    ),
    Case(
        "latency without quantile",
        "ValidationPolicy",
        _gate(metric="LatencyRatio", limit="1.1"),
        "LatencyRatio needs quantile",
    ),
    Case(
        "a default latency gate keeps its quantile",
        "ValidationPolicy",
        {"gates": [{"name": "p95", "metric": "LatencyRatio", "enforcement": "DryRun"}]},
    ),
    *(
        Case(f"quantile {q}", "ValidationPolicy", _gate(metric="LatencyRatio", limit="1", quantile=q))
        for q in ("0.5", "0.99", "0.950")
    ),
    *(
        Case(f"quantile {q!r}", "ValidationPolicy", _gate(metric="LatencyRatio", limit="1", quantile=q), _QUANTILE)
        for q in ("0.49", "0.991", "95", "p95")
    ),
    *(
        Case(f"{name} of another metric", "ValidationPolicy", _gate(**{name: value}), f"{name} belongs to")
        for name, value in (("quantile", "0.9"), ("beta", "1"), ("cap", "25"), ("neighbours", 5), ("confidence", "0.8"))
    ),
    *(
        Case(f"{metric} with its own", "ValidationPolicy", _gate(metric=metric, margin="0.02", **own))
        for metric, own in (
            ("FBeta", {"beta": "0.5"}),
            ("FBeta", {"value": "cat"}),
            ("AbsoluteError", {"cap": "25.0"}),
            ("NeighbourPrecision", {"neighbours": 100}),
            ("NeighbourChange", {}),
            ("AbstentionRate", {"confidence": "0.8"}),
            ("FairnessGap", {"sliceBy": "language"}),
            ("Recall", {"value": "cat", "perturbation": "noise"}),
            ("Accuracy", {"sliceBy": "language", "value": "sw"}),
        )
    ),
    *(
        Case(f"{name} {value!r}", "ValidationPolicy", _gate(metric=metric, **{name: value}), message)
        for metric, name, value, message in (
            ("FBeta", "beta", "0", _BETA),
            ("FBeta", "beta", "10.1", _BETA),
            ("FBeta", "beta", "one", _BETA),
            ("AbsoluteError", "cap", "0", _CAP),
            ("AbsoluteError", "cap", "-1", _CAP),
            ("AbstentionRate", "confidence", "0", _CONFIDENCE),
            ("AbstentionRate", "confidence", "1", _CONFIDENCE),
            ("AbstentionRate", "confidence", "80 %", _CONFIDENCE),
        )
    ),
    *(
        Case(f"{metric} without its own", "ValidationPolicy", _gate(metric=metric), message)
        for metric, message in (
            ("AbsoluteError", "AbsoluteError needs cap, in the unit of the labels"),
            ("AbstentionRate", "AbstentionRate needs confidence, below which a model abstains"),
            ("FairnessGap", " needs sliceBy: the slice column of the groups"),
        )
    ),
    *(
        Case(f"{m} by slice", "ValidationPolicy", _gate(metric=m, sliceBy="language", **more), _BY_SLICE)
        for m, more in (
            ("LatencyRatio", {"limit": "1", "quantile": "0.5"}),
            ("SizeRatio", {"limit": "1"}),
            ("Precision", {}),
            ("Auroc", {"enforcement": "Soft"}),
        )
    ),
    *(
        Case(f"a value of {m}", "ValidationPolicy", _gate(metric=m, value="sw"), "value needs sliceBy")
        for m in ("Accuracy", "Brier", "SizeRatio")
    ),
    Case(
        "the size of disturbed inputs",
        "ValidationPolicy",
        _gate(metric="SizeRatio", perturbation="noise"),
        " is not counted item by item: leave perturbation out",
    ),
    *(
        Case(f"{m} decides", "ValidationPolicy", _gate(metric=m), " has no bound and can't decide")
        for m in ("CalibrationError", "Auroc", "ConfidenceShift", "PopulationStability", "LoadTimeRatio", "Saturation")
    ),
    *(
        Case(f"{e} on a figure", "ValidationPolicy", _gate(metric="KullbackLeibler", limit="0.1", enforcement=e))
        for e in ("Soft", "DryRun")
    ),
    Case(
        "evidence about these items",
        "ValidationPolicy",
        {"evaluation": {"inference": "LockedSet", "alphaBudget": True}, "allowedFormats": ["Onnx", "TorchScript"]},
    ),
    *(
        Case(f"gate named {name!r}", "ValidationPolicy", _gate(name=name), _LABEL)
        for name in ("a b", "-a", "a.", "é", "a\n")
    ),
    Case("slice column", "ValidationPolicy", _gate(sliceBy="amount band"), _LABEL),
    *(
        Case(f"deadline {d}", "ValidationPolicy", {"evaluation": {"deadline": d}})
        for d in ("90s", "1h30m", "1.5h", "500ms", "1m0.5s")
    ),
    *(
        Case(f"deadline {d!r}", "ValidationPolicy", {"evaluation": {"deadline": d}}, _ABOVE_ZERO)
        for d in ("0s", "0h0m", "10", "m", "10 m", "1d", "-1h", "30m1h", "1h\n")
    ),
    Case("progress deadline", "ValidationPolicy", {"rollout": {"progressDeadline": "0s"}}, _ABOVE_ZERO),
    Case("evaluator by digest", "ValidationPolicy", {"evaluatorImage": f"registry.example.com/evaluator@{SHA}"}),
    *(
        Case(f"evaluator {i!r}", "ValidationPolicy", {"evaluatorImage": i}, "name the evaluator image by digest")
        for i in ("evaluator:latest", f"@{SHA}", f"{SHA}", "evaluator@sha256:12")
    ),
    Case("two gates of a name", "ValidationPolicy", {"gates": 2 * POLICY["spec"]["gates"][:1]}, "uplicate"),
    Case("a required pack", "ValidationPolicy", {"requiredPacks": [{"name": "Core"}]}, _NAME),
    Case("required packs", "ValidationPolicy", {"requiredPacks": [{"name": "core"}]}),
    Case("a required pack twice", "ValidationPolicy", {"requiredPacks": 2 * [{"name": "core"}]}, "uplicate"),
    Case("no spec says Standard", "ValidationPolicy", {"tier": None, "alpha": None, "gates": None}),
]
POOL_CASES = [
    *(
        Case(f"cpu {cpu!r}", "AcceleratorPool", _limits(cpu=cpu, memory="1Gi"))
        for cpu in (2, "2", "500m", "0.5", "1.5", "1k")
    ),
    *(
        Case(f"cpu {cpu!r}", "AcceleratorPool", _limits(cpu=cpu, memory="1Gi"), _QUANTITY)
        for cpu in (0, -1, "0", "0m", "0.0", "1 ", "1Gb", "two", "", "1e3", "1\n")
    ),
    Case("no memory", "AcceleratorPool", {"resources": {"limits": {"memory": None}}}, _LIMITS),
    Case("no cpu", "AcceleratorPool", {"resources": {"limits": {"cpu": None}}}, _LIMITS),
    Case("no resources", "AcceleratorPool", {"resources": None}),
    Case("every node", "AcceleratorPool", {"nodeSelector": {"paritygate.io/pool": None}}, "nodeSelector must name"),
    Case("tolerate everything", "AcceleratorPool", {"tolerations": [{"operator": "Exists"}]}),
    Case("toleration of a value", "AcceleratorPool", {"tolerations": [{"key": "pool", "value": "gpu"}]}),
    *(
        Case(f"toleration {t}", "AcceleratorPool", {"tolerations": [t]}, message)
        for t, message in (
            ({"value": "gpu"}, "a toleration without key needs operator: Exists"),
            ({"key": "pool", "operator": "Exists", "value": "gpu"}, "operator Exists takes no value"),
            (
                {"key": "pool", "tolerationSeconds": 3, "effect": "NoSchedule"},
                "tolerationSeconds needs effect: NoExecute",
            ),
        )
    ),
    Case(
        "toleration for a while",
        "AcceleratorPool",
        {"tolerations": [{"key": "pool", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]},
    ),
    *(
        Case(
            f"provider {provider!r}",
            "AcceleratorPool",
            {"runtime": {"executionProviders": [provider]}},
            "must be an execution provider",
        )
        for provider in ("cpu", "ExecutionProvider", "CUDAExecutionProvider ")
    ),
    Case("torch", "AcceleratorPool", {"runtime": {"name": "torch"}}),
    Case(
        "torch on TensorRT",
        "AcceleratorPool",
        {"runtime": {"name": "torch", "executionProviders": ["TensorrtExecutionProvider", "CUDAExecutionProvider"]}},
        "runtime torch runs on CPUExecutionProvider or CUDAExecutionProvider only",
    ),
    *(
        Case(f"runtime class {n!r}", "AcceleratorPool", {"runtimeClassName": n}, _NAME)
        for n in ("Nvidia", "-nvidia", "a/b")
    ),
    Case("price", "AcceleratorPool", {"pricePerHour": "0.53"}),
    Case("price with currency", "AcceleratorPool", {"pricePerHour": "0.53 EUR"}, "must be a decimal number in quotes"),
    Case("namespaces", "AcceleratorPool", {"allowedNamespaces": ["a", "b"]}),
    Case("a namespace twice", "AcceleratorPool", {"allowedNamespaces": ["a", "a"]}, "uplicate"),
]
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
    {"task": "Classification", "groups": ["language"], "slices": [_LANGUAGE]},
    {"task": "Embedding", "corpus": _CORPUS, "slices": [{"column": "role"}]},
]
_WRONG_TASKS: list[tuple[Object, str]] = [
    ({"task": "Embedding"}, "task Embedding needs corpus {column, value}"),
    ({"task": "Classification", "corpus": _CORPUS, "slices": [{"column": "role"}]}, "corpus belongs to task Embedding"),
    ({"task": "Embedding", "corpus": _CORPUS}, "corpus.column must be one of slices"),
    ({"task": "Embedding", "corpus": {**_CORPUS, "column": "length"}, "slices": [_LENGTH]}, "corpus.column must be"),
    ({"task": "Regression", "criticalClasses": ["x"]}, "criticalClasses belongs to tasks Classification"),
    ({"task": "Regression", "scores": "Logits"}, "scores belongs to tasks Classification"),
    ({"task": "Regression", "mustPass": True}, "mustPass belongs to tasks Classification"),
    ({"task": "Regression", "groups": ["language"], "slices": [_LANGUAGE]}, "groups belongs to tasks Classification"),
    ({"task": "Regression", "slices": [_CONFIDENT]}, "a slice by BaselineConfidence belongs to tasks Classification"),
    ({"task": "Classification", "groups": ["sex"], "slices": [_LANGUAGE]}, "groups are columns of the labels"),
    ({"task": "Classification", "groups": ["length"], "slices": [_LENGTH]}, "groups are columns of the labels"),
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
        Case(f"digest {digest!r}", "ScenarioPack", {"data": {"labels": {"digest": digest}}}, _DIGEST)
        for digest in (64 * "1", "sha256:12", "sha256:" + 64 * "A", "sha512:" + 64 * "1")
    ),
    Case("a column", "ScenarioPack", {"slices": [{"column": "amount band"}]}, _LABEL),
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
VALIDATION_CASES = [
    Case("canary in one step", "CompressionValidation", _release("Canary", 100)),
    Case("canary without steps", "CompressionValidation", _release("Canary"), _STEPS),
    Case("canary that stays below", "CompressionValidation", _release("Canary", 5, 50), _STEPS),
    Case("steps that fall", "CompressionValidation", _release("Canary", 50, 25, 100), _RISING),
    Case("a step twice", "CompressionValidation", _release("Canary", 25, 25, 100), _RISING),
    Case("steps without canary", "CompressionValidation", _release("VerdictOnly", 100), "steps move traffic"),
    Case("nothing after the verdict", "CompressionValidation", {"release": None}),
    Case("verdict without target", "CompressionValidation", {"target": None, "release": None}),
    Case("baseline is what serves", "CompressionValidation", {"baseline": None}),
    Case(
        "no baseline at all",
        "CompressionValidation",
        {"target": None, "baseline": None, "release": None},
        "name target.inferenceService, or baseline",
    ),
    Case(
        "canary of nothing",
        "CompressionValidation",
        {"target": None},
        "release.mode Canary moves traffic and needs target.inferenceService",
    ),
    Case(
        "the same model",
        "CompressionValidation",
        {"candidate": {"digest": SHA}},
        "candidate.digest equals baseline.digest",
    ),
    *(
        Case(f"hold {hold!r}", "CompressionValidation", {"release": {"steps": [{"percent": 100, "hold": hold}]}})
        for hold in ("0s", "2h", "1h0m0s")
    ),
    *(
        Case(
            f"hold {hold!r}",
            "CompressionValidation",
            {"release": {"steps": [{"percent": 100, "hold": hold}]}},
            _DURATION,
        )
        for hold in ("10", "10min", "1d", "-10s")
    ),
    *(
        Case(f"candidate at {uri}", "CompressionValidation", {"candidate": {"uri": uri}})
        for uri in ("pvc://models/fraud", "https://example.com/model.onnx", "hf://org/model:1.0")
    ),
    *(
        Case(f"candidate at {uri!r}", "CompressionValidation", {"candidate": {"uri": uri}}, _REACHED, cluster_only=True)
        for uri in ("int8.onnx", "/models/int8.onnx", "file:///models/int8.onnx", "s3://")
    ),
    Case("policy", "CompressionValidation", {"policy": "Customer_Visible"}, _NAME),
    Case("pack twice", "CompressionValidation", {"packs": 2 * [{"name": "core"}]}, "uplicate"),
    Case("calibration", "CompressionValidation", {"candidate": {"calibration": {"digest": "12"}}}, _DIGEST),
]
REPORT_CASES = [
    Case("no evidence", "ValidationReport", {"outcome": "Error", "gates": None}),
    Case("result", "ValidationReport", {"resultDigest": "12"}, _DIGEST),
]

CASES = [
    *(Case(f"as it is: {kind}", kind, {}) for kind in VALID),
    *POLICY_CASES,
    *POOL_CASES,
    *PACK_CASES,
    *VALIDATION_CASES,
    *REPORT_CASES,
]
REFUSED_BY_SHAPE = [
    Case("missing owner", "CompressionValidation", {"owner": None}, "spec.owner"),
    Case("unknown technique", "CompressionValidation", {"candidate": {"technique": "int8"}}, "Int8Static"),
    Case("unknown field", "CompressionValidation", {"relase": {}}, "spec.relase"),
    Case("percent above 100", "CompressionValidation", _release("Canary", 101), "100"),
    Case("a float that decides", "ValidationPolicy", {"alpha": 0.05}, "spec.alpha"),
    Case("version as a number", "ScenarioPack", {"version": 2026}, "spec.version"),
    Case("unknown metric", "ValidationPolicy", _gate(metric="Acuracy"), "Accuracy"),
    Case("no neighbour", "ValidationPolicy", _gate(metric="NeighbourChange", neighbours=0), "1"),
    Case("a pickle", "ValidationPolicy", {"allowedFormats": ["Pickle"]}, "ExportedProgram"),
    Case("unknown task", "ScenarioPack", {"task": "Ranking"}, "Classification"),
    Case("no attempts", "ValidationPolicy", {"evaluation": {"attempts": 0}}, "1"),
    Case("seventeen packs", "CompressionValidation", {"packs": [{"name": f"p{i}"} for i in range(17)]}, "16"),
    Case("endless text", "CompressionValidation", {"owner": {"team": 129 * "x"}}, "128"),
]
