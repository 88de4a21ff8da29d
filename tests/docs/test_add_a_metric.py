"""The page that says how to add a metric is followed: its blocks make a product that judges by the new metric."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.evaluator.models import CLASSES, copying, save

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-a-metric.md"
PACKAGES = ("operator/paritygate", "evaluator-image/paritygate_evaluator")
BLOCK = re.compile(r"<!-- (\S+), (after|before|instead of): (.+?) -->\n```python\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Edit:
    """One block of the page: where it goes, and the lines."""

    file: str
    place: str
    anchor: str
    code: str

    def applied(self, text: str) -> str:
        """The file's text with it; the anchor is one whole line, whose indentation the block takes on."""
        lines = text.splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if line.strip() == self.anchor]
        assert len(places) == 1, f"{self.file} has {len(places)} lines {self.anchor!r}"
        at = places[0]
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        block = [indent + line if line.strip() else line for line in self.code.splitlines(keepends=True)]
        start, end = {"before": (at, at), "after": (at + 1, at + 1), "instead of": (at, at + 1)}[self.place]
        return "".join([*lines[:start], *block, *lines[end:]])


EDITS = [Edit(*found) for found in BLOCK.findall(PAGE.read_text())]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of both packages with the page's blocks in it."""
    root = tmp_path_factory.mktemp("product")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    for edit in EDITS:
        file = root / edit.file
        file.write_text(edit.applied(file.read_text()))
    return root


def python(product: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    paths = os.pathsep.join(str(product / package) for package in ("operator", "evaluator-image"))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, cwd=product
    )


def forecasts(places: np.ndarray) -> np.ndarray:
    """Probabilities (items, CLASSES) in which the right class, item number modulo CLASSES, has this place from 0.

    No two items have the same.
    """
    shares = np.array([0.4, 0.3, 0.2, 0.1], np.float32)
    right = np.arange(len(places)) % CLASSES
    order = (np.arange(CLASSES)[None, :] - right[:, None] + places[:, None]) % CLASSES
    return shares[order] + 1e-7 * np.arange(len(places), dtype=np.float32)[:, None]


def a_pack(folder: Path, baseline: np.ndarray, candidate: np.ndarray) -> None:
    """Models that copy these answers out of the items, and what is asked of them."""
    save(copying(0), folder, "baseline.onnx")
    save(copying(1), folder, "candidate.onnx")
    np.savez(folder / "inputs.npz", x=np.hstack([forecasts(baseline), forecasts(candidate)]))
    rows = [f"i{item},{item % CLASSES}" for item in range(len(baseline))]
    (folder / "labels.csv").write_text("\n".join(["id,label", *rows]) + "\n")
    data = {"inputs": {"uri": "inputs.npz"}, "labels": {"uri": "labels.csv"}}
    pack = {"version": "1", "task": "Classification", "data": data, "scores": "Probabilities"}
    reported = [("accuracy", "Accuracy"), ("harmful-flips", "HarmfulFlipRate"), ("brier", "Brier")]
    gates = [
        {"name": "top-2", "metric": "Top2Accuracy", "margin": "0.02"},
        *({"name": name, "metric": metric, "enforcement": "DryRun"} for name, metric in reported),
        {"name": "p95", "metric": "LatencyRatio", "enforcement": "DryRun"},
    ]
    policy = {"gates": gates, "evaluation": {"latencyBlocks": 50}}
    for name, kind, spec in (("pack", "ScenarioPack", pack), ("policy", "ValidationPolicy", policy)):
        manifest = {"apiVersion": "paritygate.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        (folder / f"{name}.yaml").write_text(json.dumps(manifest))


FIRST, SECOND, THIRD = 0, 1, 2
ITEMS = 2000


@pytest.mark.parametrize(
    ("every", "place", "code", "decision"),
    [
        pytest.param(3, SECOND, 0, "Proved", id="second-of-every-third-item-loses-accuracy-and-nothing-here"),
        pytest.param(7, THIRD, 1, "Harm", id="third-of-every-seventh-item-is-lost"),
    ],
)
def test_a_candidate_is_judged_by_the_page_s_metric(
    product: Path, tmp_path: Path, every: int, place: int, code: int, decision: str
) -> None:
    candidate = np.where(np.arange(ITEMS) % every == 0, place, FIRST)
    a_pack(tmp_path, np.full(ITEMS, FIRST), candidate)
    done = python(
        product,
        *("-c", "import sys; from paritygate.cli import main; sys.exit(main())", "check", "--json"),
        *(f"--baseline={tmp_path / 'baseline.onnx'}", f"--candidate={tmp_path / 'candidate.onnx'}"),
        *(f"--pack={tmp_path / 'pack.yaml'}", f"--policy={tmp_path / 'policy.yaml'}"),
    )
    assert done.returncode == code, done.stderr or done.stdout
    document = json.loads(done.stdout)
    gates = {gate["name"]: gate for gate in document["result"]["gates"]}
    assert gates["top-2"]["decision"] == decision
    assert "top-2: top-2 accuracy lost" in document["verdict"]["message"]
    assert gates["accuracy"]["decision"] == "Harm"


def test_what_is_no_number_is_wrong_and_of_equal_classes_the_first_counts_more(product: Path) -> None:
    said = python(
        product,
        "-c",
        "import numpy as np\n"
        "from paritygate_evaluator.referee.scoring.classification import _among_best\n"
        "rows = [[.4, .3, .3], [.3, .4, .3], [np.nan, .1, .9], [.2, .2, .6]]\n"
        "print(_among_best(np.array(rows, np.float32), np.array([2, 2, 2, 1], np.int32), 2).tolist())",
    )
    assert said.stdout == "[False, False, False, False]\n", said.stderr


def test_the_blocks_are_in_style_and_name_what_is_there(product: Path) -> None:
    changed = sorted({edit.file for edit in EDITS})
    assert len(EDITS) == 8
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    for command in ("check", "format --check"):
        done = subprocess.run([*ruff, *command.split(), *changed], cwd=product, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    text = PAGE.read_text()
    named = re.findall(r"`((?:operator|evaluator-image|tests|examples)/[\w./-]*)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []
    inside = {
        "operator/paritygate/judge/power.py": ["_planned"],
        "operator/paritygate/judge/scenarios.py": ["SPREAD"],
        "operator/paritygate/stats/plan.py": ["plan"],
        "operator/paritygate/judge/gates.py": ["_MOST"],
        "operator/paritygate/judge/wording.py": ["SHARES"],
        "operator/paritygate/judge/columns.py": ["_NOT_ON_ANSWERS", "column_of", "_KINDS"],
        "operator/paritygate/judge/recheck/coherence.py": ["_batch"],
        "operator/paritygate/judge/processes/__init__.py": ["_MAKERS"],
        "tests/independent/gates.py": ["FLIPS"],
    }
    for file, names in inside.items():
        for name in names:
            assert name in text
            assert re.search(rf"\b{name}\b", (ROOT / file).read_text()), f"{file} has no {name}"


def test_the_table_of_evidence_is_whole() -> None:
    from paritygate.api import Evidence

    told = set(re.findall(r"\| `(\w+)` \|", PAGE.read_text().partition("## (a)")[0]))
    # A time and a weight are measured once a model, by the runner: nobody adds one by a row.
    assert told == {evidence.value for evidence in Evidence} - {"Times", "Weight"}
