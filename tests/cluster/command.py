"""Running host commands, with errors that carry what the command said."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import CommandFailed, ProgramMissing

_DEBIAN_PACKAGE = {
    "ip": "iproute2",
    "openssl": "openssl",
    "gcc": "gcc",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "dpkg": "dpkg",
    "apt-get": "apt",
}


def program(name: str) -> str:
    """The full path of a host program; says which package brings it where it is missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if found:
        return found
    if name == "go":
        raise ProgramMissing(
            "Go is not installed: the cluster's binaries are built from source",
            "install Go 1.26 from https://go.dev/dl/ and put it on PATH",
        )
    package = _DEBIAN_PACKAGE.get(name, name)
    raise ProgramMissing(f"the program {name!r} is not installed", f"apt-get install {package}")


def output(
    argv: Sequence[str | Path],
    *,
    stdin: str | bytes | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a command and return its standard output; raise CommandFailed with the end of its errors."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            [str(a) for a in argv], input=data, cwd=cwd, env=env, timeout=timeout, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired as expired:
        raise CommandFailed(f"{_shown(argv)} did not end within {expired.timeout:.0f} s") from expired
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise CommandFailed(f"{_shown(argv)} ended with {done.returncode}: {said[-2000:]}")
    return done.stdout.decode()


def succeeds(argv: Sequence[str | Path], *, timeout: float = 10.0) -> bool:
    """Whether a command ends with 0 in its time."""
    try:
        done = subprocess.run([str(a) for a in argv], capture_output=True, check=False, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _shown(argv: Sequence[str | Path]) -> str:
    text = " ".join(str(a) for a in argv)
    return text if len(text) <= 300 else text[:300] + " ..."
