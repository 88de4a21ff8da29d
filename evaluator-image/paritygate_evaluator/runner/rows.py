"""Arrays that lie in a file, row by row: read where they are needed, never whole."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from .callers import Callers, Span
from .runtime import Array, Indices, RunFailedError

BLOCK = 4 << 20
"""Bytes that are read, converted or written at once where an array is gone through from end to end."""

NEAR = 16 << 10
"""Bytes. A call costs about as much as copying these: of rows that lie nearer, those between are read along."""

_MOST_GATHERED, _PIECE = 8 << 20, 1 << 20
"""Bytes of rows that are brought into memory for one request; bytes that are read at once for that."""

_ANYWHERE, _AHEAD = getattr(os, "POSIX_FADV_RANDOM", None), getattr(os, "POSIX_FADV_WILLNEED", None)
"""What the system is told of reads to come; not every system can be told."""

_NO_WAIT: int = getattr(os, "RWF_NOWAIT", 0)
"""Read what the system has in memory; an error where it would wait for a disk."""


class InputsError(Exception):
    """The inputs can't be used. The message names the file, the array and what to do."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows that lie one after the other in a file, the first of them at `offset`."""

    stream: BinaryIO
    offset: int
    count: int


class RowFile:
    """An array of which only the rows that are asked for come into memory; first axis = items.

    It stands in for an ndarray wherever that is only asked for its rows: `np.take(rows, indices, axis=0)` works, and so
    do `dtype`, `shape`, `ndim` and `len`. Forked processes and threads share it: a read names its own offset.

    Reading, and not a memory map: pages of a map that were touched would count as the model's memory, and a file cut
    short would be a signal 7 instead of an error.
    """

    def __init__(self, dtype: np.dtype[Any], row: tuple[int, ...], segments: Sequence[Segment]) -> None:
        self.dtype = dtype
        self.shape = (sum(segment.count for segment in segments), *row)
        self._segments = tuple(segments)
        self._row_bytes = dtype.itemsize * int(np.prod(row, dtype=np.int64))
        counts = np.array([segment.count for segment in segments], np.int64)
        self._starts = np.cumsum(counts) - counts
        self._offsets = np.array([segment.offset for segment in segments], np.int64)
        if _ANYWHERE is not None:
            for segment in segments:
                os.posix_fadvise(segment.stream.fileno(), 0, 0, _ANYWHERE)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Axes, that of the items included."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """What it would take in memory."""
        return len(self) * self._row_bytes

    def take(
        self, indices: npt.ArrayLike, axis: int | None = 0, out: Array | None = None, mode: str = "raise"
    ) -> Array:
        """The rows at `indices` (k,), as one contiguous array, in `out` where it is given.

        Raises IndexError for an index out of range, whatever `mode`, and RunFailedError when the file can't be read.
        """
        places = np.asarray(indices, np.int64)
        if axis != 0 or places.ndim != 1:
            raise IndexError("rows are taken by one list of indices along the first axis")
        result = np.empty((len(places), *self.shape[1:]), self.dtype) if out is None else out
        if (
            not result.flags.c_contiguous
            or result.dtype != self.dtype
            or result.nbytes != len(places) * self._row_bytes
        ):
            raise ValueError("rows are taken into contiguous memory of their own dtype and shape")
        if result.nbytes:
            self._fill(_bytes_of(result), self._runs(places))
        return result

    def read(self, first: int, out: Array) -> None:
        """The rows from `first` on, as many as `out` (contiguous, of their dtype) has. Errors as in `take`."""
        runs: list[tuple[int, int, int, int]] = []
        done = 0
        while done < len(out):
            segment = int(np.searchsorted(self._starts, first + done, "right")) - 1
            skipped = first + done - int(self._starts[segment])
            count = min(self._segments[segment].count - skipped, len(out) - done)
            offset = int(self._offsets[segment]) + skipped * self._row_bytes
            runs.append((segment, offset, done * self._row_bytes, count * self._row_bytes))
            done += count
        self._fill(_bytes_of(out), runs)

    def reshape(self, *shape: int) -> "RowFile":
        """The same rows in another shape, the first axis written as -1."""
        row = shape[1:]
        if shape[0] != -1 or int(np.prod(row)) * self.dtype.itemsize != self._row_bytes:
            raise ValueError(f"rows of shape {list(self.shape[1:])} can't be taken as {list(row)}")
        return RowFile(self.dtype, row, self._segments)

    def prefetch(self, indices: npt.NDArray[np.int64]) -> None:
        """Have the system read these rows ahead: many at a time, where `take` waits for one after the other."""
        self._advise(self._runs(indices))

    def loaded(self) -> Array:
        """All of it in memory; the files are closed."""
        array = np.empty(self.shape, self.dtype)
        offsets, starts = self._offsets.tolist(), (self._starts * self._row_bytes).tolist()
        sizes = [segment.count * self._row_bytes for segment in self._segments]
        self._fill(_bytes_of(array), list(zip(range(len(sizes)), offsets, starts, sizes, strict=True)))
        for segment in self._segments:
            segment.stream.close()
        return array

    def segments(self) -> tuple[Segment, ...]:
        """Where the rows lie."""
        return self._segments

    def _runs(self, places: npt.NDArray[np.int64]) -> list[tuple[int, int, int, int]]:
        """Segment, offset in its file, place in the result and bytes of each run of neighbouring rows."""
        if not len(places):
            return []
        if places.min() < 0 or places.max() >= len(self):
            raise IndexError(f"rows {places.min()} to {places.max()} of {len(self)}")
        segments = np.searchsorted(self._starts, places, "right") - 1
        begins = np.ones(len(places), np.bool_)
        begins[1:] = (places[1:] != places[:-1] + 1) | (segments[1:] != segments[:-1])
        first = np.flatnonzero(begins)
        sizes = np.diff(first, append=len(places)) * self._row_bytes
        segments = segments[first]
        offsets = self._offsets[segments] + (places[first] - self._starts[segments]) * self._row_bytes
        return list(
            zip(segments.tolist(), offsets.tolist(), (first * self._row_bytes).tolist(), sizes.tolist(), strict=True)
        )

    def _fill(self, target: memoryview, runs: Sequence[tuple[int, int, int, int]]) -> None:
        descriptors = [segment.stream.fileno() for segment in self._segments]
        flags = _NO_WAIT
        for number, (segment, offset, place, size) in enumerate(runs):
            stop = place + size
            while place < stop:
                try:
                    got = os.preadv(descriptors[segment], [target[place:stop]], offset, flags)
                except OSError as error:
                    if not flags:
                        raise RunFailedError(f"the inputs can't be read: {error}") from error
                    # All that is left at once: a disk answers many side by side, where reads wait for one another.
                    flags = 0
                    self._advise(runs[number:])
                    continue
                if not got:
                    raise RunFailedError("the inputs became shorter while they were read: the file was changed")
                place, offset = place + got, offset + got

    def _advise(self, runs: Sequence[tuple[int, int, int, int]]) -> None:
        if _AHEAD is not None:
            for segment, offset, _, size in runs:
                os.posix_fadvise(self._segments[segment].stream.fileno(), offset, size, _AHEAD)


class Gathered:
    """Some rows of a file in memory, asked for by their places in the file: stands in for the `RowFile` they are of."""

    def __init__(self, rows: RowFile, places: Indices, array: Array) -> None:
        self._places, self._array = places, array
        self.dtype, self.shape, self.ndim = rows.dtype, rows.shape, rows.ndim

    def __len__(self) -> int:
        return self.shape[0]

    def take(
        self, indices: npt.ArrayLike, axis: int | None = 0, out: Array | None = None, mode: str = "raise"
    ) -> Array:
        """As `RowFile.take`, of the rows that are here."""
        found = np.searchsorted(self._places, indices)
        if not np.array_equal(self._places.take(found, mode="clip"), indices):
            raise IndexError("rows are asked for that were not brought into memory")
        return np.take(self._array, found, axis, out, "clip")


def gathered(rows: RowFile, indices: Indices, callers: Callers) -> "RowFile | Gathered":
    """The rows at `indices` in memory, read in the order of the file, where that is quicker than one by one.

    It is where they lie so near to each other that reading what is between costs less than a call for each.
    """
    places = np.unique(indices)
    size = rows.nbytes // len(rows)
    if len(places) * size > _MOST_GATHERED or int(places[-1] - places[0]) * size > len(places) * NEAR:
        return rows
    array = np.empty((len(places), *rows.shape[1:]), rows.dtype)
    most = max(1, _PIECE // size)
    step = max(1, most * len(places) // int(places[-1] - places[0] + 1))
    callers.share(len(places), step, partial(_bring, rows, places, array, most))
    return Gathered(rows, places, array)


def _bring(rows: RowFile, places: Indices, array: Array, most: int, spans: Iterator[Span]) -> None:
    """Read these spans of `places` into `array`, by way of a piece of the file of at most so many rows."""
    piece = np.empty((most, *rows.shape[1:]), rows.dtype)
    for at, stop in spans:
        while at < stop:
            first = int(places[at])
            end = min(int(np.searchsorted(places, first + most)), stop)
            count = int(places[end - 1]) - first + 1
            rows.read(first, piece[:count])
            np.take(piece, places[at:end] - first, axis=0, out=array[at:end], mode="clip")
            at = end


Rows = Array | RowFile
"""The items of one model input: in memory, or in a file."""

Source = Rows | Gathered
"""What rows are taken from."""


class Spool:
    """A temporary file that takes what has to be unpacked: without a name, gone with the last process that has it.

    It lies where `TMPDIR` says, or in the system's folder for temporary files.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._written = 0
        try:
            # Closed by whoever holds the rows.
            self.stream: BinaryIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        except OSError as error:
            raise self._full(error) from error

    def write(self, data: Any) -> None:
        """Append bytes, or an array's. Raises InputsError when there is no room."""
        view = memoryview(data).cast("B") if not isinstance(data, np.ndarray) else _bytes_of(data)
        try:
            while view:
                done = self.stream.write(view) or 0
                self._written += done
                view = view[done:]
        except OSError as error:
            raise self._full(error) from error

    def rows(self, dtype: np.dtype[Any], row: tuple[int, ...], count: int) -> RowFile:
        """What was written, as `count` rows."""
        return RowFile(dtype, row, [Segment(self.stream, 0, count)])

    def _full(self, error: OSError) -> InputsError:
        return InputsError(
            f"{self._what} can't be unpacked into {tempfile.gettempdir()}: {error.strerror} after {self._written:,} "
            "bytes; make room there, or point TMPDIR to where there is (an uncompressed .npz is not unpacked)"
        )


def _bytes_of(array: Array) -> memoryview:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
