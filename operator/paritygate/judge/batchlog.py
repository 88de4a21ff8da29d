"""The batches of a gate as text: small enough for the record, complete enough to recompute every bet.

One token a batch, in order, `*k` when k equal ones follow each other:

- flips and rates: `n10,n01`, such as `0,0*58 1,0 0,0*3`. All batches are full but the last, so the rest follows from n.
- bounded losses: `units:count,units:count`, rising.
- cells (precision, F-beta, Jaccard, gap): their counts, `n0,n1,...,n7`.

A text longer than `LONGEST_PLAIN` is written as `z:` and the base64 of its zlib compression.
"""

import base64
import binascii
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

LONGEST_PLAIN = 512

MOST_FLIPS, MOST_UNITS, MOST_CELLS = 1 << 22, 1 << 17, 1 << 21
"""Items of one gate whose batches still fit a record."""

_PACKED = "z:"
LONGEST_TOKEN = 96
"""Characters of one batch with the space behind it: eight losses, each of another value, with the times it repeats."""


def encode_flips(batches: Ints) -> str:
    """Text of batches (k, 4) = [n10, n01, n11, n00]."""
    return _joined(f"{row[0]},{row[1]}" for row in batches.tolist())


def decode_flips(text: str, n: int, batch: int) -> Ints:
    """Batches (k, 4) of a log over `n` items; unflipped items stand in the third column, the fourth is 0.

    Raises ValueError naming the token or the count when the text is malformed or doesn't fit `n`.
    """
    limit = -(-n // batch)
    flips = [_numbers(token, 2) for token in tokens(text, n, batch)]
    rows = np.zeros((limit, 4), np.int64)
    if limit:
        rows[:, :2] = flips
        sizes = np.full(limit, batch, np.int64)
        sizes[-1] = n - batch * (limit - 1)
        rows[:, 2] = sizes - rows[:, 0] - rows[:, 1]
    if (rows < 0).any():
        raise ValueError("batch log: a batch has more flips than items")
    return rows


def encode_cells(batches: Ints) -> str:
    """Text of batches (k, cells)."""
    return _joined(",".join(map(str, row)) for row in batches.tolist())


def decode_cells(text: str, n: int, batch: int, cells: int) -> Ints:
    """Batches (k, cells) of a log over `n` items. Raises ValueError when it is malformed or doesn't fit `n`."""
    rows = np.array([_numbers(token, cells) for token in tokens(text, n, batch)], np.int64).reshape(-1, cells)
    _check_sizes(rows.sum(1).tolist(), n, batch)
    return rows


def encode_units(units: Ints, batch: int) -> str:
    """Text of losses in whole `units` (n,), in the gate's order."""
    cut = (Counter(units[i : i + batch].tolist()) for i in range(0, len(units), batch))
    return _joined(",".join(f"{value}:{count}" for value, count in sorted(part.items())) for part in cut)


def decode_units(text: str, n: int, batch: int) -> Ints:
    """Losses in whole units (n,) of a log over `n` items, rising within a batch. Raises ValueError as `decode_cells`,
    or when a batch doesn't count each value once, in rising order.
    """
    rows = [_rising(token) for token in tokens(text, n, batch)]
    _check_sizes([sum(count for _, count in row) for row in rows], n, batch)
    values, counts = np.array([pair for row in rows for pair in row], np.int64).reshape(-1, 2).T
    return np.repeat(values, counts)


def _joined(tokens: Iterable[str]) -> str:
    said = []
    for token, run in groupby(tokens):
        count = sum(1 for _ in run)
        said.append(token + (f"*{count}" if count > 1 else ""))
    text = " ".join(said)
    if len(text) <= LONGEST_PLAIN:
        return text
    return _PACKED + base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def tokens(text: str, n: int, batch: int) -> list[str]:
    """One token a batch, as many as `n` items make. Raises ValueError for another number, or what can't be unpacked."""
    limit, found = -(-n // batch), list[str]()
    # One after the other: a list of all that a hostile text holds would take the operator's memory.
    for written in map(re.Match.group, re.finditer(r"\S+", _unpacked(text, LONGEST_TOKEN * (limit + 1)))):
        token, star, repeat = written.partition("*")
        if star and not (repeat.isdecimal() and len(repeat) < 9):
            raise ValueError(f"batch log: {written!r} is repeated how often?")
        times = int(repeat or 1)
        if times > limit - len(found):
            raise ValueError(f"batch log holds more than the {limit} batches that {n} items make")
        found += [token] * times
    if len(found) != limit:
        raise ValueError(f"batch log holds {len(found)} batches, {n} items make {limit}")
    return found


def _unpacked(text: str, most: int) -> str:
    if not text.startswith(_PACKED):
        return text
    try:
        reader = zlib.decompressobj()
        plain = reader.decompress(base64.b64decode(text.removeprefix(_PACKED), validate=True), most)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"batch log: not readable: {error}") from error
    if not reader.eof:
        raise ValueError(f"batch log: it is cut, or unpacks to more than {most:,} characters")
    return plain.decode("ascii", errors="replace")


def _numbers(token: str, count: int) -> list[int]:
    parts = token.split(",")
    if len(parts) != count or not all(part.isascii() and part.isdecimal() and len(part) < 9 for part in parts):
        raise ValueError(f"batch log: {token!r} is not {count} counts")
    return [int(part) for part in parts]


def _rising(token: str) -> list[list[int]]:
    pairs = [_pair(pair, token) for pair in token.split(",")]
    if any(count < 1 for _, count in pairs) or any(a >= b for (a, _), (b, _) in pairwise(pairs)):
        raise ValueError(f"batch log: {token!r} does not count each value once, in rising order")
    return pairs


def _pair(text: str, token: str) -> list[int]:
    units, _, count = text.partition(":")
    digits = units.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 9):
        raise ValueError(f"batch log: {token!r} is not units:count")
    return [int(units), *_numbers(count, 1)]


def _check_sizes(sizes: list[int], n: int, batch: int) -> None:
    full = [batch] * (len(sizes) - 1) + [n - batch * (len(sizes) - 1)] if sizes else []
    if sizes != full:
        raise ValueError(f"batch log: the batches do not hold {batch} items each and {n} in all")
