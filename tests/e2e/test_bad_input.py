"""Bad input on the real cluster: each case ends with its reason and a message to act on, and nothing is promoted.

The namespace enforces the restricted Pod Security standard, so the evaluator's pod is admitted under it or not at all.
All cases are applied at once and judged together.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper
from paritygate.evidence import manifest_digest

from examples.demo.stage import Stage, clear_away

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

NAMESPACE = "parity-bad-input"
OTHER = "sha256:" + "0" * 64


@dataclass(frozen=True, slots=True)
class Case:
    """A change to a validation that is otherwise in order, and how it must end."""

    reason: str
    said: str
    candidate: str = "int8"
    digest: str = ""
    pack: str = "good"
    policy: str = "bad-input"
    pool: str = "bad-input"
    target: str = ""
    terminal: bool = True
    spec: dict[str, Any] = field(default_factory=dict)


CASES = {
    "in-order": Case("Passed", "hard gates proved"),
    "digest-mismatch": Case("DigestMismatch", OTHER, digest=OTHER),
    "no-such-uri": Case("ArtefactNotFound", "pvc://models/nowhere", candidate="nowhere", digest=OTHER),
    "no-such-claim": Case("Unschedulable", "nowhere", candidate="nowhere", digest=OTHER, terminal=False,
                          spec={"uri": "pvc://nowhere/model"}),
    "truncated-model": Case("CheckFailed", "candidate", candidate="bad-truncated"),
    "other-input-name": Case("CheckFailed", "pixels", candidate="bad-input-name"),
    "other-output-shape": Case("CheckFailed", "candidate", candidate="bad-output-shape"),
    "nan": Case("CheckFailed", "NaN", candidate="bad-nan"),
    "duplicate-ids": Case("PackInvalid", "item-00000", pack="duplicate"),
    "missing-labels": Case("PackInvalid", "labels", pack="missing"),
    "no-items": Case("PackInvalid", "no items", pack="empty"),
    "too-few-items": Case("Underpowered", "items are needed", pack="few"),
    "no-such-policy": Case("PolicyNotFound", "nowhere", policy="nowhere"),
    "no-such-pool": Case("PoolNotFound", "nowhere", pool="nowhere"),
    "no-such-pack": Case("PackNotFound", "nowhere", pack="nowhere"),
    "relative-uri": Case("InvalidSpec", "inputs.npz", pack="relative"),
    "pool-without-node": Case("Unschedulable", "node", pool="bad-nowhere", terminal=False),
    "too-little-memory": Case("OOMKilled", "memory", pool="bad-tiny"),
    "past-deadline": Case("DeadlineExceeded", "deadline", policy="bad-deadline"),
    "no-node-in-time": Case("Unschedulable", "nodeSelector", policy="bad-wait", pool="bad-nowhere"),
    "no-such-image": Case("AttemptsExhausted", "ImagePullFailed", policy="bad-image"),
    "no-such-target": Case("TargetNotFound", "nowhere", target="nowhere"),
}  # fmt: skip


def a_model(path: Path, *, name: str = "pixels", classes: int = 10, nan: bool = False) -> None:
    """A linear model of the digits' shape, wrong in one way."""
    weights = np.full((64, classes), np.nan if nan else 0.01, np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", [name, "w"], ["scores"])],
        "bad",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["items", 64])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["items", classes])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    path.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def bad_models(models: Path) -> None:
    """Folders `bad-*` beside the good ones."""
    for folder in models.glob("bad-*"):
        shutil.rmtree(folder)
    a_model(models / "bad-input-name" / "model.onnx", name="picture")
    a_model(models / "bad-output-shape" / "model.onnx", classes=7)
    a_model(models / "bad-nan" / "model.onnx", nan=True)
    whole = (models / "int8" / "model.onnx").read_bytes()
    (models / "bad-truncated").mkdir()
    (models / "bad-truncated" / "model.onnx").write_bytes(whole[: len(whole) // 2])


def packs(models: Path) -> Iterator[dict[str, Any]]:
    """The good pack and its bad relatives."""
    inputs = np.load(models / "pack" / "inputs.npz")["pixels"]
    header, *rows = (models / "pack" / "labels.csv").read_text().splitlines()
    variants: dict[str, tuple[np.ndarray, list[str]]] = {
        "good": (inputs, rows),
        "duplicate": (inputs[:2000], [*rows[:1999], rows[0]]),
        "missing": (inputs, rows[:9000]),
        "empty": (inputs[:0], []),
        "few": (inputs[:40], rows[:40]),
    }
    for name, (array, lines) in variants.items():
        folder = models / f"bad-pack-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        np.savez(folder / "inputs.npz", pixels=array)
        (folder / "labels.csv").write_text("\n".join([header, *lines]) + "\n")
        yield a_pack(
            name,
            {p: (f"pvc://models/bad-pack-{name}/{f}", manifest_digest(folder / f)) for p, f in FILES.items()},
        )
    yield a_pack("relative", {part: (file, OTHER) for part, file in FILES.items()})


FILES = {"inputs": "inputs.npz", "labels": "labels.csv"}


def a_pack(name: str, files: dict[str, tuple[str, str]]) -> dict[str, Any]:
    data = {part: {"uri": uri, "digest": digest} for part, (uri, digest) in files.items()}
    return {
        "apiVersion": "paritygate.io/v1alpha1",
        "kind": "ScenarioPack",
        "metadata": {"name": name},
        "spec": {"version": "1", "task": "Classification", "data": data, "slices": [{"column": "scanner"}]},
    }


SURROUNDINGS = """
apiVersion: paritygate.io/v1alpha1
kind: AcceleratorPool
metadata: {name: bad-input}
spec: {nodeSelector: {paritygate.io/pool: cpu}, resources: {limits: {cpu: 200m, memory: 512Mi}}}
---
apiVersion: paritygate.io/v1alpha1
kind: AcceleratorPool
metadata: {name: bad-nowhere}
spec: {nodeSelector: {paritygate.io/pool: nowhere}}
---
apiVersion: paritygate.io/v1alpha1
kind: AcceleratorPool
metadata: {name: bad-tiny}
spec: {nodeSelector: {paritygate.io/pool: cpu}, resources: {limits: {cpu: 200m, memory: 24Mi}}}
---
apiVersion: paritygate.io/v1alpha1
kind: ValidationPolicy
metadata: {name: bad-input}
spec:
  gates: [{name: p95, metric: LatencyRatio, quantile: "0.95", limit: "100", enforcement: DryRun}]
---
apiVersion: paritygate.io/v1alpha1
kind: ValidationPolicy
metadata: {name: bad-deadline}
spec:
  gates: [{name: p95, metric: LatencyRatio, quantile: "0.95", limit: "100", enforcement: DryRun}]
  evaluation: {deadline: 1s}
---
apiVersion: paritygate.io/v1alpha1
kind: ValidationPolicy
metadata: {name: bad-wait}
spec:
  gates: [{name: p95, metric: LatencyRatio, quantile: "0.95", limit: "100", enforcement: DryRun}]
  evaluation: {deadline: 30s}
---
apiVersion: paritygate.io/v1alpha1
kind: ValidationPolicy
metadata: {name: bad-image}
spec:
  gates: [{name: p95, metric: LatencyRatio, quantile: "0.95", limit: "100", enforcement: DryRun}]
  evaluation: {attempts: 1}
  evaluatorImage: localhost/nowhere@sha256:0000000000000000000000000000000000000000000000000000000000000000
"""


def a_validation(name: str, case: Case, models: Path) -> dict[str, Any]:
    digest = case.digest or manifest_digest(models / case.candidate)
    uri = case.spec.get("uri", f"pvc://models/{case.candidate}")
    spec: dict[str, Any] = {
        "owner": {"team": "tests", "contact": "tests@example.com"},
        "baseline": {"uri": "pvc://models/fp32", "digest": manifest_digest(models / "fp32")},
        "candidate": {"uri": uri, "digest": digest, "technique": "Int8Static"},
        "purpose": "Memory",
        "policy": case.policy,
        "pool": case.pool,
        "packs": [{"name": case.pack}],
    }
    if case.target:
        spec["target"] = {"inferenceService": case.target}
        spec["release"] = {"mode": "Canary", "steps": [{"percent": 100}]}
    return {
        "apiVersion": "paritygate.io/v1alpha1",
        "kind": "CompressionValidation",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def ends(installed: Stage) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Every case applied at once; called with a name it waits for that case's reason and returns the object."""
    cluster, models = installed.cluster, installed.cluster.models_dir
    assert models is not None
    clear_away(cluster, NAMESPACE)
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    cluster.models_claim(NAMESPACE)
    bad_models(models)
    objects = [*yaml.safe_load_all(SURROUNDINGS), *packs(models)]
    objects += [a_validation(name, case, models) for name, case in CASES.items()]
    cluster.apply(objects, "-n", NAMESPACE)

    def end(name: str) -> dict[str, Any]:
        wanted, deadline = CASES[name], time.monotonic() + 120
        while True:
            words = ("-n", NAMESPACE, "get", "compressionvalidation", name, "-o", "json")
            found = json.loads(cluster.kubectl(*words))
            shown = _shown(found)
            if shown["reason"] == wanted.reason or time.monotonic() > deadline:
                return {**found, "shown": shown}
            time.sleep(1)

    yield end
    clear_away(cluster, NAMESPACE)
    for folder in models.glob("bad-*"):
        shutil.rmtree(folder)


def _shown(found: dict[str, Any]) -> dict[str, str]:
    """What a person sees first: the terminal condition, else what it is busy with."""
    by = {c["type"]: c for c in found["status"]["conditions"]}
    for kind in ("Stalled", "Ready", "Reconciling"):
        if by.get(kind, {}).get("status") == "True":
            return {"type": kind, "reason": by[kind]["reason"], "message": by[kind]["message"]}
    return {"type": "", "reason": "", "message": ""}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_ends_with_its_reason_and_a_message_to_act_on(name: str, ends: Callable[[str], dict[str, Any]]):
    case, found = CASES[name], ends(name)
    shown = found["shown"]
    assert shown["reason"] == case.reason, shown
    assert case.said in shown["message"], shown
    assert shown["type"] == ("Ready" if name == "in-order" else "Stalled" if case.terminal else "Reconciling")
    verdict = found["status"].get("verdict", {}).get("outcome")
    assert (verdict == "Passed") == (name == "in-order")


def test_what_was_missing_may_appear_later(installed: Stage, ends: Callable[[str], dict[str, Any]]):
    ends("no-such-policy")
    plain = next(o for o in yaml.safe_load_all(SURROUNDINGS) if o["kind"] == "ValidationPolicy")
    policy = {**plain, "metadata": {"name": "nowhere"}}
    installed.cluster.apply([policy])
    try:
        words = ("-n", NAMESPACE, "wait", "--for=condition=Ready", "compressionvalidation/no-such-policy")
        installed.cluster.kubectl(*words, "--timeout=200s", timeout=220)
    finally:
        installed.cluster.kubectl("delete", "validationpolicy", "nowhere")
