"""An evaluation as three local processes: the code that runs in an evaluator pod, with a folder for its volumes."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from paritygate_evaluator.layout import ROOT, TERMINATION_LOG, Layout
from paritygate_evaluator.referee.cache_room import CACHE_BYTES, DEFAULT_BYTES
from pydantic import ValidationError

from paritygate.api import DataFile, EvaluationPlan, EvaluationResult, Outcome, Progress, Reason, Subject
from paritygate.judge import plan_digest

from .usage import UsageError

CACHE = "cache"
"""Where `Layout.cache` looks for the baseline's answers, below its root."""

_END_SECONDS = 5.0
_MOST_LOG = 4000


@dataclass(frozen=True, slots=True)
class LocalEvaluation:
    """One evaluation on this machine."""

    plan: EvaluationPlan
    tell: Callable[[Progress], None]
    cache: Path | None = None
    """A folder in which the baseline's answers are kept for the next candidate."""
    cache_bytes: int = DEFAULT_BYTES
    """What all that is kept there may take."""

    def run(self) -> EvaluationResult:
        """Fetch, run, judge. An error of any of the three is a result too: outcome Error, with its reason."""
        with tempfile.TemporaryDirectory(prefix="paritygate-") as folder:
            layout = Layout(Path(folder), Path(folder) / "termination-log")
            if self.cache:
                (layout.root / CACHE).symlink_to(self.cache.resolve(), target_is_directory=True)
            refused = self._fetch(layout)
            return refused or self._judge(layout)

    def _fetch(self, layout: Layout) -> EvaluationResult | None:
        wanted = [
            _wanted("baseline", self.plan.baseline, layout.model("baseline")),
            _wanted("candidate", self.plan.candidate, layout.model("candidate")),
        ]
        for k, pack in enumerate(self.plan.packs):
            wanted.append(_wanted(f"inputs-{k}", pack.inputs, layout.inputs(k)))
            wanted.append(_wanted(f"labels-{k}", pack.labels, layout.labels(k)))
        if self.plan.calibration:
            wanted.append(_wanted("calibration", self.plan.calibration, layout.calibration))
        environment = {"PARITYGATE_FETCH": json.dumps(wanted), "PARITYGATE_LOCAL": "1"}
        with _process("fetch", layout, environment, subprocess.DEVNULL) as process:
            code = process.wait()
        if code == 0:
            return None
        return self._error(*_left_behind(layout, "fetch", code))

    def _judge(self, layout: Layout) -> EvaluationResult:
        runner = self.plan.runner_configuration()
        # Only the referee is told the plan: the runner, with somebody's models in it, sees no margin and no label.
        with (
            _process("runner", layout, {"PARITYGATE_RUNNER": json.dumps(runner)}, subprocess.DEVNULL),
            _process("referee", layout, self._referee(), subprocess.PIPE) as referee,
        ):
            last = self._follow(referee.stdout) if referee.stdout else b""
            code = referee.wait()
        if code:
            return self._error(*_left_behind(layout, "referee", code))
        return self._result(last, layout)

    def _referee(self) -> dict[str, str]:
        return {"PARITYGATE_PLAN": json.dumps(self.plan.dump()), CACHE_BYTES: str(self.cache_bytes)}

    def _follow(self, lines: IO[bytes]) -> bytes:
        """Tell every progress line; the last line."""
        last = b""
        for line in lines:
            last = line.rstrip(b"\n")
            if b'"progress"' in last:
                with contextlib.suppress(ValidationError):
                    self.tell(Progress.model_validate_json(last))
        return last

    def _result(self, line: bytes, layout: Layout) -> EvaluationResult:
        try:
            said = layout.termination_log.read_text().strip()
            if said != f"sha256:{hashlib.sha256(line).hexdigest()}":
                return self._error(Reason.RESULT_REFUSED, "the referee's last line is not the result it signed off")
            return EvaluationResult.model_validate_json(line)
        except (OSError, ValidationError) as error:
            return self._error(Reason.RESULT_REFUSED, f"the referee left no readable result: {error}")

    def _error(self, reason: Reason, message: str) -> EvaluationResult:
        return EvaluationResult(
            input_digest=plan_digest(self.plan), outcome=Outcome.ERROR, reason=reason, message=message[:2048]
        )


def make_cache(folder: Path) -> None:
    """Make the folder, or refuse at once what would silently be no cache. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--cache: {folder} can't be made a folder: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--cache: {folder} can't be written; name a folder that is yours")


def _wanted(name: str, source: Subject | DataFile, place: Path) -> dict[str, str | None]:
    return {"name": name, "uri": source.uri, "digest": source.digest, "dest": str(place)}


@contextlib.contextmanager
def _process(name: str, layout: Layout, environment: dict[str, str], stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the evaluator, ended when the block is left: also by Ctrl-C."""
    settings = {ROOT: str(layout.root), TERMINATION_LOG: str(layout.termination_log)}
    with (layout.root / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"paritygate_evaluator.{name}"],
            env={**os.environ, **settings, **environment},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=log,
        )
    try:
        yield process
    except BaseException:
        process.terminate()
        raise
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _left_behind(layout: Layout, name: str, code: int) -> tuple[Reason, str]:
    """Why a process ended without a result: its termination message, else the end of its log."""
    try:
        left = json.loads(layout.termination_log.read_text())
        return Reason(left["reason"]), str(left["message"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it died before it could say why
    log = (layout.root / f"{name}.log").read_bytes()[-_MOST_LOG:].decode(errors="replace").strip()
    last = log.splitlines()[-1] if log else "it said nothing"
    return Reason.RUNNER_LOST, f"the {name} process ended with exit code {code}: {last}"
