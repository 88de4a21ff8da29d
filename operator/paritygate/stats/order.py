"""Everything drawn by lot, from a seed that nobody picks: the order of the items, coins, dither.

The seed is the SHA-256 of what is compared (dataset, baseline, candidate, policy). It holds no attempt number: a retry
with a new shuffle would be a second chance to pass. Hashes, not a generator's stream, so that any language and any
later library version can recheck the draw.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .wealth import Floats, Ints


def item_order(seed: bytes, ids: Sequence[str]) -> Ints:
    """Positions in `ids`, in the order in which items are judged: sorted by SHA-256(seed || id in UTF-8).

    The order of two items depends on nothing but themselves, so it survives any way of listing the pack.
    Raises ValueError for a seed that is not 32 bytes or an id that occurs twice.
    """
    _check_seed(seed)
    keys = bytearray()
    for item in ids:
        keys += hashlib.sha256(seed + item.encode()).digest()
    # Four numbers a key and not a list of a million texts: 40 bytes an item.
    words = np.frombuffer(keys, ">u8").reshape(-1, 4)
    order = np.lexsort(words.T[::-1])
    if len(order) and (same := (words[order[1:]] == words[order[:-1]]).all(1)).any():
        raise ValueError(f"item id {ids[order[int(same.argmax())]]!r} occurs twice: an item counts once")
    return order.astype(np.int64, copy=False)


def coins(seed: bytes, purpose: str, count: int) -> npt.NDArray[np.bool_]:
    """The first `count` fair coins of the sequence named `purpose`; more coins later extend the same sequence."""
    bits = np.unpackbits(np.frombuffer(_stream(seed, purpose, (count + 7) // 8), np.uint8), count=count)
    return bits.astype(np.bool_)


def uniforms(seed: bytes, purpose: str, count: int) -> Floats:
    """The first `count` numbers in [0, 1), 53 bits each, of the sequence named `purpose`; extends like `coins`."""
    words = np.frombuffer(_stream(seed, purpose, 8 * count), ">u8")
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _stream(seed: bytes, purpose: str, length: int) -> bytes:
    # SHAKE-256 is extendable: a longer output starts with the shorter one, so draws never change as a run grows.
    _check_seed(seed)
    return hashlib.shake_256(seed + purpose.encode()).digest(length)


def _check_seed(seed: bytes) -> None:
    if len(seed) != 32:
        raise ValueError(f"seed must be the 32 bytes of a SHA-256, got {len(seed)} bytes")
