"""Which file of an artefact is the model, and which format it has. Nothing here loads torch, or a byte of a weight.

Formats are told by what is in a file, not by its name: the same ending is used for an archive of tensors and for a
pickle, which is a program.
"""

import zipfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .runtime import ModelRefusedError

_SUFFIXES = frozenset(
    {".pt2", ".safetensors", ".pt", ".pth", ".ts", ".torchscript", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"}
)
_PICKLE = b"\x80"
_ZIP = b"PK\x03\x04"
_EXPORT_INSTEAD = (
    "a pickle is a program that runs when it is opened: refused by every policy. Export the model with "
    'torch.export.save(torch.export.export(model.eval(), inputs, dynamic_shapes=...), "model.pt2"), or write its '
    "weights as model.safetensors beside a config.json that names an architecture"
)


class Format(StrEnum):
    """How a model file is written. The names are those of `Options.formats`."""

    EXPORTED_PROGRAM = "ExportedProgram"
    SAFETENSORS = "Safetensors"
    TORCH_SCRIPT = "TorchScript"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The model of an artefact."""

    path: Path
    format: Format


def model_file(folder: Path) -> ModelFile:
    """The only model in `folder`. Raises ModelRefusedError for a pickle, none, or several."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    found = [ModelFile(path, kind) for path in files if (kind := _format(path)) is not None]
    if len(found) != 1:
        names = ", ".join(file.path.name for file in found[:5])
        names = names or ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "it is empty"
        raise ModelRefusedError(
            f"the artefact holds {len(found)} torch models ({names}); it must hold one: model.pt2, or "
            "model.safetensors beside config.json"
        )
    return found[0]


def _format(path: Path) -> Format | None:
    if path.suffix == ".safetensors":
        return Format.SAFETENSORS
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
        if head != _ZIP:
            if head.startswith(_PICKLE) or path.suffix in (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt"):
                raise ModelRefusedError(f"{path.name} is a pickle, or can't be told from one; {_EXPORT_INSTEAD}")
            if path.suffix == ".pt2":
                raise ModelRefusedError(f"{path.name} is not a readable archive: truncated? Upload it again")
            return None
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise ModelRefusedError(
            f"{path.name} is not a readable archive ({error}): truncated? Upload it again"
        ) from error
    return _archive_format(path, {name.partition("/")[2] for name in names})


def _archive_format(path: Path, names: set[str]) -> Format:
    if "archive_format" in names:
        return Format.EXPORTED_PROGRAM
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        return Format.TORCH_SCRIPT
    if "version" in names and path.suffix == ".pt2":
        raise ModelRefusedError(f"{path.name} was written by torch.export of torch 2.7 or older: export it again")
    raise ModelRefusedError(f"{path.name} is a pickle in an archive; {_EXPORT_INSTEAD}")
