"""Processes for models that are loaded again: forked where the runtime's library is open already, if it allows that."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.client import ModelFailedError, Runner

from .processes import children, connections, gone

pytestmark = pytest.mark.whole

LIBRARY = """
import os, threading, time
import numpy as np
from paritygate_evaluator.runner.runtime import Port

with open({opened!r}, "a") as file:
    print(os.getpid(), file=file)
{beside}

class Runtime:
    inputs = outputs = (Port("x", "float32", (None, 2)),)
    provider = "CPUExecutionProvider"

    def load(self, folder, options):
        self.folder = folder
        return self

    def version(self):
        return "1"

    def run(self, items, indices, batch):
        if batch == 128:
            (self.folder / "at work").touch()
            time.sleep(600)
        return [np.take(items["x"], indices, axis=0)]

    def bound(self, feeds):
        return lambda: None
"""
MAIN = """
import sys
from paritygate_evaluator.runner.__main__ import main
from paritygate_evaluator.runner.runtime import RUNTIMES
RUNTIMES["library"] = "library:Runtime"
sys.exit(main())
"""
X = np.arange(20, dtype=np.float32).reshape(10, 2)


class Lab:
    """A runner of two models whose library tells which processes open it."""

    def __init__(self, root: Path, beside: str = "") -> None:
        """`beside`: what else its library does when it is opened."""
        self.root = root
        (root / "library.py").write_text(LIBRARY.format(opened=str(root / "opened"), beside=beside))
        (root / "main.py").write_text(MAIN)
        for role in ("baseline", "candidate"):
            (root / "models" / role).mkdir(parents=True)
        (root / "inputs" / "0").mkdir(parents=True)
        np.savez(root / "inputs" / "0" / "i.npz", x=X)
        told = {"PARITYGATE_ROOT": str(root), "PARITYGATE_RUNNER": json.dumps({"runtime": "library", "threads": 1})}
        self.process = subprocess.Popen([sys.executable, root / "main.py"], env=os.environ | told)
        self.runner = Runner.connect(root / "socket" / "runner.sock", 30)
        self.runner.inputs()
        for role in ("baseline", "candidate"):
            self.runner.load(role)
        self.first = children(self.process.pid)

    def a_round(self, candidate_first: bool = False) -> list[int]:
        """Time a block in fresh processes; their ids."""
        blocks = self.runner.latency("candidate", np.array([candidate_first]), np.array([[0, 1]]), fresh=True)
        assert (blocks > 0).all()
        return children(self.template)

    @property
    def template(self) -> int:
        (template,) = children(self.process.pid)
        return template

    def opened(self) -> list[int]:
        return [int(line) for line in (self.root / "opened").read_text().split()]

    def end(self) -> None:
        self.runner.shutdown()
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.end()


def test_every_round_has_fresh_processes_of_one_template_that_opened_the_library_once(lab: Lab) -> None:
    assert len(lab.first) == 2
    rounds = [lab.a_round(candidate_first) for candidate_first in (False, True, False)]
    pids = [pid for one in rounds for pid in one]
    assert len(set(pids)) == 6
    assert not {*pids} & {*lab.first, lab.template}
    assert gone([*lab.first, *pids[:4]])
    assert lab.runner.load_times("candidate", 3).shape == (3,)
    assert children(lab.template) == rounds[-1]
    assert sorted(lab.opened()) == sorted([*lab.first, lab.template])
    for role in ("baseline", "candidate"):
        (got,) = lab.runner.outputs(role, np.array([7, 2]), 1)
        np.testing.assert_array_equal(got, X[[7, 2]])


def test_a_process_holds_no_connection_but_its_own_and_may_run_where_the_runner_may(lab: Lab) -> None:
    """Another's, held open, would hide from that one that its other side has gone."""
    for fresh in range(3):
        pids = [*lab.a_round(), lab.template] if fresh else lab.first
        assert [connections(pid) for pid in pids] == [1] * len(pids)
        assert all(os.sched_getaffinity(pid) == os.sched_getaffinity(lab.process.pid) for pid in pids)


@pytest.mark.parametrize(
    "beside",
    ["threading.Thread(target=threading.Event().wait, daemon=True).start()", "device = open('/dev/zero')"],
    ids=["starts a thread", "opens a device"],
)
def test_a_library_that_can_not_be_forked_is_opened_by_each_process(tmp_path: Path, beside: str) -> None:
    lab = Lab(tmp_path, beside)
    try:
        for _ in range(2):
            lab.runner.latency("candidate", np.array([False]), np.array([[0, 1]]), fresh=True)
            fresh = children(lab.process.pid)
            assert len(fresh) == 2
            assert {*fresh} <= {*lab.opened()}
        # Two to begin with, one that was to be a template, two each round.
        assert len(lab.opened()) == 2 + 1 + 2 * 2
    finally:
        lab.end()


def test_a_fresh_process_that_is_killed_is_told(lab: Lab) -> None:
    for pid in lab.a_round():
        os.kill(pid, signal.SIGKILL)
    for role in ("baseline", "candidate"):
        with pytest.raises(ModelFailedError, match=r"its process was killed.*memory") as error:
            lab.runner.outputs(role, np.arange(5), 1)
        assert (error.value.role, error.value.kind) == (role, "Lost")


def test_a_template_that_is_killed_is_told_and_what_it_forked_ends(lab: Lab) -> None:
    models = lab.a_round()
    os.kill(lab.template, signal.SIGKILL)
    assert gone(models)
    with pytest.raises(ModelFailedError, match="its process was killed") as error:
        lab.runner.outputs("candidate", np.arange(5), 1)
    assert error.value.kind == "Lost"
    with pytest.raises(ModelFailedError, match=r"from which models get theirs was killed.*memory") as error:
        lab.runner.latency("candidate", np.array([False]), np.array([[0, 1]]), fresh=True)
    assert error.value.kind == "Lost"


@pytest.mark.parametrize("fresh", [False, True], ids=["first processes", "forked by the template"])
def test_a_killed_runner_leaves_nothing_even_when_its_models_are_at_work(lab: Lab, fresh: bool) -> None:
    left = [*lab.a_round(), lab.template] if fresh else lab.first
    asking = threading.Thread(target=_asked_for_long, args=(lab.runner,))
    asking.start()
    while not (lab.root / "models" / "candidate" / "at work").exists():
        assert asking.is_alive()
        time.sleep(0.01)
    lab.process.kill()
    asking.join(10)
    assert gone(left)


def _asked_for_long(runner: Runner) -> None:
    with pytest.raises(EvaluatorError):
        runner.outputs("candidate", np.arange(5), 128)


def test_nothing_of_it_is_left_when_the_referee_goes(lab: Lab) -> None:
    left = [*lab.a_round(), lab.template]
    lab.runner._sock.close()
    assert lab.process.wait(10) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in left)
