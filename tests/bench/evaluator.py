"""The evaluator's speed against a bare loop of the same runtime, and its latency harness beside a noisy neighbour.

Ratios within one run, engine and bare loop in turns, so that a busy machine slows both. The bare loop is the fastest of
several: onnxruntime's threads with and without spinning, torch with one thread and with more. The engine does all that
an evaluation does with an item: fetches it in the judge's order, runs both models in their processes, brings the
outputs over and scores them.
"""

import contextlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from paritygate.api import Claim, Decision, EvaluationPlan, Metric, PlannedPack, Purpose, Subject, Task, Technique
from paritygate.api.pack import DataFile
from paritygate.api.policy import Enforcement, PolicySpec, Underpowered
from paritygate.judge import ControlTally, Gate, LatencyTally, build_plan
from paritygate.stats.latency import rounds
from paritygate_evaluator.layout import Layout
from paritygate_evaluator.referee.client import Runner
from paritygate_evaluator.referee.evidence import Evidence
from paritygate_evaluator.referee.labels import Labels
from paritygate_evaluator.referee.scoring import ClassificationScorer
from paritygate_evaluator.runner.cores import usable_cores

from . import torch_models

REPEATS = 9
ROLES = ("baseline", "candidate")
CONTROLS, BLOCKS = 40, 300
FRESH, FRESH_BLOCKS = 50, 500


@dataclass(frozen=True)
class Pair:
    """Two models of one shape, items for them, and how one would run them without an evaluator."""

    name: str
    runtime: str
    write: Callable[[np.random.Generator, Path], object]
    bare: Callable[[Path, np.ndarray, int], list[Callable[[], None]]]
    shape: tuple[int, ...]
    items: int
    """How many are judged."""
    pack: int = 0
    """How many the pack holds, if more: from 64 MiB on they stay on the disk. The bare loop has its items in memory."""


def measure() -> list[dict[str, Any]]:
    """Rows {name, value, unit, limit, better, ok}; about four minutes on two cores."""
    rows = []
    for pair in (
        Pair("onnxruntime, MLP 64-1024-512-10", "onnxruntime", _save(_mlp), _bare, (64,), 20_000),
        Pair("onnxruntime, CNN 3 x 32 x 32", "onnxruntime", _save(_cnn), _bare, (3, 32, 32), 5_000),
        Pair("torch, MLP 64-1024-512-10", "torch", torch_models.mlp, torch_models.bare, (64,), 20_000),
        Pair("torch, CNN 3 x 32 x 32", "torch", torch_models.cnn, torch_models.bare, (3, 32, 32), 5_000),
        Pair("onnxruntime, MLP, 75 MiB on the disk", "onnxruntime", _save(_mlp), _bare, (64,), 20_000, 300_000),
        Pair("torch, MLP, 75 MiB on the disk", "torch", torch_models.mlp, torch_models.bare, (64,), 20_000, 300_000),
    ):
        with _runner(pair) as (runner, folder, items):
            rows += _throughput(pair, runner, folder, items)
    # Of this size the luck of a process is largest: up to 5 % between two of one model.
    twins = Pair("twins", "onnxruntime", _save(partial(_mlp, sizes=(64, 160, 240, 10))), _bare, (64,), 1000)
    with _runner(twins, twins=True) as (runner, _, _), _neighbour():
        rows += _false_alarms(runner)
        rows += _by_luck(runner)
    return rows


def _throughput(pair: Pair, runner: Runner, folder: Path, items: np.ndarray) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    count = len(items)
    labels = Labels(tuple(f"i{k}" for k in range(count)), tuple(map(str, rng.integers(0, 10, count))), {}, (count,))
    ports = [runner.load(role).outputs for role in ROLES][-1]
    batch, _ = runner.batch()
    order = rng.permutation(count)[: pair.items]
    threads = runner.inputs().threads
    bare_loops = pair.bare(folder / "models", items[: pair.items], batch)
    ratios, speeds = [], []
    for _ in range(REPEATS + 1):
        bare = min(_seconds(loop) for loop in bare_loops)
        scorer = ClassificationScorer("bench", ports, labels.labels)
        evidence = Evidence(runner, scorer, labels, (), threads=threads)
        evidence.tune()
        engine = _seconds(lambda evidence=evidence: _judge_all(evidence, order))
        ratios.append(bare / engine)
        speeds.append(2 * pair.items / engine)
    # The first round warms both up.
    ratio = statistics.median(ratios[1:])
    return [
        _row(f"evaluator against a bare loop, {pair.name}, batch {batch}", ratio, "x", 0.95),
        _row(f"evaluator, {pair.name}", statistics.median(speeds[1:]), "items/s", None),
    ]


def _judge_all(evidence: Evidence, order: np.ndarray) -> None:
    at = 0
    while at < len(order):
        chunk = order[at : at + evidence.ahead()]
        evidence.fetch("", chunk)
        evidence.reveal("", chunk)
        at += len(chunk)


def _bare(models: Path, items: np.ndarray, batch: int) -> list[Callable[[], None]]:
    return [_bare_loop(models, items, batch, spin) for spin in ("1", "0")]


def _bare_loop(models: Path, items: np.ndarray, batch: int, spin: str) -> Callable[[], None]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", spin)
    sessions = [
        ort.InferenceSession(str(models / role / "model.onnx"), options, providers=["CPUExecutionProvider"])
        for role in ROLES
    ]

    def loop() -> None:
        for session in sessions:
            for start in range(0, len(items), batch):
                session.run(None, {"x": items[start : start + batch]})

    return loop


def _false_alarms(runner: Runner) -> list[dict[str, Any]]:
    """Identical models: how often the harness blames the baseline for itself, or one twin for being slower."""
    for role in ROLES:
        runner.load(role)
    plan = _plan()
    biased = harmed = 0
    rng = np.random.default_rng(2)
    for _ in range(CONTROLS):
        swapped = rng.integers(0, 2, BLOCKS).astype(bool)
        places = rng.integers(0, 1000, (BLOCKS, 2))
        control = ControlTally(plan)
        control.add(runner.latency("baseline", swapped, places))
        biased += control.state == "Biased"
        gates = LatencyTally(Gate(plan.claims[0], None, np.zeros(0, np.int64), None), plan, 1)
        gates.add(runner.latency("candidate", swapped, places))
        harmed += gates.decision is Decision.HARM
    unit = f"of {CONTROLS} runs"
    return [
        _row("A/A control called biased, busy neighbour", biased / CONTROLS, unit, 0.05, "lower"),
        _row("p50 <= 1.05 called harm on twins, busy neighbour", harmed / CONTROLS, unit, 0.05, "lower"),
    ]


def _by_luck(runner: Runner) -> list[dict[str, Any]]:
    """Twins, new processes for every round as in an evaluation: what is luck of theirs, and what a pass costs."""
    plan, rng = _plan(), np.random.default_rng(4)
    claims = [plan.claims[0].model_copy(update={"limit": limit}) for limit in ("1.00", "1.05")]
    passed, harmed, slower, took = 0, 0, [], []
    for _ in range(FRESH):
        strict, slack = (LatencyTally(Gate(c, None, np.zeros(0, np.int64), None), plan, 1) for c in claims)
        for start, end in itertools.pairwise([0, *rounds(FRESH_BLOCKS)]):
            swapped = rng.integers(0, 2, end - start).astype(bool)
            blocks = runner.latency("candidate", swapped, rng.integers(0, 1000, (end - start, 2)), fresh=True)
            slower.append(float(np.median(blocks[:, 2:]) > np.median(blocks[:, :2])))
            for tally in (strict, slack):
                tally.add(blocks)
        said = strict.figures()
        passed += said.pass_at is not None
        harmed += said.harm_at is not None
        took.append(slack.figures().pass_at or math.inf)
    # At the limit itself a pass is wrong in alpha of all runs at most: 3 standard errors more for so few.
    most, unit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / FRESH), f"of {FRESH} runs"
    uneven = abs(statistics.mean(slower) - 0.5)
    return [
        _row("fresh twins, p50 <= 1.00 passed, busy neighbour", passed / FRESH, unit, most, "lower"),
        _row("fresh twins, p50 <= 1.00 called harm, busy neighbour", harmed / FRESH, unit, most, "lower"),
        _row(
            "fresh twins, rounds that the second loses, off a half", uneven, "", 1.5 / math.sqrt(len(slower)), "lower"
        ),
        _row("fresh twins, median blocks to a pass, p50 <= 1.05", statistics.median(took), "blocks", 300, "lower"),
    ]


def _plan() -> EvaluationPlan:
    data = DataFile(uri="bench")
    plan = build_plan(
        baseline=Subject(uri="a"),
        candidate=Subject(uri="b"),
        technique=Technique.OTHER,
        purpose=Purpose.MEMORY,
        packs=[PlannedPack(name="bench", version="1", task=Task.CLASSIFICATION, inputs=data, labels=data)],
        policy=PolicySpec(),
    )
    claim = Claim(
        name="p50",
        metric=Metric.LATENCY_RATIO,
        quantile="0.50",
        limit="1.05",
        enforcement=Enforcement.HARD,
        underpowered=Underpowered.REFUSE,
    )
    return plan.model_copy(update={"claims": (claim,)})


@contextlib.contextmanager
def _runner(pair: Pair, twins: bool = False) -> Iterator[tuple[Runner, Path, np.ndarray]]:
    """A real runner with two models of this shape (twins: the very same)."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        layout = Layout(folder, folder / "termination-log")
        for seed, role in enumerate(ROLES):
            layout.model(role).mkdir(parents=True)
            pair.write(np.random.default_rng(0 if twins else seed), layout.model(role))
        items = np.random.default_rng(3).normal(size=(pair.pack or pair.items, *pair.shape)).astype(np.float32)
        layout.inputs(0).mkdir(parents=True)
        np.savez(layout.inputs(0) / "inputs.npz", x=items)
        configuration = json.dumps({"packs": 1, "runtime": pair.runtime})
        environment = os.environ | {"PARITYGATE_ROOT": name, "PARITYGATE_RUNNER": configuration}
        process = subprocess.Popen([sys.executable, "-m", "paritygate_evaluator.runner"], env=environment)
        try:
            runner = Runner.connect(layout.socket, 60)
            runner.inputs()
            yield runner, folder, items
            runner.shutdown()
        finally:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def _neighbour() -> Iterator[None]:
    """A process that burns a core."""
    process = subprocess.Popen([sys.executable, "-c", "while True: sum(range(10_000))"])
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def _save(build: Callable[[np.random.Generator], onnx.ModelProto]) -> Callable[[np.random.Generator, Path], None]:
    return lambda rng, folder: onnx.save(build(rng), folder / "model.onnx")


def _mlp(rng: np.random.Generator, sizes: Sequence[int] = (64, 1024, 512, 10)) -> onnx.ModelProto:
    nodes, weights, last = [], [], "x"
    for k, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weights += [_weights(rng, f"w{k}", (inputs, outputs), inputs), _weights(rng, f"b{k}", (outputs,), inputs)]
        nodes.append(helper.make_node("Gemm", [last, f"w{k}", f"b{k}"], [f"g{k}"]))
        last = f"g{k}"
        if k < len(sizes) - 2:
            nodes.append(helper.make_node("Relu", [last], [f"r{k}"]))
            last = f"r{k}"
    return _model(nodes, weights, last, ["items", 64])


def _cnn(rng: np.random.Generator) -> onnx.ModelProto:
    channels, nodes, weights, last = (3, 32, 64, 64), [], [], "x"
    for k, (inputs, outputs) in enumerate(itertools.pairwise(channels)):
        weights.append(_weights(rng, f"w{k}", (outputs, inputs, 3, 3), 9 * inputs))
        nodes += [
            helper.make_node("Conv", [last, f"w{k}"], [f"c{k}"], pads=[1, 1, 1, 1], strides=[2, 2]),
            helper.make_node("Relu", [f"c{k}"], [f"r{k}"]),
        ]
        last = f"r{k}"
    weights.append(_weights(rng, "w", (64, 10), 64))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores0"]),
    ]
    return _model(nodes, weights, "scores0", ["items", 3, 32, 32])


def _weights(rng: np.random.Generator, name: str, shape: tuple[int, ...], fan_in: int) -> onnx.TensorProto:
    return numpy_helper.from_array(rng.normal(0, fan_in**-0.5, shape).astype(np.float32), name)


def _model(
    nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], last: str, shape: list[Any]
) -> onnx.ModelProto:
    nodes.append(helper.make_node("Softmax", [last], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["items", 10])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(name: str, value: float, unit: str, limit: float | None, better: str = "higher") -> dict[str, Any]:
    ok = limit is None or (value >= limit if better == "higher" else value <= limit)
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": better, "ok": ok}
