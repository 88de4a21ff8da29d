"""The examples of families of gates, unchanged, on the real cluster: judged as `paritygate check` judges them here.

All are applied at once to one pool, which keeps what baselines answered: two candidates of one baseline fill and use
one entry at the same time, and the checks on this machine, to whose records theirs must be equal, keep nothing.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from paritygate.evidence import manifest_digest

from examples.demo.stage import Stage
from examples.families import run

from .judged import (
    CANDIDATES,
    FOLDER,
    PATIENCE,
    Judged,
    Object,
    applied,
    check,
    cleared,
    conditions,
    evidence,
    objects,
    of_check,
    validation,
    with_uris,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

NAMESPACE = "parity-families"

FAMILIES = {family.name: family for family in run.FAMILIES if not family.alone and family.runtime == "onnxruntime"}
"""All but those that need the machine, or an image, for themselves: see test_families_alone.py."""

SEEN = "regression-seen"
"""A good candidate, calibrated on items of the pack."""

DECLARED = "slices-declared"
"""A good candidate, and a pack that tells how many items it has: too few for one gate."""

LOST = "regression-lost"
"""A good candidate on a pool whose answer cache is on a claim that is not there."""

AGAIN = "locked-set-again"
"""The good candidate of the same baseline once more, when what it answered is kept."""

POOLS = """
apiVersion: paritygate.io/v1alpha1
kind: AcceleratorPool
metadata: {name: families}
spec:
  nodeSelector: {paritygate.io/pool: cpu}
  resources: {limits: {cpu: 300m, memory: 512Mi}}
  runtime: {threads: 1}     # as the checks here: how work is split among threads may change a model's last digits
  answerCache: {persistentVolumeClaim: answers, size: 1Gi}
---
apiVersion: paritygate.io/v1alpha1
kind: AcceleratorPool
metadata: {name: families-lost}
spec:
  nodeSelector: {paritygate.io/pool: cpu}
  answerCache: {persistentVolumeClaim: nowhere}
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


def _declared(models: Path) -> Object:
    """The pack of the slices' example under another name, with its sizes and the scanner's slices alone."""
    folder = models / FOLDER / "slices"
    pack = with_uris(yaml.safe_load((folder / "pack.yaml").read_text()), "slices")
    pack["metadata"]["name"] = "declared"
    scanners = [row.split(",")[2] for row in (folder / "pack-labels.csv").read_text().splitlines()]
    assert scanners.pop(0) == "scanner"
    sizes = [{"value": value, "items": scanners.count(value)} for value in sorted(set(scanners))]
    pack["spec"] |= {"items": len(scanners), "slices": [{"column": "scanner", "items": sizes}]}
    return pack


def _calibrated(asked: Object, models: Path) -> Object:
    """The same, its candidate calibrated on a hundred items, half of them the pack's."""
    folder = models / FOLDER / "regression"
    items = np.load(folder / "pack-inputs.npz")["x"][:100]
    items[:50] += 1
    np.savez(folder / "seen.npz", x=items)
    uri, digest = f"pvc://models/{FOLDER}/regression/seen.npz", manifest_digest(folder / "seen.npz")
    asked["spec"]["candidate"]["calibration"] = {"uri": uri, "digest": digest}
    return asked


def _objects(models: Path) -> Iterator[Object]:
    """Everything that is applied; the files that it names are written on the way."""
    yield from yaml.safe_load_all(POOLS)
    yield yaml.safe_load(DECLARED_POLICY)
    yield from objects(models, list(FAMILIES.values()))
    regression, slices = FAMILIES["regression"], FAMILIES["slices"]
    yield _calibrated(validation(models, regression, "good", SEEN), models)
    yield validation(models, regression, "good", LOST, pool="families-lost")
    yield _declared(models)
    yield validation(models, slices, "good", DECLARED, packs=[{"name": "declared"}], policy="families-declared")


@pytest.fixture(scope="module")
def judged(installed: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """All applied at once, and all being checked here meanwhile."""
    cluster = installed.cluster
    models = cleared(cluster, NAMESPACE)
    answers = models / "answers"
    shutil.rmtree(answers, ignore_errors=True)
    answers.mkdir()
    answers.chmod(0o777)  # of a folder of the host the kubelet changes no owner; other volumes are given to the group
    cluster.claim(NAMESPACE, "answers", answers)
    made, out = list(_objects(models)), tmp_path_factory.mktemp("evidence")
    asked = {
        f"{family.name}-{candidate}": _asked(models, family, candidate, out)
        for family in FAMILIES.values()
        for candidate in CANDIDATES
    }
    asked[SEEN] = lambda: check(models, FAMILIES["regression"], "good", out / "seen.json", "--calibration", "seen.npz")
    with applied(cluster, NAMESPACE, made, asked) as judged:
        yield judged
    shutil.rmtree(models / FOLDER)
    shutil.rmtree(answers)


def _asked(models: Path, family: run.Family, candidate: str, out: Path) -> Callable[[], Object]:
    return lambda: check(models, family, candidate, out / f"{family.name}-{candidate}.json")


@pytest.mark.parametrize("candidate", CANDIDATES)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_judged_in_the_cluster_as_on_this_machine(name: str, candidate: str, judged: Judged) -> None:
    family = FAMILIES[name]
    found = judged.as_checked(family, candidate)
    if candidate == "bad":
        verdict, stalled = found["status"]["verdict"], conditions(found)["Stalled"]
        assert (stalled["status"], stalled["reason"]) == ("True", verdict["reason"])
        assert verdict["reason"] == ("CheckFailed" if family.gate.startswith("check ") else "HarmProved")
        assert stalled["message"] == verdict["message"]
        if verdict["reason"] == "HarmProved":
            assert f"{family.gate}: " in stalled["message"]
        # Where it first departs is told, if there was an item that only the baseline got right.
        departs = "The referee says: first departs at tensor '" in stalled["message"]
        assert departs is bool(judged.report(found).get("layers"))
        assert departs or name != "slices"


def test_what_a_baseline_answered_is_used_for_the_next_validation_and_changes_nothing_but_that_figure(
    judged: Judged,
) -> None:
    family, models = FAMILIES["locked-set"], judged.cluster.models_dir
    assert models is not None
    first = judged.report(judged.end(f"{family.name}-good"))
    judged.end(f"{family.name}-bad")
    judged.cluster.apply([validation(models, family, "good", AGAIN)], "-n", NAMESPACE)
    second = judged.report(judged.end(AGAIN))
    # More are computed at once than are judged.
    assert int(second["environment"]["baselineAnswersFromCache"]) >= second["items"]
    assert evidence(second, second["plan"]) == evidence(first, first["plan"])
    assert second["plan"] | {"candidateNumber": 1} == first["plan"] | {"candidateNumber": 1}
    same = {"batch", "machine", "processor", "provider", "runtime", "threads"}
    assert {name: second["environment"][name] for name in same} == {name: first["environment"][name] for name in same}


def test_a_claim_that_is_not_there_is_told_of_at_once(judged: Judged) -> None:
    while (ready := conditions(judged.get("compressionvalidation", LOST))["Ready"])["reason"] == "Evaluating":
        assert time.monotonic() < judged.deadline
        time.sleep(1)
    assert (ready["status"], ready["reason"]) == ("Unknown", "Unschedulable")
    assert 'persistentvolumeclaim "nowhere" not found' in ready["message"]
    assert (
        "Create it in the validation's namespace: a pvc:// URI or the pool's answerCache names it" in ready["message"]
    )


def test_a_candidate_that_was_calibrated_on_items_of_the_pack_is_not_judged_on_it(judged: Judged) -> None:
    found = judged.end(SEEN)
    verdict, stalled = found["status"]["verdict"], conditions(found)["Stalled"]
    assert (verdict["outcome"], verdict["reason"]) == ("Inconclusive", "CalibrationOverlap")
    assert (stalled["status"], stalled["reason"]) == ("True", "CalibrationOverlap")
    assert "items of the packs are in the candidate's calibration set" in stalled["message"]
    report, checked = judged.report(found), judged.checks[SEEN].result(PATIENCE)
    assert evidence(report, report["plan"]) == of_check(checked)


def test_what_a_pack_cannot_prove_by_the_sizes_that_it_declares_takes_no_device(judged: Judged) -> None:
    found = judged.end(DECLARED)
    verdict, planned = found["status"]["verdict"], conditions(found)["Planned"]
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
