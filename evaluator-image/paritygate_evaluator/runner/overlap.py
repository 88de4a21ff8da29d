"""Items by their content: those that the candidate was calibrated on, and those that repeat another.

Judged on the first, it is judged on what it has seen; the second are no new evidence.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .items import load_inputs
from .rows import BLOCK, InputsError, Rows
from .runtime import Array

Indices = npt.NDArray[np.int64]

_DIGEST = 16
"""Bytes: two items of one content are never told apart, two of different ones are never taken for one."""

MOST_NAMED = 1000
"""Overlapping items that are named; the referee only has to know that there are any, and some of them."""


def overlapping(items: Mapping[str, Rows], folder: Path, most_bytes: int) -> npt.NDArray[np.int64]:
    """Indices of items that are in the calibration set too, by the content of all inputs; at most `MOST_NAMED`.

    `folder` holds the calibration set, one .npz or .parquet with the inputs of the packs. Raises InputsError.
    """
    calibration, _ = load_inputs([folder], most_bytes)
    lacking = sorted(set(items) - set(calibration))
    if lacking:
        raise InputsError(
            f"the calibration set has no input {lacking[0]!r} (it has: {', '.join(calibration)}): it must hold what "
            "the packs hold, or nobody can tell whether they overlap"
        )
    for name, rows in items.items():
        if (calibration[name].dtype.kind == "U") is not (rows.dtype.kind == "U"):
            said = f"{calibration[name].dtype}, the packs' {rows.dtype}: one of them is text"
            raise InputsError(f"the calibration set's items of input {name!r} have type {said}")
        if calibration[name].shape[1:] != rows.shape[1:]:
            said = f"{list(calibration[name].shape[1:])}, the packs' {list(rows.shape[1:])}"
            raise InputsError(f"the calibration set's items of input {name!r} have shape {said}")
    known = set(_digests({name: calibration[name] for name in items}, items))
    found = [index for index, digest in enumerate(_digests(items, items)) if digest in known]
    return np.array(found[:MOST_NAMED], np.int64)


def first_alike(items: Mapping[str, Rows]) -> Indices:
    """For each item (items,) the first one whose inputs are the same, byte for byte: itself, if there is none before.

    Everything is read once, a few megabytes at a time, for a number of 64 bits an item; only items that share one
    with another are read again, and told apart by a digest. Memory: some 40 bytes an item.
    """
    count = len(next(iter(items.values())))
    weak = _weak_digests(items, count)
    ordered = np.sort(weak)
    suspects = np.flatnonzero(np.isin(weak, np.unique(ordered[1:][ordered[1:] == ordered[:-1]])))
    first = np.arange(count, dtype=np.int64)
    if suspects.size:
        strong = np.frombuffer(b"".join(_digests(items, items, suspects)), f"V{_DIGEST}")
        _, earliest, group = np.unique(strong, return_index=True, return_inverse=True)
        first[suspects] = suspects[earliest][group]
    return first


def _weak_digests(items: Mapping[str, Rows], count: int) -> npt.NDArray[np.uint64]:
    """A number an item, the same for the same content: its words weighted by odd numbers and added up, modulo 2^64.

    Different items may share one (those that differ in the highest bits of two words do), which only costs time.
    """
    weak = np.zeros(count, np.uint64)
    for place, (_, rows) in enumerate(sorted(items.items())):
        width = rows.nbytes // count
        if not width:
            continue
        weights = np.random.default_rng(place).integers(0, 1 << 63, -(-width // 8), np.uint64) * 2 + 1
        step = max(1, BLOCK // width)
        for start in range(0, count, step):
            part = np.ascontiguousarray(rows.take(np.arange(start, min(start + step, count), dtype=np.int64), axis=0))
            weak[start : start + len(part)] += _words(part) @ weights
    return weak


def _words(part: Array) -> npt.NDArray[np.uint64]:
    """The bytes of each row as whole words, filled up with zeros."""
    raw = part.reshape(len(part), -1).view(np.uint8)
    missing = -raw.shape[1] % 8
    return (np.pad(raw, ((0, 0), (0, missing))) if missing else raw).view(np.uint64)


def _digests(rows: Mapping[str, Rows], like: Mapping[str, Rows], wanted: Indices | None = None) -> Iterator[bytes]:
    """One digest an item (or each of those `wanted`), over all inputs, as the packs write them.

    A float64 is the float32 that it is rounded to; but 0.9 is not the byte 0, nor a text its first letters.
    """
    names = sorted(rows)
    places = np.arange(len(rows[names[0]])) if wanted is None else wanted
    width = sum(max(1, like[name].nbytes // max(1, len(like[name]))) for name in names)
    step = max(1, BLOCK // width)
    for start in range(0, len(places), step):
        indices = places[start : start + step]
        # np.take asks a file of rows as it asks an array; numpy's types don't know.
        taken = [np.take(cast(Array, rows[name]), indices, axis=0) for name in names]
        columns = [np.ascontiguousarray(_as(part, like[n].dtype)) for n, part in zip(names, taken, strict=True)]
        other = [_is_another(part, column) for part, column in zip(taken, columns, strict=True)]
        for place in range(len(indices)):
            # An item that no pack could hold like that: its digest is that of none.
            digest = hashlib.blake2b(digest_size=_DIGEST, salt=b"other" if any(one[place] for one in other) else b"")
            for column in columns:
                digest.update(column[place].tobytes())
            yield digest.digest()


def _as(part: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return part.astype(dtype)


def _is_another(part: Array, written: Array) -> npt.NDArray[np.bool_]:
    """Which rows are not the same as they were `written` in another type."""
    if part.dtype == written.dtype or part.dtype.kind == written.dtype.kind == "f":
        return np.zeros(len(part), np.bool_)
    changed: npt.NDArray[np.bool_] = (_as(written, part.dtype) != part).reshape(len(part), -1).any(1)
    return changed
