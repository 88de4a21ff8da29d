"""Rows of an .npz: read where they lie when they are stored plainly, unpacked to a temporary file when they are not."""

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from .rows import BLOCK, InputsError, RowFile, Segment, Spool

_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Of a member of a zip archive: signature, then the lengths of name and extra field, which the data follow."""

_Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


def npz_rows(file: Path, most_bytes: int) -> dict[str, RowFile]:
    """Each array of an .npz by its name. Raises InputsError.

    An array of no axes has no rows.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > most_bytes:
                raise InputsError(f"{file.name} unpacks to {size:,} bytes, at most {most_bytes:,} are taken")
            rows: dict[str, RowFile] = {}
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if name in rows:
                    raise InputsError(f"{file.name} holds the array {name!r} twice")
                rows[name] = _member(file, archive, entry)
            return rows
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, RuntimeError, struct.error) as error:
        # RuntimeError: encrypted, or packed in a way that Python can't unpack.
        raise InputsError(f"{file.name} is not a readable .npz of plain arrays: {error}") from error


def _member(file: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> RowFile:
    with archive.open(entry) as member:
        shape, by_columns, dtype = _array_header(member)
        start = member.tell()
        if min(shape, default=0) < 0 or dtype.itemsize > BLOCK:
            raise ValueError(f"{entry.filename} announces the shape {list(shape)} of {dtype}")
        size = math.prod(shape) * dtype.itemsize
        if start + size > entry.file_size:
            raise ValueError(f"{entry.filename} holds {entry.file_size - start:,} bytes where {size:,} are announced")
        count, row = (shape[0], shape[1:]) if shape else (0, ())
        by_columns = by_columns and len(shape) > 1
        if entry.compress_type == zipfile.ZIP_STORED and not by_columns and dtype.isnative:
            stream = file.open("rb")
            return RowFile(dtype, row, [Segment(stream, _data_offset(stream, entry) + start, count)])
        what = f"{file.name}: array {entry.filename.removesuffix('.npy')!r}"
        native = dtype.newbyteorder("=")
        if by_columns:
            return _by_rows(_unpacked(what, member, size, dtype), what, shape, dtype)
        return _unpacked(what, member, size, dtype).rows(native, row, count)


def _array_header(member: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        header: _Header = np.lib.format.read_array_header_1_0(member)
    elif version == (2, 0):
        header = np.lib.format.read_array_header_2_0(member)
    else:
        raise ValueError(f"an array in format {version}, which only structured types need")
    # Never pickle: an array of objects would be code.
    if header[2].hasobject:
        raise ValueError("an array of objects; write numbers or text of fixed width")
    return header


def _data_offset(stream: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin. The local header may be longer than the one in the archive's directory."""
    stream.seek(entry.header_offset)
    signature, name, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    if signature != b"PK\x03\x04":
        raise zipfile.BadZipFile(f"{entry.filename} is not where the archive's directory says")
    return int(entry.header_offset + _LOCAL_HEADER.size + name + extra)


def _unpacked(what: str, member: IO[bytes], size: int, dtype: np.dtype[Any]) -> Spool:
    """The member's numbers, in this machine's byte order."""
    spool = Spool(what)
    block = BLOCK // max(1, dtype.itemsize) * dtype.itemsize
    for start in range(0, size, block):
        wanted = min(block, size - start)
        data = member.read(wanted)
        if len(data) != wanted:
            raise EOFError(f"{what} ends after {start + len(data):,} of {size:,} bytes")
        spool.write(data if dtype.isnative else np.frombuffer(data, dtype).astype(dtype.newbyteorder("=")))
    return spool


def _by_rows(columns: Spool, what: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> RowFile:
    """Written column by column (Fortran's order): turned, a block of rows at a time."""
    native = dtype.newbyteorder("=")
    turned = Spool(what)
    if math.prod(shape):
        source = np.memmap(columns.stream, native, "r", shape=shape, order="F")
        for block in _blocks(shape[0], math.prod(shape[1:]) * native.itemsize):
            turned.write(np.ascontiguousarray(source[block]))
    columns.stream.close()
    return turned.rows(native, shape[1:], shape[0])


def _blocks(count: int, row_bytes: int) -> Iterator[slice]:
    step = max(1, BLOCK // max(1, row_bytes))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
