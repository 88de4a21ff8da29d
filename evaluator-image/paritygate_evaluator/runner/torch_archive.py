"""What is in a .pt2 archive: a graph as JSON and raw weights. Read by hand, without torch.

torch's own reader (torch.export.load, 2.15) is of no use for a file that somebody else wrote: it unpickles the sample
inputs, the weights that say `use_pickle` and opaque constants (torch.load with weights_only=False), evaluates the
expressions of symbolic sizes as Python (sympy.sympify), and looks the target of a node up anywhere below `torch`, so
that a graph can call torch.load or torch.ops.load_library. None of that is needed to run a graph.
"""

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .runtime import ModelRefusedError

SCHEMA = 8
"""Major version of the graph's format that is understood: torch 2.6 and later."""
_LARGEST_JSON, _BLOCK = 1 << 27, 1 << 20
_PAYLOAD = re.compile(r"[A-Za-z0-9_]{1,100}")
_NATIVE = ("data/aotinductor/", "data/executorch/", "data/mtia/")


class Archive:
    """An open archive. Every error is a ModelRefusedError that names the file."""

    def __init__(self, file: Path) -> None:
        self.name = file.name
        try:
            self._zip = zipfile.ZipFile(file)
        except (OSError, zipfile.BadZipFile) as error:
            raise self.refused(f"is not a readable archive ({error}): truncated? Upload it again") from error
        self._sizes = self._checked(file.stat().st_size)

    def __enter__(self) -> "Archive":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def refused(self, what: str) -> ModelRefusedError:
        """The error that says so of this file."""
        return ModelRefusedError(f"{self.name} {what}")

    def program(self) -> dict[str, Any]:
        """The exported program, as JSON."""
        if self._bytes("archive_format") != b"pt2":
            raise self.refused("is not written by torch.export.save")
        if self._sizes.get("byteorder") and self._bytes("byteorder") != b"little":
            raise self.refused("was written on a big-endian machine: export it on another one")
        models = [name for name in self._sizes if name.startswith("models/")]
        if models != ["models/model.json"]:
            raise self.refused(f"holds {len(models)} programs; save one with torch.export.save")
        program = self._json("models/model.json")
        major = program.get("schema_version", {}).get("major")
        if major != SCHEMA:
            written = program.get("torch_version", "an unknown version")
            raise self.refused(f"has version {major} of the format (torch {written}), version {SCHEMA} is read")
        return program

    def payloads(self, kind: str) -> dict[str, Any]:
        """What is told of each tensor of `weights` or `constants`, by its name in the model."""
        config = self._json(f"data/{kind}/model_{kind}_config.json").get("config")
        if not isinstance(config, dict):
            raise self.refused(f"has no list of its {kind}")
        for name, told in config.items():
            if told.get("use_pickle") is not False or told.get("tensor_meta") is None:
                raise self.refused(
                    f"keeps {name!r} as a pickle, which is a program: refused by every policy. Replace tensor "
                    "subclasses and packed parameters by plain tensors before exporting"
                )
            if not _PAYLOAD.fullmatch(str(told.get("path_name"))):
                raise self.refused(f"keeps {name!r} in {told.get('path_name')!r}, which is no name of a tensor")
        return config

    def size(self, kind: str, payload: str) -> int:
        """Bytes of a tensor's storage."""
        if f"data/{kind}/{payload}" not in self._sizes:
            raise self.refused(f"lacks data/{kind}/{payload}: truncated?")
        return self._sizes[f"data/{kind}/{payload}"].file_size

    def read_into(self, kind: str, payload: str, memory: memoryview) -> None:
        """Fill `memory`, which is as large as the storage, block by block: a model is never in memory twice."""
        try:
            with self._zip.open(self._sizes[f"data/{kind}/{payload}"]) as stream:
                for at in range(0, len(memory), _BLOCK):
                    block = memory[at : at + _BLOCK]
                    block[:] = stream.read(len(block))
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise self.refused(f"has a damaged data/{kind}/{payload} ({error}): truncated?") from error

    def _checked(self, size: int) -> Mapping[str, zipfile.ZipInfo]:
        entries = self._zip.infolist()
        named = {entry.filename.partition("/")[2]: entry for entry in entries}
        if len(named) != len(entries):
            raise self.refused("holds two entries of one name: refused")
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
            raise self.refused("is compressed, which torch.export.save never does: refused")
        if sum(entry.file_size for entry in entries) > size:
            raise self.refused(f"of {size:,} bytes says that it holds more than that: refused")
        for name in named:
            if name.startswith(_NATIVE) or name.endswith((".so", ".dll", ".dylib")):
                raise self.refused(f"holds compiled code ({name}), which is refused: save it with torch.export.save")
        return named

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(self._bytes(name))
        except (ValueError, RecursionError) as error:
            raise self.refused(f"has a {name} that is no JSON ({error})") from error
        if not isinstance(value, dict):
            raise self.refused(f"has a {name} that is no JSON object")
        return value

    def _bytes(self, name: str) -> bytes:
        entry = self._sizes.get(name)
        if entry is None:
            raise self.refused(f"lacks {name}: not written by torch.export.save of torch 2.8 or later?")
        if entry.file_size > _LARGEST_JSON:
            raise self.refused(f"has a {name} of {entry.file_size:,} bytes, at most {_LARGEST_JSON:,} are read")
        try:
            return self._zip.read(entry)
        except (OSError, zipfile.BadZipFile) as error:
            raise self.refused(f"has a damaged {name} ({error})") from error
