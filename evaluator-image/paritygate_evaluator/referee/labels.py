"""The labels of the packs: what is right, and which slices an item belongs to. Nobody but the referee reads them."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paritygate.api import Reason

from ..ending import EvaluatorError

ID, LABEL = "id", "label"
_LONGEST = {ID: 200, LABEL: 128}
_LONGEST_SLICE = 128


@dataclass(frozen=True, slots=True)
class Labels:
    """One entry an item, in the order of the inputs."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    counts: tuple[int, ...]
    """Items of each pack."""

    def __len__(self) -> int:
        return len(self.ids)


def read_labels(folder: Path, pack: str, slices: Sequence[str]) -> Labels:
    """The labels of one pack: the one file in its folder. Raises EvaluatorError PackInvalid."""
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
    if len(files) != 1:
        raise _invalid(pack, f"the labels of a pack are one file, .csv or .parquet; there are {len(files)}")
    return read_label_file(files[0], pack, slices)


def read_label_file(file: Path, pack: str, slices: Sequence[str]) -> Labels:
    """The labels in a file. `slices` are the slice columns that the pack declares.

    Raises EvaluatorError PackInvalid naming file, row and column: rows count from 1, the header of a CSV is row 1.
    """
    where = f"{pack}: {file.name}"
    wanted = (ID, LABEL, *slices)
    if file.suffix == ".csv":
        rows = _csv_rows(file, where, wanted)
    elif file.suffix in (".parquet", ".pq"):
        rows = _parquet_rows(file, where, wanted)
    else:
        raise _invalid(pack, f"{file.name}: labels are .csv or .parquet, this ends in {file.suffix or 'nothing'!r}")
    return _checked(where, slices, rows)


def together(packs: Sequence[tuple[str, Labels]]) -> Labels:
    """All packs as one, in the plan's order. With several packs, ids get the pack's name in front."""
    if len(packs) == 1:
        return packs[0][1]
    common = [c for c in packs[0][1].columns if all(c in labels.columns for _, labels in packs)]
    return Labels(
        ids=tuple(f"{name}/{item}" for name, labels in packs for item in labels.ids),
        labels=tuple(label for _, labels in packs for label in labels.labels),
        columns={c: tuple(value for _, labels in packs for value in labels.columns[c]) for c in common},
        counts=tuple(len(labels) for _, labels in packs),
    )


def _checked(where: str, slices: Sequence[str], rows: Iterator[tuple[int, Sequence[str]]]) -> Labels:
    ids: dict[str, int] = {}
    labels: list[str] = []
    values: list[list[str]] = [[] for _ in slices]
    for number, (item, label, *cells) in rows:
        for column, value in zip((ID, LABEL, *slices), (item, label, *cells), strict=True):
            longest = _LONGEST.get(column, _LONGEST_SLICE)
            if not value:
                raise _invalid(where, f"row {number}: column {column!r} is empty; every item needs a value")
            if len(value) > longest or not value.isprintable():
                raise _invalid(where, f"row {number}: column {column!r} holds more than {longest} printable characters")
        if item in ids:
            raise _invalid(where, f"row {number}: id {item!r} was already in row {ids[item]}; an item counts once")
        ids[item] = number
        labels.append(label)
        for store, value in zip(values, cells, strict=True):
            store.append(value)
    if not ids:
        raise _invalid(where, "no items; a pack needs at least one")
    columns = {column: tuple(store) for column, store in zip(slices, values, strict=True)}
    return Labels(tuple(ids), tuple(labels), columns, (len(ids),))


def _csv_rows(file: Path, where: str, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            places = _places(where, header, wanted)
            for number, row in enumerate(reader, start=2):
                if not row:
                    continue  # a blank line, as many editors leave at the end
                if len(row) != len(header):
                    raise _invalid(where, f"row {number}: {len(row)} cells where the header has {len(header)}")
                yield number, [row[place] for place in places]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(where, f"not a readable CSV in UTF-8: {error}") from error


def _parquet_rows(file: Path, where: str, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise _invalid(where, f"not a readable Parquet file: {error}") from error
    _places(where, table.column_names, wanted)
    columns = [table.column(name).to_pylist() for name in wanted]
    for number, row in enumerate(zip(*columns, strict=True), start=1):
        yield number, ["" if cell is None else str(cell) for cell in row]


def _places(where: str, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    for column in wanted:
        if header.count(column) != 1:
            said = "is missing" if column not in header else "is there twice"
            known = ", ".join(header) or "none"
            what = "" if column in (ID, LABEL) else " (a slice column of the pack)"
            raise _invalid(where, f"column {column!r}{what} {said}; the file has: {known[:300]}")
    return [header.index(column) for column in wanted]


def _invalid(where: str, what: str) -> EvaluatorError:
    return EvaluatorError(Reason.PACK_INVALID, f"{where}: {what}")
