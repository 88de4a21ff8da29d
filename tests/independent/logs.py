"""Batch logs, read anew from their description: tokens, repeats, packing."""

import base64
import zlib


def tokens(text: str) -> list[str]:
    """One token a batch."""
    if text.startswith("z:"):
        text = zlib.decompress(base64.b64decode(text[2:])).decode()
    found: list[str] = []
    for part in text.split():
        token, _, times = part.partition("*")
        found += [token] * int(times or 1)
    return found


def sizes(items: int, batch: int) -> list[int]:
    """Every batch is full but the last."""
    full, rest = divmod(items, batch)
    return [batch] * full + [rest] * (rest > 0)


def pairs(text: str, items: int, batch: int) -> list[tuple[int, int, int]]:
    """(n10, n01, the others) of each batch."""
    found = []
    for token, size in zip(tokens(text), sizes(items, batch), strict=True):
        harmful, beneficial = (int(one) for one in token.split(","))
        if min(harmful, beneficial) < 0 or harmful + beneficial > size:
            raise ValueError(f"{token} is no batch of {size}")
        found.append((harmful, beneficial, size - harmful - beneficial))
    return found


def cells(text: str, items: int, batch: int) -> list[tuple[int, ...]]:
    """The eight counts of each batch."""
    found = [tuple(int(one) for one in token.split(",")) for token in tokens(text)]
    if [sum(one) for one in found] != sizes(items, batch) or any(len(one) != 8 or min(one) < 0 for one in found):
        raise ValueError("the cells do not fit their batches")
    return found


def units(text: str, items: int, batch: int) -> list[list[tuple[int, int]]]:
    """[(units, count), ...] of each batch, rising."""
    found = []
    for token in tokens(text):
        seen = [tuple(int(one) for one in part.split(":")) for part in token.split(",")]
        if [unit for unit, _ in seen] != sorted({unit for unit, _ in seen}):
            raise ValueError(f"{token} does not rise")
        found.append([(unit, count) for unit, count in seen])
    if [sum(count for _, count in one) for one in found] != sizes(items, batch):
        raise ValueError("the counts do not fit their batches")
    return found
