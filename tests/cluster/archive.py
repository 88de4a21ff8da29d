"""Image archives without Docker: an OCI layout in a tar, the same bytes for the same content whoever makes it.

Understood by ``ctr images import``, ``docker load``, ``kind load image-archive`` and ``podman load``. Times are 0,
owners are root, entries are sorted, permissions are 0755 or 0644: nothing of the machine that builds gets in.
"""

import hashlib
import io
import json
import os
import platform
import stat
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}
_OCI = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of an image: a file of this machine, given bytes, a link, or (none of these) a folder."""

    path: str
    source: Path | None = None
    content: bytes | None = None
    link: str = ""
    executable: bool = False
    sticky: bool = False


@dataclass(frozen=True, slots=True)
class Runs:
    """How a container of the image starts. ``user`` 0 leaves the image's user unset."""

    entrypoint: Sequence[str]
    user: int = 65532
    env: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"


def tree(root: Path, at: str = "") -> list[Entry]:
    """The entries of a folder of this machine, to lie below ``at`` in the image."""
    entries = []
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = Path(folder) / name
            where = str(Path(at) / path.relative_to(root))
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                entries.append(Entry(where, link=os.readlink(path)))
            elif stat.S_ISDIR(mode):
                entries.append(Entry(where, sticky=bool(mode & stat.S_ISVTX)))
            elif stat.S_ISREG(mode):
                entries.append(Entry(where, source=path, executable=bool(mode & stat.S_IXUSR)))
    return entries


def write_layer(entries: Iterable[Entry], target: Path) -> None:
    """Write one layer, uncompressed: the time it takes to import matters more than its size on a disk."""
    by_path = {entry.path.strip("/"): entry for entry in entries}
    for path in list(by_path):
        for parent in Path(path).parents:
            by_path.setdefault(str(parent), Entry(str(parent)))
    by_path.pop(".", None)
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in sorted(by_path.items()):
            _add(tar, path, entry)


def write_image(target: Path, name: str, layers: Sequence[Path], runs: Runs) -> None:
    """Write an image archive of finished layers (lowest first) under ``name`` (repository:tag)."""
    described = [_described(layer.stat().st_size, _sha256(layer), f"{_OCI}.layer.v1.tar") for layer in layers]
    config = _json(_config(runs, [layer["digest"] for layer in described]))
    config_ref = _described(len(config), hashlib.sha256(config).hexdigest(), f"{_OCI}.config.v1+json")
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": config_ref,
            "layers": described,
        }
    )
    manifest_ref = _described(len(manifest), hashlib.sha256(manifest).hexdigest(), f"{_OCI}.manifest.v1+json")
    manifest_ref["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
    docker = [
        {
            "Config": _blob(config_ref),
            "RepoTags": [name],
            "Layers": [_blob(layer) for layer in described],
        }
    ]
    scratch = target.with_suffix(".new")
    with tarfile.open(scratch, "w", format=tarfile.PAX_FORMAT) as tar:
        _put(tar, "index.json", _json({"schemaVersion": 2, "manifests": [manifest_ref]}))
        _put(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _put(tar, "manifest.json", _json(docker))
        _put(tar, _blob(manifest_ref), manifest)
        _put(tar, _blob(config_ref), config)
        for path, layer in {_blob(d): p for d, p in zip(described, layers, strict=True)}.items():
            _add(tar, path, Entry(path, source=layer))
    scratch.rename(target)


def described_name(archive: Path) -> tuple[str, str]:
    """The image's name and manifest digest, as its archive says."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        first = json.load(index)["manifests"][0]
    return str(first["annotations"]["io.containerd.image.name"]), str(first["digest"])


def _config(runs: Runs, layers: Sequence[str]) -> dict[str, Any]:
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", **runs.env}
    config: dict[str, Any] = {
        "Entrypoint": list(runs.entrypoint),
        "Env": [f"{name}={value}" for name, value in sorted(env.items())],
        "WorkingDir": runs.workdir,
    }
    if runs.user:
        config["User"] = str(runs.user)
    return {
        "architecture": _ARCHITECTURE.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
        "history": [{} for _ in layers],
    }


def _described(size: int, digest: str, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "size": size, "digest": f"sha256:{digest}"}


def _blob(described: Mapping[str, Any]) -> str:
    return "blobs/" + str(described["digest"]).replace(":", "/")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _put(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    _add(tar, path, Entry(path, content=content))


def _add(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    info = tarfile.TarInfo(path)
    if entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        tar.addfile(info)
    elif entry.source is not None:
        info.size, info.mode = entry.source.stat().st_size, 0o755 if entry.executable else 0o644
        with entry.source.open("rb") as handle:
            tar.addfile(info, handle)
    elif entry.content is not None:
        info.size, info.mode = len(entry.content), 0o755 if entry.executable else 0o644
        tar.addfile(info, io.BytesIO(entry.content))
    else:
        info.type, info.mode = tarfile.DIRTYPE, 0o1777 if entry.sticky else 0o755
        tar.addfile(info)
