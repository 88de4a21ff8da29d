"""`kill -9` of the operator at any moment changes nothing of the outcome."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from examples.demo.stage import SYSTEM, Stage
from examples.demo.stories import Traffic, follow, promotion, quiet_failure

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]


class Operator:
    """An operator process that is killed at random moments and started again at once."""

    def __init__(self, stage: Stage, log: Path) -> None:
        self._stage, self._log = stage, log
        self._process: subprocess.Popen[bytes] | None = None
        self._stop = Event()
        self.kills = 0

    def run(self, moments: list[float]) -> None:
        """Start; kill and start again after each of `moments` (seconds between kills); then keep running."""
        self._start()
        for moment in moments:
            if self._stop.wait(moment):
                break
            self._kill()
            self.kills += 1
            self._start()
        self._stop.wait()
        self._kill()

    def stop(self) -> None:
        self._stop.set()

    def _start(self) -> None:
        argv = self._stage.cluster.command([sys.executable, "-m", "paritygate.shell"])
        env = self._stage.cluster.env() | {
            "PARITYGATE_EVALUATOR_IMAGE": self._stage.images.evaluator,
            "PARITYGATE_IMAGE_PULL_POLICY": "Never",
            "PARITYGATE_NAMESPACE": SYSTEM,
            # The same identity takes its own Lease back at once: the process before is surely dead.
            "PARITYGATE_LEASE": "kill-test",
            "PARITYGATE_IDENTITY": "kill-test",
            "PARITYGATE_BIND_PORT": "0",
        }
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(argv, env=env, stdout=out, stderr=out, start_new_session=True)

    def _kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def killed_operator(stage: Stage, moments: list[float], log: Path) -> Iterator[Operator]:
    """The installed operator stands aside while one of our own is killed."""
    stage.cluster.kubectl("-n", SYSTEM, "scale", "deployment/paritygate", "--replicas=0")
    stage.cluster.kubectl(
        "-n", SYSTEM, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=paritygate", "--timeout=60s"
    )
    operator = Operator(stage, log)
    thread = Thread(target=operator.run, args=(moments,))
    thread.start()
    try:
        yield operator
    finally:
        operator.stop()
        thread.join(60)
        stage.cluster.kubectl("-n", SYSTEM, "scale", "deployment/paritygate", "--replicas=2")
        stage.cluster.kubectl("-n", SYSTEM, "rollout", "status", "deployment/paritygate", "--timeout=120s")


def test_ten_kills_at_random_moments_change_nothing(stage: Stage, stream: Traffic, tmp_path: Path):
    seed = int(os.environ.get("PARITYGATE_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}: PARITYGATE_SEED={seed} repeats the moments")
    draw = random.Random(seed)
    # Undisturbed, story 1 takes about 30 s and story 2 about 8: kills often enough to fall into every part of them. One
    # that falls behind the end is a kill, too: it must not change what was decided.
    for story, kills, longest in ((promotion, 6, 5.5), (quiet_failure, 4, 2.5)):
        moments = [draw.uniform(0.3, longest) for _ in range(kills)]
        with killed_operator(stage, moments, tmp_path / "operator.log") as operator:
            ending = story(stage, stream)
            while operator.kills < kills:
                time.sleep(0.1)
            assert follow(stage, ending.name)["verdict"]["outcome"] == ending.verdict, f"seed {seed}"
        jobs = stage.kubectl("get", "jobs", "-o", "name").split()
        assert len([j for j in jobs if ending.name in j]) <= 1, f"one attempt, one Job: {jobs}"
