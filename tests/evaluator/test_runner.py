"""The runner seen from its socket: two models, each in a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from paritygate.api import Reason
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.client import ModelFailedError, Runner
from paritygate_evaluator.runner.items import IN_MEMORY
from paritygate_evaluator.runner.perturb import Kind, Perturbation
from paritygate_evaluator.runner.runtime import Options
from paritygate_evaluator.runner.supervisor import Supervisor

from .models import answers, copying, save
from .processes import leaves

pytestmark = pytest.mark.whole

ITEMS = 300


class Lab:
    """A running runner and what it was given."""

    def __init__(self, root: Path, padding: int = 0, candidate_rows: int | str = "items") -> None:
        """`padding`: numbers beside the model's input, an item, which it does not take."""
        self.root = root
        says = np.arange(ITEMS) % 4
        self.x = answers(says, (says + 1) % 4)
        (root / "inputs" / "0").mkdir(parents=True)
        arrays = {"x": self.x} | ({"other": np.ones((ITEMS, padding), np.float32)} if padding else {})
        np.savez(root / "inputs" / "0" / "i.npz", **arrays)
        for half, role in enumerate(("baseline", "candidate")):
            save(copying(half, rows=candidate_rows if half else "items"), root / "models" / role)
        environment = os.environ | {"PARITYGATE_ROOT": str(root), "PARITYGATE_RUNNER": json.dumps({"threads": 3})}
        self.process = subprocess.Popen([sys.executable, "-m", "paritygate_evaluator.runner"], env=environment)
        self.runner = Runner.connect(root / "socket" / "runner.sock", 30)
        self.runner.inputs()
        for role in ("baseline", "candidate"):
            self.runner.load(role)

    def end(self) -> None:
        """Let it end."""
        self.runner.shutdown()
        self.process.terminate()
        self.process.wait(10)

    def children(self) -> list[int]:
        """Process ids of baseline and candidate."""
        return leaves(self.process.pid)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.end()


def test_outputs_are_those_of_a_plain_session_in_any_order_and_batch(lab: Lab) -> None:
    session = ort.InferenceSession(str(lab.root / "models" / "candidate" / "model.onnx"))
    (expected,) = session.run(None, {"x": lab.x})
    for batch in (1, 7, 128, 1000):
        indices = np.random.default_rng(batch).permutation(ITEMS)[:257]
        (got,) = lab.runner.outputs("candidate", indices, batch)
        np.testing.assert_array_equal(got, expected[indices])


def test_blocks_are_four_positive_times_and_the_control_is_the_baseline_twice(lab: Lab) -> None:
    swapped = np.array([False, True] * 10)
    indices = np.arange(40).reshape(20, 2)
    for second in ("candidate", "baseline"):
        blocks = lab.runner.latency(second, swapped, indices)
        assert blocks.shape == (20, 4)
        assert (blocks > 0).all()
    assert lab.runner.outputs("baseline", np.arange(3), 1)[0].shape == (3, 4)


def test_fresh_blocks_are_of_new_processes_and_the_old_ones_are_gone(lab: Lab) -> None:
    before = lab.children()
    for swapped in ([False, True], [True, False]):
        assert (lab.runner.latency("candidate", np.array(swapped), np.arange(4).reshape(2, 2), fresh=True) > 0).all()
        after = lab.children()
        assert len(after) == 2
        assert not set(after) & set(before)
        before = after
    assert lab.runner.outputs("candidate", np.arange(3), 1)[0].shape == (3, 4)


def test_a_model_that_does_not_load_again_is_told(lab: Lab) -> None:
    (lab.root / "models" / "baseline" / "model.onnx").write_bytes(b"gone")
    with pytest.raises(ModelFailedError) as error:
        lab.runner.latency("candidate", np.array([False]), np.array([[0, 1]]), fresh=True)
    assert (error.value.role, error.value.kind) == ("baseline", "Refused")


def test_memory_is_each_models_own(lab: Lab) -> None:
    memory = lab.runner.memory()
    assert 1 << 20 < memory["baseline"] < 1 << 30
    assert 0.5 < memory["candidate"] / memory["baseline"] < 2


def test_loading_again_is_timed_in_processes_of_its_own(lab: Lab) -> None:
    before = lab.children()
    times = lab.runner.load_times("candidate", 3)
    assert times.shape == (3,)
    assert {*before} <= {*lab.children()}
    with pytest.raises(ModelFailedError, match="can't answer"):
        lab.runner.load_times("candidate", 101)


def test_throughput_is_timed_in_turns_and_a_failure_leaves_both_models_usable(lab: Lab) -> None:
    for size in (1, 8, 500):
        assert lab.runner.throughput(size, 5).shape == (5, 2)
    with pytest.raises(ModelFailedError, match="0 items"):
        lab.runner.throughput(0, 5)
    with pytest.raises(ModelFailedError, match="calls of"):
        lab.runner.throughput(1 << 20, 1 << 20)
    assert lab.runner.outputs("baseline", np.arange(3), 1)[0].shape == (3, 4)


def test_a_model_that_fails_to_be_timed_leaves_the_other_ready(tmp_path: Path) -> None:
    lab = Lab(tmp_path, candidate_rows=1)
    try:
        with pytest.raises(ModelFailedError) as error:
            lab.runner.throughput(8, 5)
        assert (error.value.role, error.value.kind) == ("candidate", "RunFailed")
        assert lab.runner.throughput(1, 5).shape == (5, 2)
    finally:
        lab.end()


def test_times_stand_with_the_model_and_the_turn_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(_: object, places: object, size: int, order: Sequence[str]) -> tuple[dict[str, str], np.ndarray]:
        return {}, np.array([call + 100 * (role == "candidate") for call, role in enumerate(order)])

    monkeypatch.setattr(Supervisor, "_series", counted)
    items = {"x": np.zeros((9, 1))}
    supervisor = Supervisor(socket.socket(), {}, items, (9,), "", "onnxruntime", Options((), 1))
    _, (blocks,) = supervisor._latency("candidate", np.array([False, True]), np.zeros((2, 2), np.int64))
    assert blocks.tolist() == [[0, 3, 101, 102], [5, 6, 104, 107]]
    _, (control,) = supervisor._latency("baseline", np.array([True]), np.zeros((1, 2), np.int64))
    assert control.tolist() == [[1, 2, 0, 3]]
    _, (pairs,) = supervisor._throughput(2, 3)
    assert pairs.tolist() == [[0, 101], [3, 102], [4, 105]]


def test_statistics_are_of_the_items(lab: Lab) -> None:
    statistics = lab.runner.statistics()
    assert statistics.max_abs.tolist() == [5] * ITEMS
    assert statistics.length.tolist() == [-1] * ITEMS


def test_disturbed_items_are_the_same_for_both_models_in_any_batch(lab: Lab) -> None:
    noise = Perturbation(Kind.GAUSSIAN_NOISE, 0.5, 3)
    x = noise.applied("x", lab.x, np.arange(ITEMS))
    indices = np.random.default_rng(0).permutation(ITEMS)[:200]
    for batch in (1, 7, 200):
        (first,) = lab.runner.outputs("baseline", indices, batch, noise)
        (second,) = lab.runner.outputs("candidate", indices[::-1], batch, noise)
        np.testing.assert_array_equal(first, x[indices, :4])
        np.testing.assert_array_equal(second[::-1], x[indices, 4:])
    with pytest.raises(ModelFailedError, match="Typos needs an input of text"):
        lab.runner.outputs("baseline", indices, 8, Perturbation(Kind.TYPOS, 0.5, 3))


def test_layers_are_what_each_model_computes_on_its_way(lab: Lab) -> None:
    indices = np.array([5, 0, 299])
    for half, layers in enumerate(lab.runner.layers(indices)):
        np.testing.assert_array_equal(layers["copied"], lab.x[indices, 4 * half : 4 * half + 4])
    with pytest.raises(ModelFailedError, match="can't answer"):
        lab.runner.layers(np.arange(9))


def test_a_pack_on_the_disk_is_run_and_timed_as_one_in_memory(tmp_path: Path) -> None:
    lab = Lab(tmp_path, padding=1 + IN_MEMORY // (ITEMS * 4))
    try:
        indices = np.random.default_rng(0).permutation(ITEMS)[:100]
        (got,) = lab.runner.outputs("candidate", indices, 8)
        np.testing.assert_array_equal(got, lab.x[indices, 4:])
        assert lab.runner.latency("candidate", np.array([True, False]), np.arange(4).reshape(2, 2)).shape == (2, 4)
        assert lab.runner.throughput(4, 3).shape == (3, 2)
        assert lab.runner.memory()["candidate"] < IN_MEMORY
    finally:
        lab.end()


def test_a_model_process_that_is_killed_is_told(lab: Lab) -> None:
    os.kill(lab.children()[1], signal.SIGKILL)
    with pytest.raises(ModelFailedError, match=r"killed.*memory") as error:
        lab.runner.outputs("candidate", np.arange(5), 1)
    assert (error.value.role, error.value.kind) == ("candidate", "Lost")


def test_a_runner_that_dies_is_told(lab: Lab) -> None:
    lab.process.kill()
    with pytest.raises(EvaluatorError) as error:
        lab.runner.outputs("candidate", np.arange(5), 1)
    assert error.value.reason is Reason.RUNNER_LOST


def test_nothing_of_it_is_left_when_the_referee_goes(lab: Lab) -> None:
    children = lab.children()
    assert len(children) == 2
    lab.runner._sock.close()
    assert lab.process.wait(10) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_a_terminate_ends_it_and_its_models(lab: Lab) -> None:
    children = lab.children()
    lab.process.terminate()
    assert lab.process.wait(10) == 143
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_items_that_are_not_there_are_refused(lab: Lab) -> None:
    for indices in (np.array([0, ITEMS]), np.array([-1]), np.array([], np.int64)):
        with pytest.raises(ModelFailedError, match="asked for item"):
            lab.runner.outputs("candidate", indices, 1)


def test_no_runner_is_said_in_time(tmp_path: Path) -> None:
    with pytest.raises(EvaluatorError, match="did not answer"):
        Runner.connect(tmp_path / "nobody.sock", 0.05)
