"""Families that need something for themselves: an image of 1.6 GB with torch, or a machine without neighbours.

No part of `make test`; `make families-cluster` runs them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from examples.demo.images import load_torch
from examples.demo.stage import Stage
from examples.families import run
from tests.cluster import Cluster

from .judged import CANDIDATES, Judged, Object, applied, check, cleared, objects

pytestmark = [pytest.mark.alone, pytest.mark.timeout(900)]

NAMESPACE = "parity-families-alone"

FAMILIES = {family.name: family for family in run.FAMILIES}

POOL = """
apiVersion: paritygate.io/v1alpha1
kind: AcceleratorPool
metadata: {{name: families-alone}}
spec:
  nodeSelector: {{paritygate.io/pool: cpu}}
  resources: {{limits: {{cpu: "1", memory: 2Gi}}}}
  runtime: {{name: {runtime}, threads: 1}}
"""


def _made(cluster: Cluster, family: run.Family) -> tuple[Path, list[Object]]:
    models = cleared(cluster, NAMESPACE)
    return models, [
        yaml.safe_load(POOL.format(runtime=family.runtime)),
        *objects(models, [family], pool="families-alone"),
    ]


@pytest.fixture
def torch(installed: Stage, tmp_path: Path) -> Iterator[Judged]:
    """The torch family on a node that holds the image, and checked here."""
    family = FAMILIES["torch"]
    load_torch(installed.cluster, installed.images)
    models, made = _made(installed.cluster, family)

    def good() -> Object:
        return check(models, family, "good", tmp_path / "good.json")

    def bad() -> Object:
        return check(models, family, "bad", tmp_path / "bad.json")

    with applied(installed.cluster, NAMESPACE, made, {"torch-good": good, "torch-bad": bad}) as judged:
        yield judged


def test_torch_judges_in_the_cluster_as_on_this_machine(torch: Judged) -> None:
    for candidate in CANDIDATES:
        found = torch.as_checked(FAMILIES["torch"], candidate)
        assert torch.report(found)["environment"]["runtime"].startswith("torch ")


def test_what_is_timed_comes_out_as_told(installed: Stage) -> None:
    """One after the other, and no check beside them: what a clock or a node tells is not the same in two runs."""
    family = FAMILIES["speed"]
    _, made = _made(installed.cluster, family)
    late = made.pop()
    with applied(installed.cluster, NAMESPACE, made, {}) as judged:
        for candidate, outcome, decision in (("good", "Passed", "Proved"), ("bad", "Failed", "Harm")):
            found = judged.end(f"speed-{candidate}")
            assert found["status"]["verdict"]["outcome"] == outcome, found["status"]["verdict"]
            assert {one["name"]: one["decision"] for one in found["status"]["gates"]}[family.gate] == decision
            judged.cluster.apply([late], "-n", NAMESPACE)
