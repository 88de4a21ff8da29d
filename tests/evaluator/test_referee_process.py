"""The referee as a process: what its container's log and termination message hold."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from .case import Case


def test_an_error_is_a_result_too_and_nothing_else_is_printed_beside_it(case: Case, tmp_path: Path) -> None:
    layout = case._lay_out()
    for labels in layout.labels(0).iterdir():
        labels.unlink()
    message = tmp_path / "termination"
    environment = os.environ | {
        "PARITYGATE_ROOT": str(case.root),
        "PARITYGATE_TERMINATION_LOG": str(message),
        "PARITYGATE_PLAN": case.plan().model_dump_json(by_alias=True, exclude_none=True),
        "PARITYGATE_RUNNER": json.dumps({"packs": 1, "threads": 1}),
    }
    runner = subprocess.Popen([sys.executable, "-m", "paritygate_evaluator.runner"], env=environment)
    command = [sys.executable, "-m", "paritygate_evaluator.referee"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert runner.wait(10) == 0, "dismissed: it would hold the pod"
    assert (done.returncode, done.stderr) == (0, "")
    last = done.stdout.splitlines()[-1]
    assert json.loads(last)["reason"] == "PackInvalid"
    assert message.read_text() == "sha256:" + hashlib.sha256(last.encode()).hexdigest()
