"""A pack larger than memory: what referee and runner hold while they judge it, and how fast its items come.

`python -m tests.bench.streaming 20000` does the same with fewer items.
"""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper
from paritygate.api import EvaluationPlan, Metric, PlannedPack, Purpose, Subject, Task, Technique
from paritygate.api.pack import DataFile
from paritygate.api.policy import GateSpec, PolicySpec
from paritygate.judge import build_plan
from paritygate_evaluator.layout import Layout
from paritygate_evaluator.referee.client import Runner
from pyarrow import parquet

WIDTH, CLASSES = 1024, 10
"""An item is 4 KiB of float32."""

DISTINCT = 10_000
"""Items that differ; the pack repeats them, which no part of the evaluator can tell."""

MOST_MIB = 512
GATHERED = 20_000
ROLES = ("baseline", "candidate")


@dataclass
class Memory:
    """Peak resident MiB of processes and their children, by name and in all, read until told to stop."""

    roots: dict[str, int]
    peaks: dict[int, tuple[str, int]] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Until `stopped`."""
        while not self.stopped.wait(0.01):
            self.look()

    def look(self) -> None:
        """One look. The kernel keeps each process's peak, so nothing is missed in between."""
        for name, root in self.roots.items():
            children = _read(f"/proc/{root}/task/{root}/children").split()
            for pid, called in [(root, name), *((int(child), f"{name}'s model") for child in children)]:
                lines = _read(f"/proc/{pid}/status").splitlines()
                peak = next((int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM")), 0)
                self.peaks[pid] = (called, max(peak, self.peaks.get(pid, ("", 0))[1]))

    def of(self, name: str) -> float:
        """Of one kind of process, the largest."""
        return max((peak for called, peak in self.peaks.values() if called == name), default=0)

    def all(self) -> float:
        """Every process's own peak, added up: at least what they held together at any time."""
        return sum(peak for _, peak in self.peaks.values())


def measure(items: int = 1_000_000) -> list[dict[str, Any]]:
    """Rows {name, value, unit, limit, better, ok}; about two minutes, and 4 GiB of disk while it runs."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        needed = int(items * 4 * WIDTH * 1.3)
        if shutil.disk_usage(folder).free < needed:
            raise RuntimeError(f"{folder} has no room for {needed >> 20:,} MiB; set TMPDIR to where there is")
        layout = Layout(folder, folder / "termination-log")
        rng = np.random.default_rng(0)
        block = rng.normal(size=(min(DISTINCT, items), WIDTH)).astype(np.float32)
        _write_models(layout, rng)
        _write_labels(layout, (block @ _weights(0)).argmax(1), items)
        _write_inputs(layout, block, items)
        rows = _judged(layout, items) + _gathered(layout, items)
        shutil.rmtree(layout.inputs(0))
        return rows + _converted(layout, block, max(items // 10, len(block)))


def _judged(layout: Layout, items: int) -> list[dict[str, Any]]:
    """The whole evaluation by the real processes."""
    plan = _plan(items).model_dump_json(by_alias=True, exclude_none=True)
    environment = _environment(layout) | {"PARITYGATE_PLAN": plan, "PARITYGATE_TERMINATION_LOG": os.devnull}
    command = [sys.executable, "-m", "paritygate_evaluator.referee"]
    planned, result = 0.0, {}
    with _process("runner", environment) as runner:
        referee = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        with _watched({"runner": runner.pid, "referee": referee.pid}) as memory:
            assert referee.stdout is not None
            for line in referee.stdout:
                result = json.loads(line)
                if result.get("stage") == "Planned":
                    memory.look()
                    planned = memory.of("referee")
        referee.wait(10)
    if result.get("outcome") not in ("Passed", "Inconclusive", "Failed"):
        raise RuntimeError(f"nothing was judged: {result.get('reason')}: {result.get('message')}")
    pack = f"{items:,} items of 4 KiB"
    return [
        _row(f"referee, runner and two tiny models, peak, {pack}", memory.all(), "MiB", MOST_MIB, "lower"),
        _row("of it: referee, labels read and power planned", planned, "MiB"),
        _row("of it: referee, in all", memory.of("referee"), "MiB"),
        _row("of it: runner without models", memory.of("runner"), "MiB"),
        _row("of it: the larger of the two model processes", memory.of("runner's model"), "MiB"),
        _row(f"items judged of {items:,}: {result['outcome']}", result["items"], "items"),
    ]


def _gathered(layout: Layout, items: int) -> list[dict[str, Any]]:
    """Items in the judge's order, that is any: from the disk, and again when the system still has them."""
    indices = np.random.default_rng(1).permutation(items)[:GATHERED]
    with _process("runner", _environment(layout)) as process, _watched({"runner": process.pid}) as memory:
        runner = Runner.connect(layout.socket, 60)
        runner.inputs()
        for role in ROLES:
            runner.load(role)
        batch, _ = runner.batch()
        _forget(next(layout.inputs(0).iterdir()))
        cold = _seconds(lambda: runner.outputs("baseline", indices, batch))
        warm = min(_seconds(lambda: runner.outputs("candidate", indices, batch)) for _ in range(5))
        statistics = _seconds(runner.statistics)
        repeats = _seconds(runner.repeats)
        runner.shutdown()
    return [
        _row(f"items anywhere in the pack through a tiny model, batch {batch}, cold disk", GATHERED / cold, "items/s"),
        _row(f"items anywhere in the pack through a tiny model, batch {batch}, again", GATHERED / warm, "items/s"),
        _row("figures of all items, cold disk", items / statistics, "items/s"),
        _row("which of all items repeat another, again", items / repeats, "items/s"),
        _row("runner and two tiny models, peak, with figures of all items", memory.all(), "MiB", MOST_MIB, "lower"),
    ]


def _converted(layout: Layout, block: np.ndarray, items: int) -> list[dict[str, Any]]:
    """What has to be unpacked first: compressed, or columns of lists."""
    rows = []
    for what in ("compressed .npz", "Parquet, one row group"):
        shutil.rmtree(layout.inputs(0), ignore_errors=True)
        if what.startswith("Parquet"):
            _write_parquet(layout, block, items)
        else:
            _write_inputs(layout, block, items, zipfile.ZIP_DEFLATED)
        with _process("runner", _environment(layout)) as process, _watched({"runner": process.pid}) as memory:
            runner = Runner.connect(layout.socket, 60)
            took = _seconds(runner.inputs)
            runner.shutdown()
        rows += [
            _row(f"unpacked, {what}", items * 4 * WIDTH / took / 2**20, "MiB/s"),
            _row(
                f"runner, peak, {what}, {items * 4 * WIDTH >> 20:,} MiB", memory.of("runner"), "MiB", MOST_MIB, "lower"
            ),
        ]
    return rows


def _plan(items: int) -> EvaluationPlan:
    data = DataFile(uri="bench")
    # About 20,000 items of a million; of a smaller pack a wider margin, or nothing would be run.
    margin = min(0.0025 * (1_000_000 / items) ** 0.5, 0.1)
    gates = (
        GateSpec.model_validate({"name": "accuracy", "metric": "Accuracy", "margin": f"{margin:.4f}"}),
        GateSpec.model_validate({"name": "by-band", "metric": "Accuracy", "margin": "0.05", "sliceBy": "band"}),
    )
    plan = build_plan(
        baseline=Subject(uri="a"),
        candidate=Subject(uri="b"),
        technique=Technique.INT8_STATIC,
        purpose=Purpose.MEMORY,
        packs=[
            PlannedPack(
                name="bench", version="1", task=Task.CLASSIFICATION, inputs=data, labels=data, slices=("band", "region")
            )
        ],
        policy=PolicySpec(gates=gates),
    )
    return plan.model_copy(update={"claims": tuple(c for c in plan.claims if c.metric is Metric.ACCURACY)})


def _write_models(layout: Layout, rng: np.random.Generator) -> None:
    """Both as near to the truth as the other: they differ, neither is better."""
    for role in ROLES:
        weights = (_weights(0) + rng.normal(0, 0.02, (WIDTH, CLASSES))).astype(np.float32)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["scores"])],
            "bench",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["items", WIDTH])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["items", CLASSES])],
            [numpy_helper.from_array(weights, "w")],
        )
        layout.model(role).mkdir(parents=True)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, layout.model(role) / "model.onnx")
        layout.found(role).parent.mkdir(exist_ok=True)
        layout.found(role).write_text(json.dumps({"digest": "sha256:" + "0" * 64, "size": weights.nbytes}))


def _weights(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(WIDTH, CLASSES)).astype(np.float32)


def _write_labels(layout: Layout, truth: np.ndarray, items: int) -> None:
    layout.labels(0).mkdir(parents=True)
    with (layout.labels(0) / "labels.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("id", "label", "band", "region"))
        classes = truth.tolist()
        writer.writerows((f"item-{k:07d}", classes[k % len(classes)], k % 7, k % 50) for k in range(items))


def _write_inputs(layout: Layout, block: np.ndarray, items: int, compression: int = zipfile.ZIP_STORED) -> None:
    layout.inputs(0).mkdir(parents=True)
    header = {"descr": block.dtype.str, "fortran_order": False, "shape": (items, WIDTH)}
    with (
        zipfile.ZipFile(layout.inputs(0) / "inputs.npz", "w", compression, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for start in range(0, items, len(block)):
            part = block[: items - start].copy()
            part[:, -1] += 1e-3 * (start // len(block))  # or all but the first block would be repeats
            member.write(part.tobytes())


def _write_parquet(layout: Layout, block: np.ndarray, items: int) -> None:
    layout.inputs(0).mkdir(parents=True)
    column = pa.FixedSizeListArray.from_arrays(block.reshape(-1), WIDTH)
    table = pa.table({"x": pa.chunked_array([column] * (items // len(block)))})
    parquet.write_table(table, layout.inputs(0) / "inputs.parquet", row_group_size=len(table), use_dictionary=False)


def _environment(layout: Layout) -> dict[str, str]:
    return os.environ | {"PARITYGATE_ROOT": str(layout.root), "PARITYGATE_RUNNER": json.dumps({"packs": 1})}


@contextlib.contextmanager
def _process(module: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", f"paritygate_evaluator.{module}"], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def _watched(roots: dict[str, int]) -> Iterator[Memory]:
    memory = Memory(roots)
    watcher = threading.Thread(target=memory.watch)
    watcher.start()
    try:
        yield memory
    finally:
        memory.stopped.set()
        watcher.join()


def _forget(file: Path) -> None:
    """Let the system drop what it has of a file."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""  # it has ended


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(name: str, value: float, unit: str, limit: float | None = None, better: str = "higher") -> dict[str, Any]:
    ok = limit is None or (value >= limit if better == "higher" else value <= limit)
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": better, "ok": ok}


if __name__ == "__main__":
    for row in measure(int(sys.argv[1])):
        print(f"{row['name']:<85} {row['value']:>12,.0f} {row['unit']}")
