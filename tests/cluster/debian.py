"""Host programs from Debian packages, unpacked into the cache: nothing is installed and no service is started.

Each program gets a wrapper that finds its shared libraries in the unpacked folder, so nothing else has to know of it.
"""

import os
import platform
import shutil
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
    key = digest(["wrappers-1", _release(), platform.machine(), platform.release(), *packages])
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


def extract(packages: tuple[str, ...], root: Path) -> None:
    """Download packages, not what they depend on, and unpack them into ``root``."""
    downloads = cache("debian") / "archives"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    root.mkdir(parents=True)
    download(packages, downloads)
    for archive in sorted(downloads.glob("*.deb")):
        output([program("dpkg"), "-x", archive, root])
    shutil.rmtree(downloads)


def download(packages: tuple[str, ...], folder: Path) -> None:
    """``apt-get download``, with the host's package lists, or with fresh ones in the cache where those do not do."""
    apt = program("apt-get")
    options = ["-q", "-o", "APT::Sandbox::User=root"]
    try:
        output([apt, *options, "download", *packages], cwd=folder)
        return
    except CommandFailed as stale:
        say(f"the host's package lists do not do ({str(stale).splitlines()[-1][:80]}); fetching fresh ones")
    lists = cache("debian") / "lists"
    options += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache('debian') / 'apt'}"]
    try:
        output([apt, *options, "update"])
        output([apt, *options, "download", *packages], cwd=folder)
    except CommandFailed as failure:
        raise ProgramMissing(
            f"Debian packages can not be had: {failure}",
            f"check the network, then try: apt-get update && apt-get download {' '.join(packages)}",
        ) from failure


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


def _release() -> str:
    path = Path("/etc/os-release")
    if not path.exists() or shutil.which("apt-get") is None:
        raise ProgramMissing(
            "the host way needs Debian packages, and this is no Debian or Ubuntu",
            "install Docker and kind, or point KUBECONFIG at a cluster",
        )
    return "".join(line for line in path.read_text().splitlines(True) if line.startswith(("ID=", "VERSION_ID=")))
