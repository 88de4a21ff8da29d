"""One artefact from where it lies to a folder of ours, then the proof that it is the one that was meant.

What is proved is what is used: every byte is copied into a private folder first and hashed there, so that nobody can
change it in between.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from paritygate.api import Reason
from paritygate.api.base import Digest, Model, Uri
from paritygate.evidence import ArtefactFile, digest_of, manifest_of
from pydantic import Field

from ..ending import EvaluatorError
from .copy import copy_tree
from .stores import SCHEMES, download


class Wanted(Model):
    """One artefact to bring. `name` is what people read in messages and the name of the record of what was found."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    uri: Uri
    digest: Digest | None = None
    dest: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Where artefacts may come from here."""

    local: bool
    """Whether file:// and plain paths are allowed: on a laptop, never in a pod."""
    claims: Path = Path("/pvc")
    """Where PersistentVolumeClaims are mounted, one folder each."""
    most_bytes: int = 64 << 30


@dataclass(frozen=True, slots=True)
class Found:
    """What was found."""

    name: str
    uri: str
    digest: str
    files: tuple[ArtefactFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def dump(self) -> str:
        """The record as JSON."""
        files = [[f.path, f.size, f.sha256] for f in self.files]
        return json.dumps(
            {"name": self.name, "uri": self.uri, "digest": self.digest, "size": self.size, "files": files}
        )


def bring_all(wanted: Sequence[Wanted], sources: Sources) -> tuple[Found, ...]:
    """Bring every artefact, then prove every one.

    In that order: a hostile store that writes outside its own folder is found out by the proof of the other artefacts.
    Raises EvaluatorError with DigestMismatch, ArtefactNotFound or ArtefactUnreadable.
    """
    for one in wanted:
        _empty(Path(one.dest))
        _bring(one, Path(one.dest), sources)
    return tuple(prove(one) for one in wanted)


def prove(wanted: Wanted) -> Found:
    """Hash what lies in the folder of an artefact. Raises EvaluatorError when it is not what was meant."""
    try:
        files = manifest_of(Path(wanted.dest))
    except (OSError, ValueError) as error:
        raise EvaluatorError(Reason.ARTEFACT_UNREADABLE, f"{wanted.name}: {error}") from error
    if not files:
        raise EvaluatorError(
            Reason.ARTEFACT_NOT_FOUND, f"{wanted.name}: {wanted.uri} holds no file; check the URI (an empty folder?)"
        )
    digest = digest_of([[f.path, f.size, f.sha256] for f in files])
    if wanted.digest and digest != wanted.digest:
        raise EvaluatorError(
            Reason.DIGEST_MISMATCH,
            f"{wanted.name}: {wanted.uri} has digest {digest}, expected {wanted.digest} ({_listed(files)}). "
            "Somebody changed it after the digest was written, or the digest is of another file: "
            "`paritygate digest PATH` prints the digest of what you mean.",
        )
    return Found(wanted.name, wanted.uri, digest, files)


def _bring(wanted: Wanted, dest: Path, sources: Sources) -> None:
    scheme = urlsplit(wanted.uri).scheme
    match scheme:
        case "pvc":
            copy_tree(f"{wanted.name}: {wanted.uri}", _in_claim(wanted, sources), dest, sources.most_bytes)
        case "file" | "":
            if not sources.local:
                raise EvaluatorError(
                    Reason.ARTEFACT_UNREADABLE,
                    f"{wanted.name}: {wanted.uri} is a path, and an evaluator pod has no files of yours; "
                    f"use one of {', '.join(f'{s}://' for s in (*SCHEMES, 'pvc'))}",
                )
            path = unquote(urlsplit(wanted.uri).path) if scheme else wanted.uri
            copy_tree(wanted.name, Path(path), dest, sources.most_bytes)
        case _:
            download(wanted.name, wanted.uri, dest, insecure=sources.local, most_bytes=sources.most_bytes)


def _in_claim(wanted: Wanted, sources: Sources) -> Path:
    parts = urlsplit(wanted.uri)
    claim = sources.claims / parts.netloc
    path = claim / unquote(parts.path).lstrip("/")
    if not parts.netloc or parts.netloc in (".", "..") or ".." in path.parts:
        raise EvaluatorError(
            Reason.ARTEFACT_UNREADABLE,
            f"{wanted.name}: {wanted.uri} leaves its volume; write pvc://CLAIM/PATH without `..`",
        )
    if not claim.is_dir():
        raise EvaluatorError(
            Reason.ARTEFACT_NOT_FOUND, f"{wanted.name}: no PersistentVolumeClaim {parts.netloc!r} is mounted here"
        )
    if path.exists() and path.resolve() != claim.resolve() / path.relative_to(claim):
        raise EvaluatorError(
            Reason.ARTEFACT_UNREADABLE, f"{wanted.name}: {wanted.uri} goes through a link; name the real path"
        )
    return path


def _empty(dest: Path) -> None:
    # A container that is restarted finds what its predecessor left.
    if dest.exists():
        for child in dest.iterdir():
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    dest.mkdir(parents=True, exist_ok=True)


def _listed(files: Sequence[ArtefactFile]) -> str:
    shown = ", ".join(f"{f.path} {f.size:,} bytes" for f in files[:3])
    return shown + (f" and {len(files) - 3} more files" if len(files) > 3 else "")
