"""`python -m paritygate_evaluator.runner`: hold the two models and answer the referee until it is done.

`PARITYGATE_RUNNER` is JSON: `{"packs": 1, "runtime": "onnxruntime", "providers": ["CPUExecutionProvider"],
"threads": null}`; no threads = as many as the control group's CPU quota gives.
"""

import json
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..layout import Layout
from ..terminate import end_on_terminate
from .cores import usable_cores
from .items import InputsError, Rows, load_inputs
from .runtime import FORMATS, Options
from .supervisor import MOST_INPUT_BYTES, ROLES, Supervisor

CONFIGURATION = "PARITYGATE_RUNNER"
EXIT_ERROR = 4
_PATIENCE = 600.0
"""Seconds to wait for the referee. In a pod both containers start together."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the runner is told: nothing of labels or margins."""

    packs: int
    calibration: bool
    runtime: str
    options: Options


def main() -> int:
    """Run; the exit code."""
    end_on_terminate()
    layout = Layout.from_environment()
    try:
        configuration = _configuration(os.environ.get(CONFIGURATION, ""))
    except (ValueError, KeyError, TypeError) as error:
        print(f"environment variable {CONFIGURATION}: {error!r}", file=sys.stderr)
        return EXIT_ERROR
    listener = _listen(layout.socket)
    items: Mapping[str, Rows] = {}
    counts: tuple[int, ...] = ()
    inputs_error = ""
    try:
        items, counts = load_inputs([layout.inputs(k) for k in range(configuration.packs)], MOST_INPUT_BYTES)
    except InputsError as error:
        inputs_error = str(error)
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        print(f"no referee came within {_PATIENCE:.0f} s", file=sys.stderr)
        return EXIT_ERROR
    finally:
        listener.close()
        layout.socket.unlink(missing_ok=True)
    models = {role: layout.model(role) for role in ROLES}
    calibration = layout.calibration if configuration.calibration else None
    asked = configuration.runtime, configuration.options
    Supervisor(connection, models, items, counts, inputs_error, *asked, calibration).serve()
    return 0


def _configuration(text: str) -> Configuration:
    raw = json.loads(text or "{}")
    threads = raw.get("threads")
    return Configuration(
        packs=int(raw.get("packs", 1)),
        calibration=raw.get("calibration") is True,
        runtime=str(raw.get("runtime", "onnxruntime")),
        options=Options(
            providers=tuple(raw.get("providers", ("CPUExecutionProvider",))),
            threads=usable_cores() if threads is None else int(threads),
            formats=tuple(raw.get("formats", FORMATS)),
        ),
    )


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    listener.settimeout(_PATIENCE)
    return listener


if __name__ == "__main__":
    sys.exit(main())
