"""One evaluation to vary one thing of: two models, a pack of a thousand items, a policy without latency gates."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from paritygate.api import (
    EvaluationPlan,
    EvaluationResult,
    Perturbation,
    PlannedPack,
    Progress,
    Purpose,
    Subject,
    Task,
    Technique,
)
from paritygate.api.pack import DataFile
from paritygate.api.policy import GateSpec, PolicySpec
from paritygate.evidence import manifest_digest
from paritygate.judge import build_plan
from paritygate_evaluator.layout import Layout
from paritygate_evaluator.referee.__main__ import labels_of
from paritygate_evaluator.referee.client import Runner
from paritygate_evaluator.referee.evaluation import Artefacts, Evaluation

from .models import answers, copying, save

ITEMS = 2000


@dataclass
class Case:
    """What is judged. Change a field, then `judge()`."""

    root: Path
    truth: np.ndarray = field(default_factory=lambda: np.arange(ITEMS) % 4)
    baseline_says: np.ndarray = field(init=False)
    candidate_says: np.ndarray = field(init=False)
    scanners: list[str] = field(default_factory=lambda: ["B" if i % 5 == 0 else "A" for i in range(ITEMS)])
    baseline: onnx.ModelProto | bytes = field(default_factory=lambda: copying(0))
    candidate: onnx.ModelProto | bytes = field(default_factory=lambda: copying(1))
    gates: tuple[dict[str, str], ...] = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.02"},)
    latency: bool = False
    inputs: dict[str, np.ndarray] | None = None
    labels: str | None = None
    slices: tuple[str, ...] = ("scanner",)
    cluster: str | None = None
    unlabelled: bool = False
    perturbations: tuple[dict[str, str], ...] = ()
    calibration: np.ndarray | None = None
    cache: Path | None = None
    progress: list[Progress] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.baseline_says = self.truth.copy()
        self.candidate_says = self.truth.copy()

    def lose(self, where: Callable[[int], bool]) -> None:
        """Let the candidate answer wrongly where the baseline is right."""
        for i in range(len(self.truth)):
            if where(i):
                self.candidate_says[i] = (self.truth[i] + 1) % 4

    def judge(self) -> EvaluationResult:
        """Write everything down as fetch would leave it, start a real runner, judge. Raises EvaluatorError."""
        layout = self._lay_out()
        environment = os.environ | {
            "PARITYGATE_ROOT": str(self.root),
            "PARITYGATE_RUNNER": json.dumps({"packs": 1, "threads": 2, "calibration": self.calibration is not None}),
        }
        plan = self.plan()
        runners: list[subprocess.Popen[bytes]] = []

        def connect() -> Runner:
            # Only now, as only now a referee asks: most of what is refused is refused before.
            self.asked.append("connect")
            runners.append(subprocess.Popen([sys.executable, "-m", "paritygate_evaluator.runner"], env=environment))
            return Runner.connect(layout.socket, 30)

        try:
            evaluation = Evaluation(
                plan,
                labels_of(plan, layout),
                Artefacts("sha256:" + "0" * 64, "sha256:" + "1" * 64, 4000, 1000),
                connect,
                self.progress.append,
                cache=self.cache,
            )
            return evaluation.run()
        finally:
            for runner in runners:
                runner.terminate()
                runner.wait(10)

    def plan(self) -> EvaluationPlan:
        """What the referee is told."""
        plan = build_plan(
            baseline=Subject(uri="fp32"),
            candidate=Subject(uri="int8"),
            technique=Technique.INT8_STATIC,
            purpose=Purpose.MEMORY,
            packs=[
                PlannedPack(
                    name="core",
                    version="1",
                    task=Task.CLASSIFICATION,
                    inputs=DataFile(uri="inputs.npz"),
                    labels=DataFile(uri="labels.csv"),
                    slices=self.slices,
                    cluster=self.cluster,
                    unlabelled=self.unlabelled,
                    perturbations=tuple(Perturbation.model_validate(one) for one in self.perturbations),
                )
            ],
            calibration=DataFile(uri="calibration.npz") if self.calibration is not None else None,
            policy=PolicySpec(gates=tuple(GateSpec.model_validate(gate) for gate in self.gates)),
        )
        if self.latency:
            return plan
        return plan.model_copy(update={"claims": tuple(c for c in plan.claims if c.metric != "LatencyRatio")})

    def files(self) -> Path:
        """The same as files for the command line: fp32.onnx, int8.onnx, pack.yaml, policy.yaml."""
        folder = self.root / "files"
        folder.mkdir(parents=True, exist_ok=True)
        for name, model in (("fp32.onnx", self.baseline), ("int8.onnx", self.candidate)):
            _write(model, folder, name)
        self._write_data(folder, folder)
        digests = {name: manifest_digest(folder / name) for name in ("inputs.npz", "labels.csv")}
        pack = {
            "apiVersion": "paritygate.io/v1alpha1",
            "kind": "ScenarioPack",
            "metadata": {"name": "core"},
            "spec": {
                "version": "1",
                "task": "Classification",
                "data": {
                    "inputs": {"uri": "inputs.npz", "digest": digests["inputs.npz"]},
                    "labels": {"uri": "labels.csv", "digest": digests["labels.csv"]},
                },
                "slices": [{"column": column} for column in self.slices],
                **({"cluster": self.cluster} if self.cluster else {}),
            },
        }
        quiet = {"name": "p95", "metric": "LatencyRatio", "quantile": "0.95", "limit": "9.00", "enforcement": "Hard"}
        policy = {
            "apiVersion": "paritygate.io/v1alpha1",
            "kind": "ValidationPolicy",
            "metadata": {"name": "test"},
            "spec": {"tier": "Standard", "gates": [*self.gates, quiet]},
        }
        (folder / "pack.yaml").write_text(json.dumps(pack))
        (folder / "policy.yaml").write_text(json.dumps(policy))
        return folder

    def _lay_out(self) -> Layout:
        layout = Layout(self.root, self.root / "termination-log")
        _write(self.baseline, layout.model("baseline"), "model.onnx")
        _write(self.candidate, layout.model("candidate"), "model.onnx")
        self._write_data(layout.inputs(0), layout.labels(0))
        if self.calibration is not None:
            layout.calibration.mkdir(parents=True)
            np.savez(layout.calibration / "calibration.npz", x=self.calibration)
        return layout

    def inputs_of(self) -> dict[str, np.ndarray]:
        """What the models get."""
        return self.inputs or {"x": answers(self.baseline_says, self.candidate_says)}

    def _write_data(self, inputs: Path, labels: Path) -> None:
        inputs.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        np.savez(inputs / "inputs.npz", **self.inputs_of())
        rows = [f"i{k},{label},{s}" for k, (label, s) in enumerate(zip(self.truth, self.scanners, strict=True))]
        (labels / "labels.csv").write_text(self.labels or "\n".join(["id,label,scanner", *rows]) + "\n")


def _write(model: onnx.ModelProto | bytes, folder: Path, name: str) -> None:
    if isinstance(model, bytes):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(model)
    else:
        save(model, folder, name)
