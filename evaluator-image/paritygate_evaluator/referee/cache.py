"""What the baseline answered, kept for the next candidate: half of the work of an evaluation. Never its times.

An entry is a folder whose name is the digest of everything that the answers depend on. It holds one record an item,
each with a checksum of its own: written in part, by two evaluators at once or on a file system that shows one's writes
to the other late, a record is not there yet; it is never read wrong. Only the referee writes here: the runner, with
somebody's models in it, could otherwise leave answers for evaluations to come.

Whoever else can write the folder can write answers. What is read must fit the key, the items and the model's outputs,
and a sample is computed again before any of it is believed (`Evidence.tune`).
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from paritygate.api import EvaluationPlan

from ..wire import Array
from .cache_room import make_room, remove
from .client import Ints
from .surroundings import processor

FORMAT = 2
_ANSWERS, _ABOUT = "answers", "about.json"
_CHECKSUM = "checksum"
_KINDS = "fiub"
"""Kinds of numbers that are kept; texts have no fixed size."""
_MOST_OUTPUTS, _LARGEST_ABOUT, _LARGEST_BATCH, _LARGEST_RECORD = 64, 1 << 20, 1 << 20, 32 << 20


@dataclass(slots=True)
class OutputCache:
    """Outputs of one model for the items of one evaluation, by item. A folder that can't be used is no cache."""

    folder: Path
    key: Mapping[str, object]
    items: int
    size: int
    """Bytes that all entries of the folder may take."""
    hits: int = 0
    """Items that were answered from here."""
    _entry: "_Entry | None" = None
    _batch: int = 0
    _given_up: bool = False
    _place: Path = field(init=False)

    def __post_init__(self) -> None:
        self._place = self.folder / hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()

    @property
    def batch(self) -> int | None:
        """The batch size in which the answers here were computed: on some devices it is part of an answer."""
        return self._entry.batch if self._open() and self._entry else None

    @property
    def record_bytes(self) -> int:
        """Bytes of the answers to one item; 0 where none are here."""
        return self._entry.records.itemsize if self._open() and self._entry else 0

    def begin(self, batch: int) -> None:
        """Say in which batches further items are computed: those of `batch`, where answers are here already."""
        self._batch = batch

    def take(self, indices: Ints) -> tuple[Array, ...] | None:
        """The outputs of these items if all of them are here."""
        found = self.look(indices)
        self.hits += len(indices) if found is not None else 0
        return found

    def look(self, indices: Ints) -> tuple[Array, ...] | None:
        """The same, not counted: the caller won't judge by them."""
        return self._entry.read(indices) if self._open() and self._entry else None

    def sample(self, wanted: int) -> Ints:
        """At most so many items that are here, chosen by lot: nobody who writes here can know which."""
        if not self._open() or self._entry is None:
            return np.zeros(0, np.int64)
        lot = np.random.default_rng().permutation(self.items)[: 8 * wanted]
        there = [index for index in lot.tolist() if self._entry.has(index)]
        return np.array(there[:wanted], np.int64)

    def keep(self, indices: Ints, outputs: Sequence[Array]) -> None:
        """Remember outputs, one row an item. What can't be written is forgotten."""
        if self._given_up or not 1 <= len(outputs) <= _MOST_OUTPUTS:
            return
        if any(output.dtype.kind not in _KINDS for output in outputs):
            return
        try:
            if not self._open():
                self._create(outputs)
            if self._entry is None or not self._entry.fits(outputs):
                raise OSError("no place for these outputs")
            self._entry.write(indices, outputs)
        except OSError:
            self._given_up = True

    def throw_away(self) -> None:
        """Remove the entry: what it holds is not what the model answers. It is filled anew."""
        if self._entry is not None:
            self._entry.close()
            self._entry = None
        remove(self._place)

    def _open(self) -> bool:
        if self._entry is None and not self._given_up:
            self._entry = _Entry.open(self._place, self.key, self.items, self.size)
            if self._entry is not None and self._batch not in (0, self._entry.batch):
                # Somebody began it meanwhile, in other batches than ours.
                self._entry.close()
                self._entry, self._given_up = None, True
            if self._entry is not None:
                with contextlib.suppress(OSError):  # a folder that can be written and not listed
                    make_room(self.folder, 0, self.size, but=self._place.name)
        return self._entry is not None

    def _create(self, outputs: Sequence[Array]) -> None:
        """Beside its place, then moved there whole: two evaluations may begin at the same moment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        described = _described(outputs)
        about = {"key": self.key, "items": self.items, "batch": self._batch, "outputs": described}
        record = _records(described).itemsize
        needed = self.items * record
        if record > _LARGEST_RECORD or not make_room(self.folder, needed, self.size):
            raise OSError(f"{needed:,} bytes, {record:,} an item, do not fit into {self.size:,}")
        # Not by the process id: it is the same in every pod, and what a killed one left would be in the way for ever.
        made = Path(tempfile.mkdtemp(prefix=f"{self._place.name}.", dir=self.folder))
        try:
            made.chmod(0o755)
            with (made / _ANSWERS).open("wb") as stream:
                stream.truncate(needed)
            (made / _ABOUT).write_text(json.dumps(about, indent=2, sort_keys=True))
            made.rename(self._place)
        except OSError:  # no room, or the other one was first, and its folder is as good; or an entry of nobody's
            shutil.rmtree(made, ignore_errors=True)
        if not self._open():
            raise OSError(f"{self._place} can't be used")


@dataclass(frozen=True, slots=True)
class _Entry:
    """An open entry: records of one layout, and the batch size they were computed in."""

    file: int
    records: np.dtype[np.void]
    batch: int

    @classmethod
    def open(cls, place: Path, key: Mapping[str, object], items: int, most: int) -> "_Entry | None":
        """The entry, marked as used now; None unless it is whole, of this key and these items, and of `most` bytes."""
        try:
            about = json.loads(_short(place / _ABOUT))
            if about["key"] != json.loads(json.dumps(key)) or about["items"] != items:
                return None
            records, batch = _records(about["outputs"]), int(about["batch"])
            file = os.open(place / _ANSWERS, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (OSError, ValueError, OverflowError, KeyError, TypeError, RecursionError):
            return None
        needed, known = items * records.itemsize, 1 <= batch <= _LARGEST_BATCH
        if not known or records.itemsize > _LARGEST_RECORD or needed > most or os.fstat(file).st_size != needed:
            os.close(file)
            return None
        with contextlib.suppress(OSError):
            os.utime(place)
        return cls(file, records, batch)

    def close(self) -> None:
        os.close(self.file)

    def has(self, index: int) -> bool:
        """Whether the item's record is whole."""
        return self._record(index) is not None

    def read(self, indices: Ints) -> tuple[Array, ...] | None:
        """The outputs of these items if all of them are here."""
        found = []
        for index in indices.tolist():
            record = self._record(index)
            if record is None:
                return None
            found.append(record)
        table = np.frombuffer(b"".join(found), self.records)
        return tuple(np.array(table[name]) for name in self.records.names or () if name != _CHECKSUM)

    def fits(self, outputs: Sequence[Array]) -> bool:
        """Whether outputs have the entry's types and shapes."""
        return _records(_described(outputs)) == self.records

    def write(self, indices: Ints, outputs: Sequence[Array]) -> None:
        """Write whole records. Raises OSError."""
        table = np.zeros(len(indices), self.records)
        for number, output in enumerate(outputs):
            table[f"output{number}"] = output
        raw, size = table.tobytes(), self.records.itemsize
        for row, index in enumerate(indices.tolist()):
            values = raw[row * size + 4 : (row + 1) * size]
            whole = _checksum(values) + values
            if os.pwrite(self.file, whole, index * size) != size:
                raise OSError("a record was written in part")

    def _record(self, index: int) -> bytes | None:
        size = self.records.itemsize
        try:
            record = os.pread(self.file, size, index * size)
        except OSError:  # removed meanwhile, by an evaluator on another node
            return None
        return record if len(record) == size and record[:4] == _checksum(record[4:]) else None


def _short(file: Path) -> bytes:
    """What a file of ours says. Raises OSError: for a pipe, too, at which one would wait for ever."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as stream:
        return stream.read(_LARGEST_ABOUT)


def _described(outputs: Sequence[Array]) -> list[dict[str, Any]]:
    return [{"dtype": output.dtype.str, "shape": list(output.shape[1:])} for output in outputs]


def _checksum(values: bytes) -> bytes:
    """Four bytes that are never all zero: what was not written yet is no record."""
    return (zlib.crc32(values) or 1).to_bytes(4, "little")


def _records(outputs: Any) -> np.dtype[np.void]:
    """The layout of a record. Raises ValueError or TypeError for outputs that none of ours are."""
    if not 1 <= len(outputs) <= _MOST_OUTPUTS:
        raise ValueError("no outputs, or too many")
    fields: list[tuple[Any, ...]] = [(_CHECKSUM, "<u4")]
    for number, output in enumerate(outputs):
        kind, shape = np.dtype(str(output["dtype"])), tuple(output["shape"])
        if kind.kind not in _KINDS or not all(isinstance(length, int) and length >= 0 for length in shape):
            raise ValueError(f"output {number} is none that is kept")
        fields.append((f"output{number}", kind, shape))
    return np.dtype(fields)


def kept_answers(
    folder: Path | None, size: int, plan: EvaluationPlan, baseline: str, runtime: Mapping[str, str], items: int
) -> OutputCache | None:
    """The place for a baseline's answers to a plan's packs; everything that they depend on is in the key.

    `size`: bytes that all entries may take. `baseline` is its digest, `runtime` what it runs on. None without a folder,
    or where the inputs have no digest: what a remote name holds may change, and answers to other items would be judged.
    """
    unnamed = any(pack.inputs.digest is None and "://" in pack.inputs.uri for pack in plan.packs)
    if folder is None or unnamed:
        return None
    key = {
        "format": FORMAT,
        "baseline": baseline,
        "inputs": [pack.inputs.digest or pack.inputs.uri for pack in plan.packs],
        "providers": list(plan.execution_providers),
        "machine": platform.machine(),
        "processor": processor(),
        **runtime,
    }
    return OutputCache(folder, key, items, size)
