"""The three stories, told as they happen, and checked: a story that ends otherwise ends the demo with an error."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from examples.demo.stage import Stage
from tests.cluster.progress import say

TRAFFIC = Path(__file__).with_name("traffic.py")
PATIENCE = 420.0
"""Seconds a story may take on a slow machine."""


class Traffic:
    """Requests through the data plane while a story runs, counted by the model that answered."""

    def __init__(self, stage: Stage) -> None:
        self._versions = stage.versions
        argv = stage.cluster.command([sys.executable, TRAFFIC, str(stage.cluster.entrance), stage.host])
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._last: dict[str, int] = {}
        Thread(target=self._read, daemon=True).start()

    def totals(self) -> dict[str, int]:
        """Answers so far, by model name; failures by what they were."""
        return {self._versions.get(key, key): count for key, count in self._last.items()}

    def stop(self) -> None:
        """End the stream."""
        self._process.terminate()
        self._process.wait(10)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._last = json.loads(line)


@contextmanager
def traffic(stage: Stage) -> Iterator[Traffic]:
    """Traffic that has begun to be answered."""
    stream = Traffic(stage)
    try:
        _until(lambda: sum(stream.totals().values()) > 0, 30, "no request was answered")
        yield stream
    finally:
        stream.stop()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a story ended."""

    name: str
    verdict: str
    message: str
    counts: dict[str, int]
    seconds: float
    release: dict[str, Any]
    report: str


def tell(stage: Stage, name: str, stream: Traffic) -> Ending:
    """Apply a story's manifest, follow it to its end, and say what happens on the way."""
    before, started = stream.totals(), time.monotonic()
    manifest = stage.manifests / f"{name}.yaml"
    say(f"$ kubectl apply -f {manifest.relative_to(Path.cwd()) if manifest.is_relative_to(Path.cwd()) else manifest}")
    stage.kubectl("apply", "-f", str(manifest))
    status = follow(stage, name, stream)
    time.sleep(1.5)
    counts = {key: count - before.get(key, 0) for key, count in stream.totals().items()}
    verdict = status.get("verdict", {})
    return Ending(
        name=name,
        verdict=verdict.get("outcome", "none"),
        message=verdict.get("message", ""),
        counts={key: count for key, count in counts.items() if count},
        seconds=time.monotonic() - started,
        release=status.get("release") or {},
        report=verdict.get("report", ""),
    )


def follow(stage: Stage, name: str, stream: Traffic | None = None) -> dict[str, Any]:
    """The status of a validation once it has come to an end (Ready or Stalled)."""
    told, end = "", time.monotonic() + PATIENCE
    step_counts = stream.totals() if stream else {}
    while time.monotonic() < end:
        found = stage.get("compressionvalidation", name)
        status = found.get("status", {})
        by = {c["type"]: c for c in status.get("conditions", ())}
        line = _line(by, status)
        if line and line != told:
            told = line
            now = stream.totals() if stream else {}
            seen = {k: v - step_counts.get(k, 0) for k, v in now.items() if v > step_counts.get(k, 0)}
            say(f"  {line}" + (f"   [since the last line: {_counted(seen)}]" if seen else ""))
            step_counts = now
        current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
        if current and (_true(by, "Ready") or _true(by, "Stalled")):
            return dict(status)
        time.sleep(0.4)
    raise SystemExit(
        f"{name} came to no end within {PATIENCE:.0f} s; look: kubectl describe compressionvalidation {name}"
    )


def _line(by: dict[str, Any], status: dict[str, Any]) -> str:
    for kind in ("Stalled", "Reconciling", "Ready"):
        if _true(by, kind):
            shown = f"{by[kind]['reason']}: {by[kind]['message']}"
            return shown if len(shown) < 260 else shown[:257] + "..."
    return ""


def _true(by: dict[str, Any], kind: str) -> bool:
    return bool(by.get(kind, {}).get("status") == "True")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _until(condition: Any, seconds: float, otherwise: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(otherwise)
        time.sleep(0.2)


def expect(truth: bool, otherwise: str) -> None:
    """A story that comes out differently is an error, whatever else went well."""
    if not truth:
        raise SystemExit(f"the story came out differently: {otherwise}")


def promotion(stage: Stage, stream: Traffic) -> Ending:
    """Story 1."""
    ending = tell(stage, "story-1-good-int8", stream)
    expect(ending.verdict == "Passed", f"verdict {ending.verdict}: {ending.message}")
    expect(ending.release.get("outcome") == "Promoted", f"release {ending.release}")
    expect(ending.counts.get("int8", 0) > 0, f"no request reached the candidate: {ending.counts}")
    expect(not any(k.startswith("error") for k in ending.counts), f"requests were lost: {ending.counts}")
    return ending


def quiet_failure(stage: Stage, stream: Traffic) -> Ending:
    """Story 2."""
    ending = tell(stage, "story-2-quiet-failure", stream)
    expect(ending.verdict == "Failed", f"verdict {ending.verdict}: {ending.message}")
    expect("by-scanner/B" in ending.message, f"the segment isn't named: {ending.message}")
    expect("quiet" not in ending.counts, f"the failed candidate had traffic: {ending.counts}")
    return ending


def rollback(stage: Stage, stream: Traffic) -> Ending:
    """Story 3."""
    ending = tell(stage, "story-3-cannot-serve", stream)
    expect(ending.verdict == "Passed", f"verdict {ending.verdict}: {ending.message}")
    expect(ending.release.get("outcome") == "RolledBack", f"release {ending.release}")
    expect(ending.counts.get("leaky", 0) > 0, f"the candidate never had traffic: {ending.counts}")
    after = stream.totals()
    time.sleep(3)
    later = {k: v - after.get(k, 0) for k, v in stream.totals().items() if v > after.get(k, 0)}
    expect(set(later) == {"int8"}, f"after the rollback others than the baseline answered: {later}")
    return ending
