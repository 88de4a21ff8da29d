"""An environment for each peer under build/peers, made by uv from pinned requirements, and one process in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .peers import Peer

HERE = Path(__file__).parent
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "EVALSIG_TELEMETRY": "0", "HF_HUB_OFFLINE": "1"}
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class PeerMissingError(RuntimeError):
    """This peer can't be asked here; says why."""


def install(peer: Peer, root: Path) -> Path:
    """The Python of the peer's environment, made if it is not there. Raises PeerMissingError with uv's last words."""
    if not peer.requirements:
        return Path(sys.executable)
    home = root / peer.key / ".venv"
    python, done = home / "bin/python", home / ".requirements"
    wanted = "\n".join(peer.requirements)
    if done.exists() and done.read_text() == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    said = ""
    for interpreter in _interpreters(peer.python):
        said = _uv("venv", "--quiet", "--python", interpreter, str(home))
        if not said:
            break
    said = said or _uv("pip", "install", "--quiet", "--python", str(python), *peer.requirements)
    if said:
        raise PeerMissingError(said)
    done.write_text(wanted)
    return python


def ask(peer: Peer, python: Path, job: Path) -> dict[str, Any]:
    """The adapter's answer to a job. Raises PeerMissingError with the end of what it wrote when it fails."""
    answer = job.with_suffix(".answer.json")
    taken_out = ("PYTHONPATH", "VIRTUAL_ENV") if peer.requirements else ()
    inherited = {name: value for name, value in os.environ.items() if name not in taken_out}
    command = [str(python.absolute()), "-m", peer.adapter, str(job.resolve()), str(answer.resolve())]
    # In a peer's environment `adapters` stands alone: nothing of ours beside it can be imported by accident.
    home = HERE if peer.requirements else HERE.parents[1]
    ended = subprocess.run(command, cwd=home, capture_output=True, text=True, env=inherited | QUIET | ONE_CORE)
    if ended.returncode:
        raise PeerMissingError(_last_line(ended.stderr))
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def _interpreters(version: str) -> Iterator[str]:
    """First what pyenv has, which uv doesn't find by itself; then whatever uv finds or fetches."""
    for found in sorted(Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob(f"versions/{version}.*")):
        yield str(found / "bin/python")
    yield version


def _uv(*arguments: str) -> str:
    """Nothing, or why uv failed."""
    uv = shutil.which("uv") or "build/uv/bin/uv"
    try:
        ended = subprocess.run([uv, *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return "uv is not installed: run `make env` first"
    return "" if not ended.returncode else ended.stderr.strip() or f"uv ended with {ended.returncode}"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "ended without a word"
