"""Rows of a Parquet file: decoded a few megabytes at a time into a temporary file of plain rows."""

from pathlib import Path
from typing import Any

import numpy as np

from .rows import BLOCK, InputsError, RowFile, Spool
from .runtime import Array


def parquet_rows(file: Path, most_bytes: int) -> dict[str, RowFile]:
    """Each column by its name: numbers, text, or lists of them, all of one length. Raises InputsError."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Without `pre_buffer`: it would read a whole row group, which may be the whole file.
        with parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False) as source:
            return _Conversion(file.name, source, most_bytes).run()
    except (pa.ArrowException, OSError) as error:
        raise InputsError(f"{file.name} is not a readable Parquet file: {error}") from error


class _Conversion:
    def __init__(self, file: str, source: Any, most_bytes: int) -> None:
        self._file, self._source, self._most_bytes = file, source, most_bytes
        self._names: list[str] = source.schema_arrow.names
        self._count: int = source.metadata.num_rows
        if twice := {name for name in self._names if self._names.count(name) > 1}:
            raise InputsError(f"{file} holds the column {min(twice)!r} twice")

    def run(self) -> dict[str, RowFile]:
        if not self._names or not self._count:
            what = "items; a pack needs at least one" if self._names else "array; write one a model input"
            raise InputsError(f"{self._file} holds no {what}")
        widths = self._text_widths()
        (first,) = self._blocks(1, most=1)
        row = {name: self._array(name, first.column(name), widths) for name in self._names}
        row_bytes = sum(array.nbytes for array in row.values())
        size = self._count * row_bytes
        if size > self._most_bytes:
            raise InputsError(f"{self._file} unpacks to {size:,} bytes, at most {self._most_bytes:,} are taken")
        spools = {name: Spool(f"{self._file}: column {name!r}") for name in self._names}
        for block in self._blocks(max(1, BLOCK // max(1, row_bytes))):
            for name, spool in spools.items():
                array = self._array(name, block.column(name), widths)
                if array.shape[1:] != row[name].shape[1:]:
                    raise self._ragged(name)
                spool.write(array)
        return {name: spool.rows(row[name].dtype, row[name].shape[1:], self._count) for name, spool in spools.items()}

    def _blocks(self, rows: int, most: int | None = None, columns: list[str] | None = None) -> Any:
        blocks = self._source.iter_batches(batch_size=rows, columns=columns or self._names, use_threads=False)
        return blocks if most is None else [next(blocks)]

    def _text_widths(self) -> dict[str, int]:
        """The longest text of each column of text: a row of a file has one length."""
        import pyarrow as pa
        from pyarrow import compute

        widths: dict[str, int] = {}
        for name in self._names:
            kind = self._source.schema_arrow.field(name).type
            while _is_list(kind):
                kind = kind.value_type
            if pa.types.is_string(kind) or pa.types.is_large_string(kind):
                widths[name] = 1
                for block in self._blocks(4096, columns=[name]):
                    values = block.column(name)
                    while _is_list(values.type):
                        values = values.flatten()
                    widths[name] = max(widths[name], compute.max(compute.utf8_length(values)).as_py() or 0)
        return widths

    def _array(self, name: str, values: Any, widths: dict[str, int]) -> Array:
        if values.null_count:
            empty = sum(block.column(name).null_count for block in self._blocks(4096, columns=[name]))
            raise InputsError(f"{self._file}: column {name!r} has {empty} empty cells; every item needs a value")
        shape: list[int] = [len(values)]
        while _is_list(values.type):
            flat = values.flatten()
            if len(flat) % len(values) or _differ(values):
                raise self._ragged(name)
            if flat.null_count:
                raise InputsError(f"{self._file}: column {name!r} has empty cells inside its lists; write a value")
            shape.append(len(flat) // len(values))
            values = flat
        if name in widths:
            return np.array(values.to_pylist(), dtype=f"U{widths[name]}").reshape(shape)
        array = values.to_numpy(zero_copy_only=False)
        if array.dtype.kind == "O":
            kind = values.type
            raise InputsError(f"{self._file}: column {name!r} is of type {kind}; write numbers, text or lists of them")
        result: Array = array.reshape(shape)
        return result

    def _ragged(self, name: str) -> InputsError:
        return InputsError(f"{self._file}: the lists of column {name!r} differ in length; an input has one shape")


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _differ(values: Any) -> bool:
    lengths = values.value_lengths().to_numpy(zero_copy_only=False)
    return bool((lengths != lengths[0]).any())
