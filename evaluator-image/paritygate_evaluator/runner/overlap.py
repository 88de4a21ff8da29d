"""Items that the candidate was calibrated on: judged on them, it is judged on what it has seen."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from .items import load_inputs
from .rows import BLOCK, InputsError, Rows
from .runtime import Array

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
        if calibration[name].shape[1:] != rows.shape[1:]:
            said = f"{list(calibration[name].shape[1:])}, the packs' {list(rows.shape[1:])}"
            raise InputsError(f"the calibration set's items of input {name!r} have shape {said}")
    known = set(_digests({name: calibration[name] for name in items}, items))
    found = [index for index, digest in enumerate(_digests(items, items)) if digest in known]
    return np.array(found[:MOST_NAMED], np.int64)


def _digests(rows: Mapping[str, Rows], like: Mapping[str, Rows]) -> Iterator[bytes]:
    """One digest an item, over all inputs, as the packs write them: float64 of a float32 is the same number."""
    names = sorted(rows)
    count = len(rows[names[0]])
    width = sum(max(1, like[name].nbytes // max(1, len(like[name]))) for name in names)
    step = max(1, BLOCK // width)
    for start in range(0, count, step):
        indices = np.arange(start, min(start + step, count))
        # np.take asks a file of rows as it asks an array; numpy's types don't know.
        taken = [np.take(cast(Array, rows[name]), indices, axis=0) for name in names]
        columns = [np.ascontiguousarray(part.astype(like[n].dtype)) for n, part in zip(names, taken, strict=True)]
        for place in range(len(indices)):
            digest = hashlib.blake2b(digest_size=16)
            for column in columns:
                digest.update(column[place].tobytes())
            yield digest.digest()
