"""The examples of every family of gates: complete, told in their README, provable as planned, and as told when run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paritygate.api import (
    TRAITS,
    Enforcement,
    EvaluationPlan,
    Metric,
    PerturbationKind,
    Purpose,
    ScenarioPack,
    SliceSource,
    Subject,
    Technique,
    ValidationPolicy,
)
from paritygate.api.manifest import load_one
from paritygate.cli.subjects import planned_packs, policy
from paritygate.judge import Gate, build_plan
from paritygate_evaluator.referee.labels import read_label_file, together
from paritygate_evaluator.referee.planning import gates_of, known_items

from examples.families import build, run

pytestmark = pytest.mark.whole

FOLDER = Path(run.__file__).parent
README = (FOLDER / "README.md").read_text()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every family's files: about three seconds."""
    out = tmp_path_factory.mktemp("families")
    for name in build.FAMILIES:
        build.write(name, out / name)
    return out


def test_every_family_is_built_run_and_told() -> None:
    names = [family.name for family in run.FAMILIES]
    assert sorted(names) == sorted(build.FAMILIES)
    assert sorted(names) == sorted(path.parent.name for path in FOLDER.glob("*/policy.yaml"))
    for family in run.FAMILIES:
        section = README.partition(f"\n## {family.name}\n")[2].partition("\n## ")[0]
        for candidate in ("good", "bad"):
            assert f"\n{' '.join(family.command(candidate))}\n" in section
        assert f"`{family.gate}`".replace("|", r"\|") in README


def test_no_metric_no_source_of_slices_and_no_perturbation_is_without_an_example() -> None:
    packs = [load_one(path, ScenarioPack).spec for path in FOLDER.glob("*/*.yaml") if path.name != "policy.yaml"]
    policies = [load_one(path, ValidationPolicy).spec for path in FOLDER.glob("*/policy.yaml")]
    brought = {Metric.MUST_PASS, Metric.SATURATION, Metric.JACCARD}  # by a pack, by a technique; and as Precision is
    assert {gate.metric for one in policies for gate in one.gates} == set(TRAITS) - brought
    texts = {SliceSource.LENGTH}, {PerturbationKind.TYPOS}  # they need a model of texts or tokens
    assert {column.source for pack in packs for column in pack.slices} == set(SliceSource) - texts[0]
    assert {one.kind for pack in packs for one in pack.perturbations} == set(PerturbationKind) - texts[1]


def _plan(family: run.Family, folder: Path) -> EvaluationPlan:
    return build_plan(
        baseline=Subject(uri="baseline.onnx"),
        candidate=Subject(uri="good.onnx"),
        technique=Technique(family.technique),
        purpose=Purpose.MEMORY,
        packs=planned_packs([folder / f"{pack}.yaml" for pack in family.packs]),
        policy=policy(folder / "policy.yaml"),
    )


def _gates(plan: EvaluationPlan, folder: Path, family: run.Family) -> tuple[Gate, ...]:
    files = [folder / f"{pack}-labels.csv" for pack in family.packs]
    read = [
        read_label_file(file, pack.name, pack.slices, labelled=not pack.unlabelled)
        for file, pack in zip(files, plan.packs, strict=True)
    ]
    labels = together([(pack.name, one) for pack, one in zip(plan.packs, read, strict=True)])
    return gates_of(plan, known_items(plan, labels))


@pytest.mark.parametrize("family", run.FAMILIES, ids=[family.name for family in run.FAMILIES])
def test_its_items_can_prove_every_hard_gate_that_is_not_harm_only(family: run.Family, built: Path) -> None:
    folder = built / family.name
    gates = _gates(_plan(family, folder), folder, family)
    assert [gate.name for gate in gates if gate.refused] == []
    hard = [gate.name for gate in gates if gate.claim.enforcement is Enforcement.HARD]
    known_later = family.gate.startswith(("check ", "dark/"))
    assert known_later or family.gate in hard


def test_the_same_files_are_built_again(built: Path, tmp_path: Path) -> None:
    build.write("regression", tmp_path)
    for name in ("pack-labels.csv", "pack.yaml", "bad.onnx"):
        assert (tmp_path / name).read_bytes() == (built / "regression" / name).read_bytes()
    with np.load(tmp_path / "pack-inputs.npz") as first, np.load(built / "regression" / "pack-inputs.npz") as second:
        np.testing.assert_array_equal(first["x"], second["x"])


@pytest.mark.parametrize("name", ["regression", "label-free"])
def test_a_whole_one_comes_out_as_told(name: str, built: Path) -> None:
    (family,) = [family for family in run.FAMILIES if family.name == name]
    for candidate, code in (("good", run.PASSED), ("bad", run.FAILED)):
        done = run.check(family, candidate, built / name)
        assert (done.code, done.wrong) == (code, "")


def test_what_is_not_as_told_is_said(built: Path) -> None:
    told = subprocess.run([sys.executable, run.__file__, "nonsense"], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "no family 'nonsense'; there is: classes, multilabel" in told.stderr
    without_pack = run.Family("numerics", "check Finite", packs=("nothing",))
    assert run.check(without_pack, "bad", built / "numerics").wrong.startswith("exit code 2 and no evidence: ")
