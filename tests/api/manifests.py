"""Manifests that are right, and what one change of them is told."""

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


NAME = "must be a Kubernetes name"
LABEL = "must be letters, digits, -, _, . and /"
DIGEST = "must be sha256: and 64 lower-case hexadecimal digits"


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
