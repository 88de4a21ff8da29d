"""The Python that our images stand on: Debian's, with what it needs to run and nothing that installs or documents."""

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import debian
from tests.cluster.archive import Entry, tree, write_layer
from tests.cluster.command import output
from tests.cluster.places import cache, digest, locked
from tests.cluster.progress import step

_RECIPE = "python-base-2"
_PACKAGES = ("python3-minimal", "libpython3-stdlib", "libstdc++6", "ca-certificates", "media-types", "base-files")
# Needed to install or to configure packages, never to run a program of theirs.
_LEFT_OUT: tuple[str, ...] = (
    "dpkg",
    "perl",
    "libperl",
    "debconf",
    "cdebconf",
    "tar",
    "install-info",
    "readline-common",
    "mawk",
    "gawk",
)
_LEFT_OUT += ("libnewt", "libslang", "libtextwrap", "libdebian-installer", "libdb5", "libgdbm", "libpcre2", "openssl")
_LEFT_OUT += ("libselinux", "libacl", "libmd0", "mailcap", "mime-support", "sensible-utils", "libreadline")
_STRIPPED: tuple[str, ...] = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bug",
    "var",
)
_STRIPPED += ("usr/share/ca-certificates", "usr/share/info", "usr/share/python3", "usr/share/gcc", "etc/update-motd.d")
_STRIPPED_MODULES = ("test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "turtledemo", "tkinter", "distutils")
_LIBRARIES = f"{platform.machine()}-linux-gnu"


@dataclass(frozen=True, slots=True)
class Base:
    """An unpacked root file system with Python in it, and the same as an image layer."""

    key: str
    root: Path
    layer: Path

    @property
    def version(self) -> str:
        """The Python version, like ``3.11``."""
        return self._interpreter.name.removeprefix("python")

    @property
    def _interpreter(self) -> Path:
        return next(path for path in (self.root / "usr/bin").glob("python3.*") if path.name.count(".") == 1)

    def compile(self, folder: Path, at: str) -> None:
        """Compile a folder that will lie at ``at`` in the image, so that no container does it at each start.

        The image's own interpreter does it, alone and in order, and a compiled file is known by the hash of its source
        and not by a time: the same sources give the same bytes.
        """
        loader = next((self.root / "lib64").glob("ld-linux*"), None) or next((self.root / "lib").glob("ld-linux*"))
        libraries = ":".join(str(self.root / name / _LIBRARIES) for name in ("lib", "usr/lib"))
        env = {"PYTHONHOME": str(self.root / "usr"), "PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"}
        # Else it would keep what it compiles for itself, with times and paths of this machine.
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        words: list[str | Path] = [
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            "-s",
            folder,
            "-p",
            at,
            folder,
        ]
        # A package may carry a template that is no valid Python; it is no reason to fail.
        script = 'loader=$1; shift; "$loader" --library-path "$@" || [ $? -eq 1 ]'
        output(["/bin/sh", "-c", script, "sh", loader.resolve(), libraries, self._interpreter, *words], env=env)


def base() -> Base:
    """The base, made once for a distribution release."""
    key = digest([_RECIPE, debian.release(), *_PACKAGES, *_LEFT_OUT, *_STRIPPED, *_STRIPPED_MODULES])
    folder = cache("python-base") / key
    with locked(cache("python-base") / ".lock"):
        if not folder.exists():
            with step("make the Python base of the images from Debian packages"):
                _make(key, folder)
    return Base(key, folder / "root", folder / "layer.tar")


def _make(key: str, folder: Path) -> None:
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)
    root = scratch / "root"
    debian.extract([name for name in debian.closure(_PACKAGES) if not name.startswith(_LEFT_OUT)], root)
    certificates = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = b"".join(path.read_bytes() for path in certificates)
    _strip(root)
    for name in ("bin", "lib", "lib64", "sbin"):
        if not (root / name).exists() and (root / "usr" / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    made = Base(key, root, scratch / "layer.tar")
    library = f"/usr/lib/python{made.version}"
    made.compile(root / library.lstrip("/"), library)
    write_layer([*tree(root), *_settings(bundle)], made.layer)
    scratch.rename(folder)


def _strip(root: Path) -> None:
    for name in _STRIPPED:
        shutil.rmtree(root / name, ignore_errors=True)
    for library in (root / "usr/lib").glob("python3*"):
        for name in _STRIPPED_MODULES:
            shutil.rmtree(library / name, ignore_errors=True)
    for folder in ("lib", "usr/lib"):
        shutil.rmtree(root / folder / _LIBRARIES / "gconv", ignore_errors=True)
    shutil.rmtree(root / "usr/lib/python3/dist-packages", ignore_errors=True)


def _settings(bundle: bytes) -> Sequence[Entry]:
    """Files that package installation would have made."""
    users = "root:x:0:0::/:/none\nparitygate:x:65532:65532::/tmp:/none\nnobody:x:65534:65534::/:/none\n"
    groups = "root:x:0:\nparitygate:x:65532:\nnogroup:x:65534:\n"
    return [
        Entry("etc/passwd", content=users.encode()),
        Entry("etc/group", content=groups.encode()),
        Entry("etc/nsswitch.conf", content=b"passwd: files\ngroup: files\nhosts: files dns\n"),
        Entry("etc/ssl/certs/ca-certificates.crt", content=bundle),
        Entry("tmp", sticky=True),
        Entry("var/tmp", sticky=True),
    ]
