"""The examples of families of gates, unchanged, on the real cluster: judged as `paritygate check` judges them here.

Only where the data lie is written anew. All are applied at once; while evaluator pods judge them, the same files are
checked on this machine, and the two records must be one, but for what a clock measured.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from paritygate.api import Metric
from paritygate.evidence import manifest_digest

from examples.demo.stage import Stage, clear_away
from examples.families import build, run
from tests.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

NAMESPACE = "parity-families"
FOLDER = "families"
"""On the claim of models."""

PATIENCE = 600
"""Seconds until the last of them is judged, on a machine that is busy with much else."""

Object = dict[str, Any]

FAMILIES = {
    family.name: family
    for family in run.FAMILIES
    if family.name
    in (
        "classes",
        "regression",
        "embedding",
        "slices",
        "must-pass",
        "fairness",
        "calibration",
        "perturbations",
        "locked-set",
    )
}
CASES = [f"{family}-{candidate}" for family in FAMILIES for candidate in ("good", "bad")]

SEEN = "regression-seen"
"""A good candidate, calibrated on items of the pack."""

DECLARED = "slices-declared"
"""A good candidate, and a pack that tells how many items it has: too few for one gate."""

POOL = """
apiVersion: paritygate.io/v1alpha1
kind: AcceleratorPool
metadata: {name: families}
spec:
  nodeSelector: {paritygate.io/pool: cpu}
  resources: {limits: {cpu: 300m, memory: 512Mi}}
  runtime: {threads: 1}     # as the checks here: how work is split among threads may change a model's last digits
"""

DECLARED_POLICY = """
apiVersion: paritygate.io/v1alpha1
kind: ValidationPolicy
metadata: {name: families-declared}
spec:
  gates:
  - {name: by-scanner, metric: Accuracy, sliceBy: scanner, margin: "0.003", underpowered: Refuse}
  - {name: p95, metric: LatencyRatio, enforcement: DryRun}
"""


def _with_uris(manifest: Object, family: str) -> Object:
    """The pack as it is, its data on the claim of models."""
    for part in manifest["spec"]["data"].values():
        part["uri"] = f"pvc://models/{FOLDER}/{family}/{part['uri']}"
    return manifest


def _declared(models: Path) -> Object:
    """The pack of the slices' example under another name, with its sizes and the scanner's slices alone."""
    folder = models / FOLDER / "slices"
    pack = _with_uris(yaml.safe_load((folder / "pack.yaml").read_text()), "slices")
    pack["metadata"]["name"] = "declared"
    scanners = [row.split(",")[2] for row in (folder / "pack-labels.csv").read_text().splitlines()]
    assert scanners.pop(0) == "scanner"
    sizes = [{"value": value, "items": scanners.count(value)} for value in sorted(set(scanners))]
    pack["spec"] |= {"items": len(scanners), "slices": [{"column": "scanner", "items": sizes}]}
    return pack


def _validation(models: Path, name: str, packs: list[str], policy: str = "") -> Object:
    """A validation of one family's candidate: bad if the name says so."""
    family, _, kind = name.rpartition("-")
    folder, uri = models / FOLDER / family, f"pvc://models/{FOLDER}/{family}"
    candidate = "bad" if kind == "bad" else "good"
    subjects = {
        place: {"uri": f"{uri}/{model}.onnx", "digest": manifest_digest(folder / f"{model}.onnx")}
        for place, model in (("baseline", "baseline"), ("candidate", candidate))
    }
    return {
        "apiVersion": "paritygate.io/v1alpha1",
        "kind": "CompressionValidation",
        "metadata": {"name": name},
        "spec": {
            **subjects,
            "candidate": {**subjects["candidate"], "technique": FAMILIES[family].technique},
            "owner": {"team": "tests", "contact": "tests@example.com"},
            "policy": policy or family,
            "pool": "families",
            "packs": [{"name": pack} for pack in packs],
            "release": {"mode": "VerdictOnly"},
        },
    }


def _calibrated(validation: Object, models: Path) -> Object:
    """The same, its candidate calibrated on a hundred items, half of them the pack's."""
    folder = models / FOLDER / "regression"
    items = np.load(folder / "pack-inputs.npz")["x"][:100]
    items[:50] += 1
    np.savez(folder / "seen.npz", x=items)
    uri, digest = f"pvc://models/{FOLDER}/regression/seen.npz", manifest_digest(folder / "seen.npz")
    validation["spec"]["candidate"]["calibration"] = {"uri": uri, "digest": digest}
    return validation


def _objects(models: Path) -> Iterator[Object]:
    """Everything that is applied; the files that it names are written on the way."""
    yield yaml.safe_load(POOL)
    yield yaml.safe_load(DECLARED_POLICY)
    for family in FAMILIES.values():
        folder = models / FOLDER / family.name
        build.write(family.name, folder)
        policy = yaml.safe_load((folder / "policy.yaml").read_text())
        packs = [
            _with_uris(yaml.safe_load((folder / f"{pack}.yaml").read_text()), family.name) for pack in family.packs
        ]
        yield policy
        yield from packs
        names = [pack["metadata"]["name"] for pack in packs]
        for candidate in ("good", "bad"):
            yield _validation(models, f"{family.name}-{candidate}", names, policy["metadata"]["name"])
    yield _calibrated(_validation(models, SEEN, ["regression"]), models)
    yield _declared(models)
    yield _validation(models, DECLARED, ["declared"], "families-declared")


def _checked(name: str, models: Path, out: Path) -> Object:
    """The evidence that `paritygate check` writes on this machine about the same files."""
    family, _, kind = name.rpartition("-")
    evidence = out / f"{name}.json"
    command = [run.PARITYGATE, *FAMILIES[family].command("bad" if kind == "bad" else "good")[1:]]
    command += ["--threads", "1", "--quiet", "--evidence", evidence]
    command += ["--calibration", "seen.npz"] if name == SEEN else []
    done = subprocess.run(command, cwd=models / FOLDER / family, capture_output=True, text=True, check=False)
    assert evidence.exists(), f"exit code {done.returncode}: {done.stderr or done.stdout}"
    return dict(json.loads(evidence.read_text()))


@dataclass(frozen=True, slots=True)
class Judged:
    """Validations on the cluster, and the checks of the same files here."""

    cluster: Cluster
    checks: Mapping[str, Future[Object]]
    deadline: float

    def end(self, name: str) -> Object:
        """The validation with its verdict; what it was at last, if there is none in time."""
        while True:
            found = self.get("compressionvalidation", name)
            if found["status"].get("verdict"):
                return found
            assert time.monotonic() < self.deadline, found["status"]
            time.sleep(1)

    def report(self, validation: Object) -> Object:
        """The record of its verdict."""
        return dict(self.get("validationreport", validation["status"]["verdict"]["report"])["spec"])

    def get(self, *words: str) -> Object:
        """What kubectl gets in the namespace."""
        return dict(json.loads(self.cluster.kubectl("-n", NAMESPACE, "get", *words, "-o", "json")))


@pytest.fixture(scope="module")
def judged(installed: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """All applied at once, and all being checked here meanwhile."""
    cluster, models = installed.cluster, installed.cluster.models_dir
    assert models is not None
    clear_away(cluster, NAMESPACE)
    shutil.rmtree(models / FOLDER, ignore_errors=True)
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.models_claim(NAMESPACE)
    objects = list(_objects(models))
    cluster.apply(objects, "-n", NAMESPACE)
    out = tmp_path_factory.mktemp("evidence")
    with ThreadPoolExecutor(2) as pool:
        checks = {name: pool.submit(_checked, name, models, out) for name in [*CASES, SEEN]}
        yield Judged(cluster, checks, time.monotonic() + PATIENCE)
        pool.shutdown(cancel_futures=True)
    # Nobody has to wait until it is gone: the next run does, if there is one.
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    for kind in ("ValidationPolicy", "AcceleratorPool"):
        cluster.kubectl("delete", kind, *(o["metadata"]["name"] for o in objects if o["kind"] == kind))
    shutil.rmtree(models / FOLDER)


def _evidence(record: Mapping[str, Any], plan: Mapping[str, Any]) -> Object:
    """What a record holds of what was seen and decided, without what a clock measured."""
    timed = {claim["name"] for claim in plan["claims"] if claim["metric"] == Metric.LATENCY_RATIO}
    kept = ("outcome", "reason", "message", "checks", "repeat", "worst", "culprits", "layers")
    counts = ("items", "harmfulFlips", "beneficialFlips", "neutralFlips")
    gates = {gate["name"]: gate for gate in record.get("gates", ()) if gate["claim"] not in timed}
    return {name: record.get(name) for name in (*kept, *counts)} | {"gates": gates}


def _as_checked(checked: Mapping[str, Any]) -> Object:
    """The evidence of a check; the verdict is the one recomputed from the result, as a report's is."""
    return _evidence({**checked["result"], **checked["verdict"]}, checked["plan"])


def _conditions(validation: Object) -> dict[str, Object]:
    return {condition["type"]: condition for condition in validation["status"]["conditions"]}


@pytest.mark.parametrize("name", CASES)
def test_a_family_is_judged_in_the_cluster_as_on_this_machine(name: str, judged: Judged) -> None:
    family, _, candidate = name.rpartition("-")
    found, gate = judged.end(name), FAMILIES[family].gate
    verdict = found["status"]["verdict"]
    outcome, decision = ("Passed", "Proved") if candidate == "good" else ("Failed", "Harm")
    assert verdict["outcome"] == outcome, verdict
    assert {one["name"]: one["decision"] for one in found["status"]["gates"]}[gate] == decision
    if candidate == "bad":
        stalled = _conditions(found)["Stalled"]
        assert (stalled["status"], stalled["reason"]) == ("True", "HarmProved")
        assert f"{gate}: " in stalled["message"]
    report, checked = judged.report(found), judged.checks[name].result(PATIENCE)
    evidence = _evidence(report, report["plan"])
    assert evidence["gates"][gate]["n"] > 0
    assert evidence == _as_checked(checked)
    assert evidence["message"] == verdict["message"]


def test_a_candidate_that_was_calibrated_on_items_of_the_pack_is_not_judged_on_it(judged: Judged) -> None:
    found = judged.end(SEEN)
    verdict, stalled = found["status"]["verdict"], _conditions(found)["Stalled"]
    assert (verdict["outcome"], verdict["reason"]) == ("Inconclusive", "CalibrationOverlap")
    assert (stalled["status"], stalled["reason"]) == ("True", "CalibrationOverlap")
    assert "items of the packs are in the candidate's calibration set" in stalled["message"]
    report, checked = judged.report(found), judged.checks[SEEN].result(PATIENCE)
    assert _evidence(report, report["plan"]) == _as_checked(checked)


def test_what_a_pack_cannot_prove_by_the_sizes_that_it_declares_takes_no_device(judged: Judged) -> None:
    found = judged.end(DECLARED)
    verdict, planned = found["status"]["verdict"], _conditions(found)["Planned"]
    assert (verdict["outcome"], verdict["reason"]) == ("Inconclusive", "Underpowered")
    assert (planned["status"], planned["reason"]) == ("False", "Underpowered")
    (scanners,) = judged.get("scenariopack", "declared")["spec"]["slices"]
    sizes = {one["value"]: one["items"] for one in scanners["items"]}
    assert f"by-scanner/B: {sizes['B']:,} items can't prove 0.30 points; about " in planned["message"]
    assert not found["status"].get("attempts")
    report = judged.report(found)
    assert report["attempts"] == 0
    (refused,) = [gate for gate in report["gates"] if gate["name"] == "by-scanner/B"]
    assert (refused["decision"], refused["planned"]["have"]) == ("Open", sizes["B"])
    # Neither is there a Job, nor does any event tell of one that was.
    jobs = [job["metadata"]["name"] for job in judged.get("jobs")["items"]]
    told = [event["involvedObject"]["name"] for event in judged.get("events")["items"]]
    assert any(name.startswith("regression-good-") for name in jobs)
    assert any(name.startswith("regression-good-") for name in told)
    assert [name for name in (*jobs, *told) if name.startswith(f"{DECLARED}-")] == []
