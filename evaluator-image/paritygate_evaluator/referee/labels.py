"""The labels of the packs: what is right, and which slices an item belongs to. Nobody but the referee reads them."""

import csv
import itertools
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt
from paritygate.api import Reason

from ..ending import EvaluatorError

ID, LABEL, PACK = "id", "label", "pack"
NOBODY_SAID = "-"
"""The label of an item of an unlabelled pack."""
_LONGEST = {ID: 200, LABEL: 128}
_LONGEST_SLICE = 128
_ROWS = 16384
"""Rows of a Parquet file that are decoded at once."""


class _Texts(Sequence[str]):
    """A sequence of texts by place: what `Column` and `Ids` share."""

    def _text(self, place: int) -> str:
        raise NotImplementedError

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self._text(k) for k in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._text(place % len(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self[:5]))}{', ...' if len(self) > 5 else ''})"


class Column(_Texts):
    """One text an item, kept as a number that says which of the distinct texts it is: 4 bytes an item."""

    def __init__(self, values: Sequence[str], codes: npt.NDArray[np.int32]) -> None:
        self.values: tuple[str, ...] = tuple(values)
        """The distinct texts, in the order of their first items."""
        self.codes = codes
        """(items,): the place of each item's text in `values`."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Column":
        """These texts."""
        coder = _Coder()
        for text in texts:
            coder.add(text)
        return coder.column()

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return map(self.values.__getitem__, self.codes.tolist())

    def _text(self, place: int) -> str:
        return self.values[int(self.codes[place])]


class Ids(_Texts):
    """One text an item, all different, end to end in one piece of memory: their bytes and 8 more an item."""

    def __init__(self, text: bytes, ends: npt.NDArray[np.int64]) -> None:
        self._bytes, self._ends = text, ends

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Ids":
        """These texts; nobody looks here whether they differ."""
        text, ends = bytearray(), array("q")
        for item in ids:
            text += item.encode()
            ends.append(len(text))
        return cls(bytes(text), np.array(ends, np.int64))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        start = 0
        for at in range(0, len(self), _ROWS):
            # In pieces: a list of all the places would be larger than the texts.
            for end in self._ends[at : at + _ROWS].tolist():
                yield self._bytes[start:end].decode()
                start = end

    def _text(self, place: int) -> str:
        start = self._ends[place - 1] if place else 0
        return self._bytes[start : self._ends[place]].decode()


@dataclass(frozen=True, slots=True)
class Labels:
    """One entry an item, in the order of the inputs."""

    ids: Sequence[str]
    labels: Column
    columns: Mapping[str, Column]
    """The slice columns of the packs, and `pack`: the name of the pack that an item is from."""
    counts: tuple[int, ...]
    """Items of each pack."""
    clusters: tuple[Column | None, ...] = ()
    """For each pack the cluster of each of its items; None, or nothing at all, where items belong to none."""
    labelled: bool = True
    """Whether anybody said what is right; else nothing may be made of `labels`."""

    def __len__(self) -> int:
        return len(self.ids)


def read_labels(
    folder: Path, pack: str, slices: Sequence[str], cluster: str | None = None, *, labelled: bool = True
) -> Labels:
    """The labels of one pack: the one file in its folder. Raises EvaluatorError PackInvalid."""
    files = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
    if len(files) != 1:
        raise _invalid(pack, f"the labels of a pack are one file, .csv or .parquet; there are {len(files)}")
    return read_label_file(files[0], pack, slices, cluster, labelled=labelled)


def read_label_file(
    file: Path, pack: str, slices: Sequence[str], cluster: str | None = None, *, labelled: bool = True
) -> Labels:
    """The labels in a file. `slices` are the slice columns that the pack declares, `cluster` is its cluster column.

    If it is not `labelled`, no column `label` is read: every item's label is `NOBODY_SAID`.
    Raises EvaluatorError PackInvalid naming file, row and column: rows count from 1, the header of a CSV is row 1.
    """
    where = f"{pack}: {file.name}"
    if PACK in slices:
        raise _invalid(pack, f"{PACK!r} is no slice column to declare: every item has it, it names the item's pack")
    wanted = (ID, *([LABEL] if labelled else []), *dict.fromkeys([*slices, *([cluster] if cluster else [])]))
    if file.suffix == ".csv":
        rows = _csv_rows(file, where, wanted, cluster)
    elif file.suffix in (".parquet", ".pq"):
        rows = _parquet_rows(file, where, wanted, cluster)
    else:
        raise _invalid(pack, f"{file.name}: labels are .csv or .parquet, this ends in {file.suffix or 'nothing'!r}")
    ids, cells = _checked(where, wanted[1:], rows)
    cells[PACK] = Column((pack,), np.zeros(len(ids), np.int32))
    together = _told_apart(where, cluster, cells[cluster]) if cluster else None
    if cluster not in slices:
        cells.pop(cluster or "", None)
    labels = cells.pop(LABEL) if labelled else Column((NOBODY_SAID,), np.zeros(len(ids), np.int32))
    return Labels(ids, labels, cells, (len(ids),), (together,), labelled)


def _told_apart(where: str, cluster: str, column: Column) -> Column:
    """The clusters of a pack, more than one."""
    if len(column.values) == 1:
        said = f"spec.cluster: column {cluster!r} holds {column.values[0]!r} for all {len(column):,} items, and one "
        said += "cluster is one piece of evidence; name a column that tells documents, patients or users apart, or "
        raise _invalid(where, f"{said}leave spec.cluster out if no items belong together")
    return column


def together(packs: Sequence[tuple[str, Labels]]) -> Labels:
    """All packs as one, in the plan's order. With several packs, ids get the pack's name in front."""
    if len(packs) == 1:
        return packs[0][1]
    common = [c for c in packs[0][1].columns if all(c in labels.columns for _, labels in packs)]
    return Labels(
        ids=Ids.of(f"{name}/{item}" for name, labels in packs for item in labels.ids),
        labels=_joined([labels.labels for _, labels in packs]),
        columns={c: _joined([labels.columns[c] for _, labels in packs]) for c in common},
        counts=tuple(len(labels) for _, labels in packs),
        clusters=tuple(column for _, labels in packs for column in labels.clusters or (None,)),
        labelled=all(labels.labelled for _, labels in packs),
    )


def _joined(columns: Sequence[Column]) -> Column:
    values = Column.of(value for column in columns for value in column.values)
    starts = np.cumsum([0, *(len(column.values) for column in columns)])
    codes = [values.codes[start + column.codes] for start, column in zip(starts[:-1], columns, strict=True)]
    return Column(values.values, np.concatenate(codes))


class _Coder:
    """Takes texts one by one, tells new ones, becomes a Column."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._codes = array("i")

    def add(self, text: str) -> None:
        self._codes.append(self._numbers.setdefault(text, len(self._numbers)))

    def __contains__(self, text: str) -> bool:
        return text in self._numbers

    def column(self) -> Column:
        return Column(tuple(self._numbers), np.array(self._codes, np.int32))


class _Seen:
    """Tells an id that was there before, with 12 bytes an item: hashes are compared, then those few texts."""

    def __init__(self) -> None:
        self._hashes, self._rows = array("q"), array("i")

    def add(self, item: str, row: int) -> None:
        self._hashes.append(hash(item))
        self._rows.append(row)

    def check(self, where: str, ids: Sequence[str]) -> None:
        """Raises EvaluatorError PackInvalid naming the first id that is a repetition."""
        hashes = np.array(self._hashes, np.int64)
        ordered = np.sort(hashes)
        suspects = np.isin(hashes, ordered[1:][np.diff(ordered) == 0])
        first: dict[str, int] = {}
        for place in np.flatnonzero(suspects).tolist():
            item, row = ids[place], self._rows[place]
            if item in first:
                raise _invalid(where, f"row {row}: id {item!r} was already in row {first[item]}; an item counts once")
            first[item] = row


def _checked(
    where: str, columns: Sequence[str], rows: Iterator[tuple[int, Sequence[str]]]
) -> tuple[Ids, dict[str, Column]]:
    coders = [_Coder() for _ in columns]
    seen = _Seen()

    def checked_ids() -> Iterator[str]:
        for number, (item, *cells) in rows:
            _check(where, number, ID, item)
            seen.add(item, number)
            for column, coder, cell in zip(columns, coders, cells, strict=True):
                if cell not in coder:
                    _check(where, number, column, cell)
                coder.add(cell)
            yield item

    ids = Ids.of(checked_ids())
    if not ids:
        raise _invalid(where, "no items; a pack needs at least one")
    seen.check(where, ids)
    return ids, {column: coder.column() for column, coder in zip(columns, coders, strict=True)}


def _check(where: str, number: int, column: str, value: str) -> None:
    longest = _LONGEST.get(column, _LONGEST_SLICE)
    if not value:
        raise _invalid(where, f"row {number}: column {column!r} is empty; every item needs a value")
    if len(value) > longest or not value.isprintable():
        raise _invalid(where, f"row {number}: column {column!r} holds more than {longest} printable characters")


def _csv_rows(
    file: Path, where: str, wanted: Sequence[str], cluster: str | None
) -> Iterator[tuple[int, Sequence[str]]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            places = _places(where, header, wanted, cluster)
            for number, row in enumerate(reader, start=2):
                if not row:
                    continue  # a blank line, as many editors leave at the end
                if len(row) != len(header):
                    raise _invalid(where, f"row {number}: {len(row)} cells where the header has {len(header)}")
                yield number, [row[place] for place in places]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(where, f"not a readable CSV in UTF-8: {error}") from error


def _parquet_rows(
    file: Path, where: str, wanted: Sequence[str], cluster: str | None
) -> Iterator[tuple[int, Sequence[str]]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Without `pre_buffer`: it would read a whole row group, which may be the whole file.
        with parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False) as source:
            _places(where, source.schema_arrow.names, wanted, cluster)
            numbers = itertools.count(1)
            for block in source.iter_batches(_ROWS, columns=list(wanted), use_threads=False):
                columns = [block.column(name).to_pylist() for name in wanted]
                for row in zip(*columns, strict=True):
                    yield next(numbers), ["" if cell is None else str(cell) for cell in row]
    except (pa.ArrowException, OSError) as error:
        raise _invalid(where, f"not a readable Parquet file: {error}") from error


def _places(where: str, header: Sequence[str], wanted: Sequence[str], cluster: str | None) -> list[int]:
    for column in wanted:
        if header.count(column) != 1:
            said = "is missing" if column not in header else "is there twice"
            known = ", ".join(header) or "none"
            what = "spec.cluster of the pack" if column == cluster else "a slice column of the pack"
            named = repr(column) if column in (ID, LABEL) else f"{column!r} ({what})"
            hint = "; if nobody labelled the items, write unlabelled: true into the pack" if column == LABEL else ""
            raise _invalid(where, f"column {named} {said}; the file has: {known[:300]}{hint}")
    if LABEL in header and LABEL not in wanted:
        said = f"column {LABEL!r} is there, and the pack says unlabelled: true"
        raise _invalid(where, f"{said}: leave out the one that is wrong, or no gate reads the labels")
    return [header.index(column) for column in wanted]


def _invalid(where: str, what: str) -> EvaluatorError:
    return EvaluatorError(Reason.PACK_INVALID, f"{where}: {what}")
