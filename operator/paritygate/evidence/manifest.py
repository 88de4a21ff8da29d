"""The manifest of an artefact: what its digest is a digest of."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from .canonical import digest_of

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class ArtefactFile:
    """One file: its path below the artefact's root, its size in bytes and the sha256 of its content."""

    path: str
    size: int
    sha256: str


def manifest_of(root: Path) -> tuple[ArtefactFile, ...]:
    """The files of an artefact, sorted by path. A single file is a manifest of one, named by its base name.

    Raises FileNotFoundError when there is nothing, ValueError for a link or a special file: a link can point at other
    bytes tomorrow.
    """
    if not root.exists():
        raise FileNotFoundError(f"{root}: no such file or folder")
    paths = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_symlink() or not p.is_dir())
    base = root.parent if root.is_file() else root
    return tuple(
        sorted(
            (ArtefactFile(p.relative_to(base).as_posix(), p.stat().st_size, _sha256(p)) for p in paths),
            key=lambda file: file.path,
        )
    )


def manifest_digest(root: Path) -> str:
    """`sha256:…` of the canonical JSON of the manifest: a list of [path, size, sha256]."""
    return digest_of([[f.path, f.size, f.sha256] for f in manifest_of(root)])


def _sha256(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        raise ValueError(f"{path}: an artefact holds plain files only, this is a link or a special file")
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()
