"""From what was typed to what is judged: paths made absolute, digests taken, manifests read."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from paritygate.api import DataFile, PlannedPack, ScenarioPack, Subject, ValidationPolicy
from paritygate.api.manifest import load_one
from paritygate.api.policy import PolicySpec
from paritygate.api.pool import PoolRuntime
from paritygate.evidence import manifest_digest
from paritygate.judge import planned_pack

from .usage import UsageError

_INPUTS = (".npz", ".parquet", ".pq")
_DIGEST = re.compile(r"^(?P<uri>.+)@(?P<digest>sha256:[0-9a-f]{64})$")


def subject(option: str, typed: str) -> Subject:
    """A model as typed: a path or URI, with or without `@sha256:…`. Local models without a digest get theirs.

    Raises UsageError for a path that is not there or can't be an artefact.
    """
    match = _DIGEST.match(typed)
    if "@sha256:" in typed and not match:
        raise UsageError(f"{option}: {typed!r}: a digest is sha256: and 64 hexadecimal digits")
    uri, digest = (match["uri"], match["digest"]) if match else (typed, None)
    return Subject(**_located(option, uri, digest, Path.cwd()))


def calibration(typed: str | None) -> DataFile | None:
    """What a candidate was calibrated on, as typed: the forms of `subject`. Raises UsageError."""
    if typed is None:
        return None
    option = "--calibration"
    data = subject(option, typed)
    path = local_path(data.uri)
    if path is not None and path.is_file() and path.suffix not in _INPUTS:
        said = f"{path.name} ends in {path.suffix or 'nothing'!r}: give the inputs as the packs have them"
        raise UsageError(f"{option}: {said}, {' or '.join(_INPUTS[:2])}")
    return DataFile(uri=data.uri, digest=data.digest)


def pool_runtime(name: str, providers: Sequence[str] | None) -> PoolRuntime:
    """Runtime and execution providers, by the rules of an AcceleratorPool. Raises UsageError."""
    try:
        return PoolRuntime.model_validate({"name": name} | ({"executionProviders": providers} if providers else {}))
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"--provider {' --provider '.join(providers or ())}: {said}") from error


def planned_packs(files: Sequence[Path]) -> tuple[PlannedPack, ...]:
    """The packs of these manifests; relative URIs count from the manifest's folder.

    Raises ManifestError, UsageError.
    """
    packs = []
    for file in files:
        manifest = load_one(file, ScenarioPack)
        spec, folder = manifest.spec, file.absolute().parent
        inputs = _data(f"{file}: spec.data.inputs", spec.data.inputs, folder)
        labels = _data(f"{file}: spec.data.labels", spec.data.labels, folder)
        packs.append(planned_pack(manifest.metadata.name, spec, inputs, labels))
    names = [pack.name for pack in packs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"--pack: two packs are named {twice[0]!r}; name each once")
    return tuple(packs)


def policy(file: Path | None) -> PolicySpec:
    """The policy of this manifest, or the default one. Raises ManifestError."""
    return load_one(file, ValidationPolicy).spec if file else PolicySpec()


def local_path(uri: str) -> Path | None:
    """The path that a URI names on this machine; None for a remote one."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(parts.path)
    return None if "://" in uri else Path(uri)


def _data(field: str, data: DataFile, folder: Path) -> DataFile:
    return DataFile(**_located(f"{field}.uri", data.uri, data.digest, folder))


def _located(field: str, uri: str, digest: str | None, folder: Path) -> dict[str, str | None]:
    path = local_path(uri)
    if path is None:
        return {"uri": uri, "digest": digest}
    path = folder / path.expanduser()
    if not path.exists():
        raise UsageError(f"{field}: {path} does not exist; check the path")
    try:
        return {"uri": str(path), "digest": digest or manifest_digest(path)}
    except (ValueError, OSError) as error:
        raise UsageError(f"{field}: {error}") from error
