"""The batches of a gate as text: small enough for the record, complete enough to recompute every bet.

`n10,n01` a batch in order, `*k` when k equal ones follow each other: `0,0*58 1,0 0,0*3`. All batches are full but the
last, which holds what is left of n; items without a flip follow from the size.
"""

from itertools import groupby

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def encode(batches: Ints) -> str:
    """Text of batches (k, 4) = [n10, n01, n11, n00]."""
    tokens = []
    for (n10, n01), run in groupby((int(row[0]), int(row[1])) for row in batches):
        count = sum(1 for _ in run)
        tokens.append(f"{n10},{n01}" + (f"*{count}" if count > 1 else ""))
    return " ".join(tokens)


def decode(text: str, n: int, batch: int) -> Ints:
    """Batches (k, 4) of a log over `n` items; unflipped items stand in the third column, the fourth is 0.

    Raises ValueError naming the token or the count when the text is malformed or doesn't fit `n`.
    """
    flips: list[tuple[int, int]] = []
    limit = -(-n // batch)
    for token in text.split():
        pair, _, repeat = token.partition("*")
        n10, _, n01 = pair.partition(",")
        if not (n10.isdecimal() and n01.isdecimal() and (repeat.isdecimal() or "*" not in token)):
            raise ValueError(f"batch log: {token!r} is not n10,n01 or n10,n01*k")
        times = int(repeat or 1)
        if times > limit - len(flips):
            raise ValueError(f"batch log holds more than the {limit} batches that {n} items make")
        flips += [(int(n10), int(n01))] * times
    if len(flips) != limit:
        raise ValueError(f"batch log holds {len(flips)} batches, {n} items make {limit}")
    rows = np.zeros((limit, 4), np.int64)
    if limit:
        rows[:, :2] = flips
        sizes = np.full(limit, batch, np.int64)
        sizes[-1] = n - batch * (limit - 1)
        rows[:, 2] = sizes - rows[:, 0] - rows[:, 1]
    if (rows < 0).any():
        raise ValueError("batch log: a batch has more flips than items")
    return rows
