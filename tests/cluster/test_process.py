"""Processes are known by pid, start time and boot; what only has the same pid is never touched."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.process import Daemon, Daemons


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    made = Daemons(tmp_path)
    yield made
    made.kill_all()


def _sleeper(seconds: int = 600) -> Daemon:
    return Daemon("sleeper", ("sleep", str(seconds)))


def _wait(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ensure_starts_once(daemons: Daemons) -> None:
    assert daemons.ensure(_sleeper())
    pid = daemons.pid("sleeper")
    assert not daemons.ensure(_sleeper())
    assert daemons.pid("sleeper") == pid


def test_another_command_is_another_process(daemons: Daemons) -> None:
    daemons.ensure(_sleeper())
    before = daemons.pid("sleeper")
    assert daemons.ensure(_sleeper(601))
    assert daemons.pid("sleeper") != before


def test_changed_configuration_restarts(daemons: Daemons, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("a")
    daemon = Daemon("sleeper", ("sleep", "600"), inputs=(config,))
    daemons.ensure(daemon)
    config.write_text("b")
    assert daemons.ensure(daemon)


def test_a_killed_process_is_started_again(daemons: Daemons) -> None:
    daemons.ensure(_sleeper())
    pid = daemons.pid("sleeper")
    assert pid
    os.kill(pid, signal.SIGKILL)
    _wait(lambda: daemons.pid("sleeper") is None)
    assert daemons.ensure(_sleeper())


@pytest.mark.parametrize("wrong", [{"started": 1}, {"boot": "another"}])
def test_a_reused_pid_is_not_ours(daemons: Daemons, tmp_path: Path, wrong: dict[str, object]) -> None:
    with subprocess.Popen(["sleep", "600"]) as stranger:
        daemons.ensure(_sleeper())
        record = tmp_path / "processes" / "sleeper.json"
        known = json.loads(record.read_text())
        record.write_text(json.dumps({**known, "pid": stranger.pid, **wrong}))
        assert daemons.pid("sleeper") is None
        daemons.stop("sleeper")
        daemons.kill_all()
        assert stranger.poll() is None
        stranger.kill()


def test_what_was_started_and_never_recorded_is_found(daemons: Daemons, tmp_path: Path) -> None:
    daemons.ensure(_sleeper())
    pid = daemons.pid("sleeper")
    (tmp_path / "processes" / "sleeper.json").unlink()
    daemons.kill_all()
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_logs_are_kept_by_name(daemons: Daemons) -> None:
    daemons.ensure(Daemon("speaker", ("sh", "-c", "echo said; exec sleep 600")))
    _wait(lambda: "said" in daemons.log_end("speaker"))
    assert daemons.names() == ["speaker"]
