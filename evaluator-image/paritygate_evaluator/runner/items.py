"""The inputs of the packs: one array a model input, first axis = items."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .npz_rows import npz_rows
from .parquet_rows import parquet_rows
from .rows import BLOCK, InputsError, RowFile, Rows, Segment, Spool

IN_MEMORY = 64 << 20
"""Bytes. Inputs up to here are read whole, once, before the fork that shares them: rows then cost a third."""

__all__ = ["InputsError", "Rows", "load_inputs"]


def load_inputs(
    folders: Sequence[Path], most_bytes: int, in_memory: int = IN_MEMORY
) -> tuple[Mapping[str, Rows], tuple[int, ...]]:
    """All items of all packs, one pack after the other: arrays by name, and how many items each pack has.

    A pack may unpack to `most_bytes`; together they stay on the disk when they are larger than `in_memory`.
    Raises InputsError.
    """
    packs = [_open(_only_file(folder), most_bytes) for folder in folders]
    counts = tuple(len(next(iter(pack.values()))) for pack in packs)
    first = packs[0]
    for number, pack in enumerate(packs[1:], start=2):
        if _schema(pack) != _schema(first):
            raise InputsError(
                f"pack {number} has other inputs ({_listed(pack)}) than pack 1 ({_listed(first)}): packs that are "
                "judged together must have the same names, types and shapes"
            )
    items = {name: _joined(name, [pack[name] for pack in packs]) for name in first}
    if sum(rows.nbytes for rows in items.values()) <= in_memory:
        return {name: rows.loaded() for name, rows in items.items()}, counts
    return items, counts


def _only_file(folder: Path) -> Path:
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
    if len(files) != 1:
        raise InputsError(f"the inputs of a pack are one file, .npz or .parquet; {folder} holds {len(files)}")
    return files[0]


def _open(file: Path, most_bytes: int) -> dict[str, RowFile]:
    if file.suffix == ".npz":
        arrays = npz_rows(file, most_bytes)
    elif file.suffix in (".parquet", ".pq"):
        arrays = parquet_rows(file, most_bytes)
    else:
        raise InputsError(f"{file.name}: inputs are .npz or .parquet, this ends in {file.suffix or 'nothing'!r}")
    if not arrays:
        raise InputsError(f"{file.name} holds no array; write one a model input")
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise InputsError(f"{file.name}: the arrays differ in items (first axis): {lengths}")
    if not next(iter(lengths.values())):
        raise InputsError(f"{file.name} holds no items; a pack needs at least one")
    if hollow := [name for name, array in arrays.items() if not array.nbytes]:
        raise InputsError(f"{file.name}: the items of array {hollow[0]!r} hold nothing: {arrays[hollow[0]].shape}")
    return arrays


def _joined(name: str, packs: Sequence[RowFile]) -> RowFile:
    """One after the other. Text is as wide as the longest of any pack: only then a row has one length."""
    widest = max((rows.dtype for rows in packs), key=lambda dtype: dtype.itemsize)
    segments: list[Segment] = []
    for rows in packs:
        segments += (rows if rows.dtype == widest else _widened(name, rows, widest)).segments()
    return RowFile(widest, packs[0].shape[1:], segments)


def _widened(name: str, rows: RowFile, dtype: np.dtype[np.str_]) -> RowFile:
    spool = Spool(f"array {name!r}")
    step = max(1, BLOCK * len(rows) // max(1, rows.nbytes))
    for start in range(0, len(rows), step):
        spool.write(rows.take(np.arange(start, min(start + step, len(rows)))).astype(dtype))
    return spool.rows(dtype, rows.shape[1:], len(rows))


def _schema(pack: Mapping[str, RowFile]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        name: ("U" if rows.dtype.kind == "U" else rows.dtype.str, rows.shape[1:]) for name, rows in sorted(pack.items())
    }


def _listed(pack: Mapping[str, RowFile]) -> str:
    return ", ".join(f"{name} {rows.dtype}{list(rows.shape[1:])}" for name, rows in pack.items())
