"""The inputs of the packs: one array a model input, first axis = items."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class InputsError(Exception):
    """The inputs can't be used. The message names the file, the array and what to do."""


def load_inputs(folders: Sequence[Path], most_bytes: int) -> tuple[dict[str, Array], tuple[int, ...]]:
    """All items of all packs, one pack after the other: arrays by name, and how many items each pack has.

    Raises InputsError.
    """
    packs = [_load(_only_file(folder), most_bytes) for folder in folders]
    counts = tuple(len(next(iter(pack.values()))) for pack in packs)
    if len(packs) == 1:
        return packs[0], counts
    first = packs[0]
    for number, pack in enumerate(packs[1:], start=2):
        if _schema(pack) != _schema(first):
            raise InputsError(
                f"pack {number} has other inputs ({_listed(pack)}) than pack 1 ({_listed(first)}): packs that are "
                "judged together must have the same names, types and shapes"
            )
    return {name: np.concatenate([pack[name] for pack in packs]) for name in first}, counts


def _only_file(folder: Path) -> Path:
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
    if len(files) != 1:
        raise InputsError(f"the inputs of a pack are one file, .npz or .parquet; {folder} holds {len(files)}")
    return files[0]


def _load(file: Path, most_bytes: int) -> dict[str, Array]:
    if file.suffix == ".npz":
        arrays = _load_npz(file, most_bytes)
    elif file.suffix in (".parquet", ".pq"):
        arrays = _load_parquet(file, most_bytes)
    else:
        raise InputsError(f"{file.name}: inputs are .npz or .parquet, this ends in {file.suffix or 'nothing'!r}")
    if not arrays:
        raise InputsError(f"{file.name} holds no array; write one a model input")
    lengths = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise InputsError(f"{file.name}: the arrays differ in items (first axis): {lengths}")
    if not next(iter(lengths.values())):
        raise InputsError(f"{file.name} holds no items; a pack needs at least one")
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _load_npz(file: Path, most_bytes: int) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > most_bytes:
            raise InputsError(f"{file.name} unpacks to {size:,} bytes, at most {most_bytes:,} are taken")
        # Never pickle: an array of objects would be code.
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise InputsError(f"{file.name} is not a readable .npz of plain arrays: {error}") from error


def _load_parquet(file: Path, most_bytes: int) -> dict[str, Array]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise InputsError(f"{file.name} is not a readable Parquet file: {error}") from error
    if table.nbytes > most_bytes:
        raise InputsError(f"{file.name} unpacks to {table.nbytes:,} bytes, at most {most_bytes:,} are taken")
    return {name: _column(file.name, name, table.column(name)) for name in table.column_names}


def _column(file: str, name: str, column: Any) -> Array:
    if column.null_count:
        raise InputsError(f"{file}: column {name!r} has {column.null_count} empty cells; every item needs a value")
    import pyarrow as pa

    shape: list[int] = [len(column)]
    values = column.combine_chunks()
    while (
        pa.types.is_list(values.type) or pa.types.is_large_list(values.type) or pa.types.is_fixed_size_list(values.type)
    ):
        flat = values.flatten()
        if len(values) == 0 or len(flat) % len(values) or _ragged(values):
            raise InputsError(f"{file}: the lists of column {name!r} differ in length; an input has one shape")
        shape.append(len(flat) // len(values))
        values = flat
    array = values.to_numpy(zero_copy_only=False)
    if array.dtype.kind == "O":
        if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
            raise InputsError(f"{file}: column {name!r} is of type {values.type}; write numbers, text or lists of them")
        array = array.astype(str)
    result: Array = array.reshape(shape)
    return result


def _ragged(values: Any) -> bool:
    lengths = values.value_lengths().to_numpy(zero_copy_only=False)
    return bool((lengths != lengths[0]).any())


def _schema(pack: dict[str, Array]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (array.dtype.str, array.shape[1:]) for name, array in sorted(pack.items())}


def _listed(pack: dict[str, Array]) -> str:
    return ", ".join(f"{name} {array.dtype}{list(array.shape[1:])}" for name, array in pack.items())
