"""What can be told of an item without any model: how large its numbers are, and how long it is."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from .rows import BLOCK, Rows
from .runtime import Array

NONE = -1
"""Where there is no input that a figure could be taken of."""


def item_statistics(items: Mapping[str, Rows]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Per item: the largest |x| over its inputs of floats, and its length. Both -1 where no input is of that kind.

    NaN does not count, an item of nothing else has 0. The length is the number of characters of the first input of
    text (items,), else of entries that are not zero in the first input of whole numbers (items, L); a mask among those
    (its name holds `mask`) goes before the others, since tokens may be padded with another number than 0.
    Reads everything once, a few megabytes at a time.
    """
    count = len(next(iter(items.values())))
    largest = np.full(count, NONE, np.float32)
    length = np.full(count, NONE, np.int32)
    long = _lengthwise(items)
    for name, rows in items.items():
        if rows.dtype.kind != "f" and name != long:
            continue
        step = max(1, BLOCK * count // max(1, rows.nbytes))
        for start in range(0, count, step):
            block = rows.take(np.arange(start, min(start + step, count), dtype=np.int64), axis=0)
            part = slice(start, start + len(block))
            if rows.dtype.kind == "f":
                largest[part] = np.maximum(largest[part], _largest(block))
            else:
                length[part] = np.strings.str_len(block) if block.dtype.kind == "U" else np.count_nonzero(block, axis=1)
    return largest, length


def _lengthwise(items: Mapping[str, Rows]) -> str | None:
    texts = [name for name, rows in items.items() if rows.dtype.kind == "U" and rows.ndim == 1]
    numbers = [name for name, rows in items.items() if rows.dtype.kind in "biu" and rows.ndim == 2]
    masks = [name for name in numbers if "mask" in name.lower()]
    return next(iter([*texts, *masks, *numbers]), None)


def _largest(block: Array) -> npt.NDArray[np.float32]:
    flat = np.abs(block.reshape(len(block), -1))
    # fmax passes NaN over, so that a missing value does not hide a huge one.
    with np.errstate(over="ignore"):
        largest: npt.NDArray[np.float32] = np.fmax.reduce(flat, axis=1, initial=0).astype(np.float32)
    return largest
