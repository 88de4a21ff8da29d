"""Host programs from Debian packages, unpacked into the cache: nothing is installed and no service is started.

Each program gets a wrapper that finds its shared libraries in the unpacked folder, so nothing else has to know of it.
"""

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.command import output, program, succeeds
from tests.cluster.errors import CommandFailed, ProgramMissing
from tests.cluster.places import cache, digest, locked
from tests.cluster.progress import say, step

ETCD = ("etcd-server",)
NODE = (
    "containerd",
    "runc",
    "libseccomp2",
    "containernetworking-plugins",
    "iptables",
    "libip4tc2",
    "libip6tc2",
    "libxtables12",
    "libmnl0",
    "libnfnetlink0",
    "libnetfilter-conntrack3",
    "libnftnl11",
)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A folder of unpacked packages: ``root`` is like ``/``, ``bin`` holds a wrapper for each program."""

    root: Path
    bin: Path


def unpacked(packages: tuple[str, ...]) -> Unpacked:
    """Download and unpack packages once for this distribution release; later calls need no network."""
    key = digest(["wrappers-1", release(), platform.release(), *packages])
    target = cache("debian") / key
    with locked(cache("debian") / ".lock"):
        if not target.exists():
            scratch = cache("debian") / f"{key}.new"
            shutil.rmtree(scratch, ignore_errors=True)
            with step(f"download and unpack from Debian: {' '.join(packages)}"):
                extract(packages, scratch / "root")
            _wrap(scratch, target)
            scratch.rename(target)
    return Unpacked(target / "root", target / "bin")


def extract(packages: Sequence[str], root: Path) -> None:
    """Download packages, not what they depend on, and unpack them into ``root``."""
    downloads = root.with_name(f"{root.name}-archives")
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    root.mkdir(parents=True)
    _apt(["download", *packages], downloads)
    for archive in sorted(downloads.glob("*.deb")):
        output([program("dpkg"), "-x", archive, root])
    shutil.rmtree(downloads)


def closure(packages: Sequence[str]) -> list[str]:
    """All packages that a machine with nothing on it would need to install these; recommended ones left out."""
    nothing = cache("debian") / "nothing"
    nothing.touch()
    words = ["-o", f"Dir::State::status={nothing}", "--no-install-recommends", "--simulate", "install", *packages]
    lines = _apt(words, cache("debian")).splitlines()
    return sorted(line.split()[1] for line in lines if line.startswith("Inst "))


def release() -> str:
    """The distribution and its version, as its packages differ by it."""
    path = Path("/etc/os-release")
    if not path.exists() or shutil.which("apt-get") is None:
        raise ProgramMissing(
            "the host way needs Debian packages, and this is no Debian or Ubuntu",
            "install Docker and kind, or point KUBECONFIG at a cluster",
        )
    lines = path.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith(("ID=", "VERSION_ID="))) + platform.machine()


def _apt(words: Sequence[str], folder: Path) -> str:
    """Run apt-get with the host's package lists, or with fresh ones in the cache where those do not do."""
    apt = [program("apt-get"), "-q", "-o", "APT::Sandbox::User=root"]
    try:
        return output([*apt, *words], cwd=folder)
    except CommandFailed as stale:
        say(f"the host's package lists do not do ({str(stale).splitlines()[-1][:80]}); fetching fresh ones")
    lists, archives = cache("debian/lists/partial").parent, cache("debian/apt/archives/partial").parent.parent
    apt += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={archives}"]
    try:
        output([*apt, "update"])
        return output([*apt, *words], cwd=folder)
    except CommandFailed as failure:
        remedy = f"check the network, then try: apt-get update && apt-get {' '.join(words)}"
        raise ProgramMissing(f"Debian packages can not be had: {failure}", remedy) from failure


def _wrap(scratch: Path, target: Path) -> None:
    """Write a wrapper for each program, and check that each finds its libraries."""
    bin_folder = scratch / "bin"
    bin_folder.mkdir()
    for folder in ("usr/sbin", "sbin", "usr/bin", "bin"):
        for path in sorted((scratch / "root" / folder).glob("*")):
            if path.is_file() and os.access(path, os.X_OK):
                _write_wrapper(bin_folder / path.name, target / "root" / folder / path.name)
    if (scratch / "root/usr/sbin/xtables-nft-multi").exists():
        flavour = _iptables_flavour(scratch / "root")
        for name in (
            "iptables",
            "iptables-save",
            "iptables-restore",
            "ip6tables",
            "ip6tables-save",
            "ip6tables-restore",
        ):
            _write_wrapper(bin_folder / name, target / "root/usr/sbin" / f"xtables-{flavour}-multi", name)
    _check_runc(scratch / "root")


def _write_wrapper(path: Path, real: Path, applet: str = "") -> None:
    root = real
    while root.name != "root":
        root = root.parent
    libraries = f"{root}/usr/lib/{platform.machine()}-linux-gnu:{root}/lib/{platform.machine()}-linux-gnu"
    path.write_text(
        "#!/bin/sh\n"
        f"export LD_LIBRARY_PATH={libraries}\n"
        f"export XTABLES_LIBDIR={root}/usr/lib/{platform.machine()}-linux-gnu/xtables\n"
        f'exec {real} {applet} "$@"\n'
    )
    path.chmod(0o755)


def _iptables_flavour(root: Path) -> str:
    """``nft`` where the kernel and this build of it agree, else ``legacy``; tried in a network namespace of its own."""
    libraries = f"LD_LIBRARY_PATH={root}/usr/lib/{platform.machine()}-linux-gnu"
    nft: list[str | Path] = [root / "usr/sbin/xtables-nft-multi", "iptables", "-t", "nat", "-S"]
    return "nft" if succeeds([program("unshare"), "--net", "env", libraries, *nft]) else "legacy"


def _check_runc(root: Path) -> None:
    """Runc starts itself a second time with a bare environment: its libraries must be the host's own."""
    runc = root / "usr/sbin/runc"
    if runc.exists() and not succeeds([runc, "--version"]):
        raise ProgramMissing(
            "runc does not start without its library libseccomp on the host", "apt-get install libseccomp2"
        )
