"""The runner seen from its socket: two models, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from paritygate.api import Reason
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.client import ModelFailedError, Runner

from .models import answers, copying, save

ITEMS = 300


class Lab:
    """A running runner and what it was given."""

    def __init__(self, root: Path) -> None:
        self.root = root
        says = np.arange(ITEMS) % 4
        self.x = answers(says, (says + 1) % 4)
        (root / "inputs" / "0").mkdir(parents=True)
        np.savez(root / "inputs" / "0" / "i.npz", x=self.x)
        for half, role in enumerate(("baseline", "candidate")):
            save(copying(half), root / "models" / role)
        environment = os.environ | {"PARITYGATE_ROOT": str(root), "PARITYGATE_RUNNER": json.dumps({"threads": 3})}
        self.process = subprocess.Popen([sys.executable, "-m", "paritygate_evaluator.runner"], env=environment)
        self.runner = Runner.connect(root / "socket" / "runner.sock", 30)
        self.runner.inputs()
        for role in ("baseline", "candidate"):
            self.runner.load(role)

    def children(self) -> list[int]:
        """Process ids of baseline and candidate."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return sorted(int(pid) for pid in text.split())


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.runner.shutdown()
    lab.process.terminate()
    lab.process.wait(10)


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


def test_memory_is_each_models_own(lab: Lab) -> None:
    memory = lab.runner.memory()
    assert 1 << 20 < memory["baseline"] < 1 << 30
    assert 0.5 < memory["candidate"] / memory["baseline"] < 2


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
