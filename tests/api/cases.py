"""Manifests that are right, and one change each that is refused or not: in Python and by the API server."""

from collections.abc import Mapping
from typing import Any

from tests.api.manifests import DIGEST, NAME, SHA, VALID, Case
from tests.api.pack_cases import PACK_CASES
from tests.api.policy_cases import POLICY_CASES


def _gate(metric: str, **fields: Any) -> Mapping[str, Any]:
    return {"gates": [{"name": "x", "metric": metric, **fields}]}


def _limits(**limits: Any) -> Mapping[str, Any]:
    return {"resources": {"limits": limits}}


def _release(mode: str, *percents: int) -> Mapping[str, Any]:
    return {"release": {"mode": mode, "steps": [{"percent": percent} for percent in percents]}}


_DURATION = "must be a duration of hours, minutes and seconds"
_QUANTITY = "must be a quantity above 0"
_LIMITS = "limits must name cpu and memory"
_REACHED = "must be a place that pods of the cluster reach"
_STEPS = "mode Canary needs steps that end at percent: 100"
_RISING = "steps must rise"

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
    *(
        Case(
            f"answer cache of {size}", "AcceleratorPool", {"answerCache": {"persistentVolumeClaim": "a", "size": size}}
        )
        for size in ("1", "500M", "10Gi")
    ),
    *(
        Case(
            f"answer cache of {size!r}",
            "AcceleratorPool",
            {"answerCache": {"persistentVolumeClaim": "a", "size": size}},
            "must be a number of bytes",
        )
        for size in ("0", "1.5Gi", "10 Gi", "10GB", "500m")
    ),
    Case("answer cache nowhere", "AcceleratorPool", {"answerCache": {"size": "1Gi"}}, "persistentVolumeClaim"),
    Case("torch", "AcceleratorPool", {"runtime": {"name": "torch"}}),
    Case(
        "torch on TensorRT",
        "AcceleratorPool",
        {"runtime": {"name": "torch", "executionProviders": ["TensorrtExecutionProvider", "CUDAExecutionProvider"]}},
        "runtime torch runs on CPUExecutionProvider or CUDAExecutionProvider only",
    ),
    *(
        Case(f"runtime class {n!r}", "AcceleratorPool", {"runtimeClassName": n}, NAME)
        for n in ("Nvidia", "-nvidia", "a/b")
    ),
    Case("price", "AcceleratorPool", {"pricePerHour": "0.53"}),
    Case("price with currency", "AcceleratorPool", {"pricePerHour": "0.53 EUR"}, "must be a decimal number in quotes"),
    Case("namespaces", "AcceleratorPool", {"allowedNamespaces": ["a", "b"]}),
    Case("a namespace twice", "AcceleratorPool", {"allowedNamespaces": ["a", "a"]}, "uplicate"),
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
    Case("policy", "CompressionValidation", {"policy": "Customer_Visible"}, NAME),
    Case("pack twice", "CompressionValidation", {"packs": 2 * [{"name": "core"}]}, "uplicate"),
    Case("calibration", "CompressionValidation", {"candidate": {"calibration": {"digest": "12"}}}, DIGEST),
]
REPORT_CASES = [
    Case("no evidence", "ValidationReport", {"outcome": "Error", "gates": None}),
    Case("result", "ValidationReport", {"resultDigest": "12"}, DIGEST),
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
    Case("unknown metric", "ValidationPolicy", _gate("Acuracy"), "Accuracy"),
    Case("no neighbour", "ValidationPolicy", _gate("NeighbourChange", neighbours=0), "1"),
    Case("a pickle", "ValidationPolicy", {"allowedFormats": ["Pickle"]}, "ExportedProgram"),
    Case("unknown task", "ScenarioPack", {"task": "Ranking"}, "Classification"),
    Case("no attempts", "ValidationPolicy", {"evaluation": {"attempts": 0}}, "1"),
    Case("seventeen packs", "CompressionValidation", {"packs": [{"name": f"p{i}"} for i in range(17)]}, "16"),
    Case("endless text", "CompressionValidation", {"owner": {"team": 129 * "x"}}, "128"),
]
