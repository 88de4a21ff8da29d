"""Families of the examples applied to the real cluster, and the same files checked on this machine meanwhile.

Only where the data lie is written anew. The two records must be one, but for what a clock measured.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from paritygate.api import Metric
from paritygate.evidence import manifest_digest

from examples.demo.stage import clear_away
from examples.families import build
from examples.families.run import PARITYGATE, Family
from tests.cluster import Cluster

FOLDER = "families"
"""On the claim of models."""

PATIENCE = 600
"""Seconds until the last of them is judged, on a machine that is busy with much else."""

CANDIDATES = ("good", "bad")

Object = dict[str, Any]


def with_uris(manifest: Object, family: str) -> Object:
    """The pack as it is, its data on the claim of models."""
    for part in manifest["spec"]["data"].values():
        part["uri"] = f"pvc://models/{FOLDER}/{family}/{part['uri']}"
    return manifest


def validation(models: Path, family: Family, candidate: str, name: str = "", **spec: Any) -> Object:
    """A validation of one family's candidate, on its packs by its policy."""
    folder, uri = models / FOLDER / family.name, f"pvc://models/{FOLDER}/{family.name}"
    subjects = {
        place: {"uri": f"{uri}/{family.model(role)}", "digest": manifest_digest(folder / family.model(role))}
        for place, role in (("baseline", "baseline"), ("candidate", candidate))
    }
    packs = [yaml.safe_load((folder / f"{pack}.yaml").read_text()) for pack in family.packs]
    return {
        "apiVersion": "paritygate.io/v1alpha1",
        "kind": "CompressionValidation",
        "metadata": {"name": name or f"{family.name}-{candidate}"},
        "spec": {
            **subjects,
            "candidate": {**subjects["candidate"], "technique": family.technique},
            "owner": {"team": "tests", "contact": "tests@example.com"},
            "policy": yaml.safe_load((folder / "policy.yaml").read_text())["metadata"]["name"],
            "pool": "families",
            "packs": [{"name": pack["metadata"]["name"]} for pack in packs],
            "release": {"mode": "VerdictOnly"},
            **spec,
        },
    }


def objects(models: Path, families: Sequence[Family], **spec: Any) -> Iterator[Object]:
    """Both candidates of every family with policy and packs; the files that they name are written on the way."""
    for family in families:
        folder = models / FOLDER / family.name
        build.write(family.name, folder)
        yield yaml.safe_load((folder / "policy.yaml").read_text())
        for pack in family.packs:
            yield with_uris(yaml.safe_load((folder / f"{pack}.yaml").read_text()), family.name)
        for candidate in CANDIDATES:
            yield validation(models, family, candidate, **spec)


def check(models: Path, family: Family, candidate: str, out: Path, *more: str) -> Object:
    """The evidence that `paritygate check` writes on this machine about the same files."""
    command = [PARITYGATE, *family.command(candidate)[1:], "--threads", "1", "--quiet", "--evidence", out, *more]
    done = subprocess.run(command, cwd=models / FOLDER / family.name, capture_output=True, text=True, check=False)
    assert out.exists(), f"exit code {done.returncode}: {done.stderr or done.stdout}"
    return dict(json.loads(out.read_text()))


@dataclass(frozen=True, slots=True)
class Judged:
    """Validations on the cluster, and the checks of the same files here."""

    cluster: Cluster
    namespace: str
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
        return dict(json.loads(self.cluster.kubectl("-n", self.namespace, "get", *words, "-o", "json")))

    def as_checked(self, family: Family, candidate: str) -> Object:
        """The validation of a candidate, seen to be judged as it is on this machine, and as the example tells."""
        name = f"{family.name}-{candidate}"
        found = self.end(name)
        verdict, report = found["status"]["verdict"], self.report(found)
        outcome, decision = ("Passed", "Proved") if candidate == "good" else ("Failed", "Harm")
        assert verdict["outcome"] == outcome, verdict
        if family.gate.startswith("check "):
            decided = {one["name"]: "Proved" if one["ok"] else "Harm" for one in report["checks"]}
        else:
            decided = {one["name"]: one["decision"] for one in found["status"]["gates"]}
        assert decided[family.gate.removeprefix("check ")] == decision
        assert evidence(report, report["plan"]) == of_check(self.checks[name].result(PATIENCE))
        return found


@contextmanager
def applied(
    cluster: Cluster, namespace: str, made: Sequence[Object], asked: Mapping[str, Any], beside: int = 2
) -> Iterator[Judged]:
    """All applied at once in a namespace of their own, and all being checked here meanwhile, `beside` at once.

    `asked`: what makes the evidence of the check of the same name. All is taken away in the end.
    """
    cluster.apply(made, "-n", namespace)
    with ThreadPoolExecutor(beside) as pool:
        checks = {name: pool.submit(ask) for name, ask in asked.items()}
        yield Judged(cluster, namespace, checks, time.monotonic() + PATIENCE)
        pool.shutdown(cancel_futures=True)
    # Nobody has to wait until it is gone: the next run does, if there is one.
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    for kind in ("ValidationPolicy", "AcceleratorPool"):
        cluster.kubectl("delete", kind, *(one["metadata"]["name"] for one in made if one["kind"] == kind))


def cleared(cluster: Cluster, namespace: str) -> Path:
    """A clean namespace under restricted Pod Security with the claim of models; the folder that the claim is."""
    models = cluster.models_dir
    assert models is not None
    clear_away(cluster, namespace)
    shutil.rmtree(models / FOLDER, ignore_errors=True)
    cluster.kubectl("create", "namespace", namespace)
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    cluster.models_claim(namespace)
    return models


def evidence(record: Mapping[str, Any], plan: Mapping[str, Any]) -> Object:
    """What a record holds of what was seen and decided, without what a clock measured."""
    timed = {claim["name"] for claim in plan["claims"] if claim["metric"] == Metric.LATENCY_RATIO}
    kept = ("outcome", "reason", "message", "checks", "repeat", "worst", "culprits", "layers")
    counts = ("items", "harmfulFlips", "beneficialFlips", "neutralFlips")
    gates = {gate["name"]: gate for gate in record.get("gates", ()) if gate["claim"] not in timed}
    return {name: record.get(name) for name in (*kept, *counts)} | {"gates": gates}


def of_check(checked: Mapping[str, Any]) -> Object:
    """The evidence of a check; the verdict is the one recomputed from the result, as a report's is."""
    return evidence({**checked["result"], **checked["verdict"]}, checked["plan"])


def conditions(validation: Object) -> dict[str, Object]:
    """By type."""
    return {condition["type"]: condition for condition in validation["status"]["conditions"]}
