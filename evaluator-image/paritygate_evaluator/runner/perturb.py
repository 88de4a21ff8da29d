"""The same disturbance for both models: what an item becomes depends on the item, the seed and nothing else.

Noise is drawn an item at a time from a Philox generator whose key is the SHA-256 of seed and input name and whose
counter is the item's index: neither the batch an item is in nor the order of the items changes it.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from .rows import Source
from .runtime import Array, RunFailedError

MOST_PASSES = 16
_LARGEST = {"GaussianNoise": 100.0, "Brightness": 1e6, "FeatureJitter": 100.0, "Blur": MOST_PASSES, "Typos": 1.0}


class Kind(StrEnum):
    """What is done to an item, and the unit of its strength.

    All but Typos change inputs of floats, and of uint8 (pixels: rounded, kept within 0 to 255). Other inputs stay.
    """

    GAUSSIAN_NOISE = "GaussianNoise"
    """x + strength s N(0, 1), s the standard deviation of the item's own finite values in that input."""
    BLUR = "Blur"
    """3 x 3 box blur on the last two axes, edges repeated; strength = passes, a whole number."""
    BRIGHTNESS = "Brightness"
    """x + strength, in the input's own unit; below 0 = darker."""
    FEATURE_JITTER = "FeatureJitter"
    """x (1 + strength N(0, 1)), drawn for each value."""
    TYPOS = "Typos"
    """Inputs of text: a character is dropped, or swapped with the next, with probability strength."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One disturbance. Raises ValueError when the strength does not fit the kind or the seed is no 63-bit number."""

    kind: Kind
    strength: float
    seed: int

    def __post_init__(self) -> None:
        largest = _LARGEST[self.kind]
        least = -largest if self.kind is Kind.BRIGHTNESS else 0.0
        if not math.isfinite(self.strength) or not least <= self.strength <= largest or not self.strength:
            what = f"between {least:g} and {largest:g}, and not 0"
            raise ValueError(f"the strength of {self.kind} must lie {what}; it is {self.strength:g}")
        if self.kind is Kind.BLUR and self.strength != int(self.strength):
            raise ValueError(f"the strength of Blur is a number of passes; it is {self.strength:g}")
        if not 0 <= self.seed < 1 << 63:
            raise ValueError(f"the seed must be a number of 63 bits; it is {self.seed}")

    def dump(self) -> dict[str, Any]:
        """As it travels."""
        return {"kind": str(self.kind), "strength": self.strength, "seed": self.seed}

    @classmethod
    def parse(cls, raw: object) -> "Perturbation":
        """What `dump` gave. Raises ValueError."""
        match raw:
            case {"kind": str(kind), "strength": float() | int() as strength, "seed": int(seed)}:
                return cls(Kind(kind), float(strength), seed)
        raise ValueError(f"{str(raw)[:200]} is no perturbation")

    def applies(self, dtype: np.dtype[Any], row: tuple[int, ...]) -> bool:
        """Whether an input of this type, and shape of an item, is changed at all."""
        if self.kind is Kind.TYPOS:
            return dtype.kind == "U"
        pixels = dtype.kind == "f" or dtype == np.uint8
        return pixels and (self.kind is not Kind.BLUR or len(row) >= 2)

    def applied(self, name: str, x: Array, indices: npt.NDArray[np.int64]) -> Array:
        """The items `x` (k, ...) of the input `name`, disturbed: same shape and dtype. `indices` (k,) says which."""
        if not self.applies(x.dtype, x.shape[1:]):
            return x
        if self.kind is Kind.TYPOS:
            cells = [_mistyped(row, self.strength, self._generator(name, i)) for row, i in _items(x, indices)]
            return np.array(cells, x.dtype).reshape(x.shape)
        # Half precision and pixels would lose the noise in their own rounding while it is added up.
        values = x if x.dtype == np.float64 else x.astype(np.float32)
        result = self._changed(name, values, indices)
        return np.clip(np.rint(result), 0, 255).astype(np.uint8) if x.dtype == np.uint8 else result.astype(x.dtype)

    def _changed(self, name: str, x: Array, indices: npt.NDArray[np.int64]) -> Array:
        if self.kind is Kind.BRIGHTNESS:
            brighter: Array = x + x.dtype.type(self.strength)
            return brighter
        if self.kind is Kind.BLUR:
            return _blurred(x, int(self.strength))
        result = np.empty_like(x)
        for at, (row, index) in enumerate(_items(x, indices)):
            noise = self._generator(name, index).standard_normal(row.shape, x.dtype.type)
            noise *= x.dtype.type(self.strength)
            result[at] = row * (1 + noise) if self.kind is Kind.FEATURE_JITTER else row + _spread(row) * noise
        return result

    def _generator(self, name: str, index: int) -> np.random.Generator:
        digest = hashlib.sha256(f"{self.kind}/{self.seed}/{name}".encode()).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16]), counter=index << 192))


class Perturbed:
    """Rows that are disturbed as they are taken; otherwise as the `Source` they come from."""

    def __init__(self, name: str, rows: Source, perturbation: Perturbation) -> None:
        self._name, self._rows, self._perturbation = name, rows, perturbation
        self.dtype, self.shape, self.ndim = rows.dtype, rows.shape, rows.ndim

    def __len__(self) -> int:
        return len(self._rows)

    def take(
        self, indices: npt.ArrayLike, axis: int | None = 0, out: Array | None = None, mode: str = "raise"
    ) -> Array:
        """As `RowFile.take`."""
        places = np.asarray(indices, np.int64)
        result = self._perturbation.applied(self._name, self._rows.take(places, axis=0), places)
        if out is None:
            return result
        np.copyto(out, result)
        return out


def perturbed(feeds: Mapping[str, Source], perturbation: Perturbation) -> dict[str, Perturbed]:
    """All inputs, disturbed as they are taken. Raises RunFailedError when there is none that would change."""
    if not any(perturbation.applies(rows.dtype, rows.shape[1:]) for rows in feeds.values()):
        have = ", ".join(f"{name} {rows.dtype}{list(rows.shape[1:])}" for name, rows in feeds.items())
        wants = {Kind.TYPOS: "an input of text", Kind.BLUR: "an input of floats or uint8 with two axes"}
        wanted = wants.get(perturbation.kind, "an input of floats or uint8")
        raise RunFailedError(f"perturbation {perturbation.kind} needs {wanted}; there is: {have}")
    return {name: Perturbed(name, rows, perturbation) for name, rows in feeds.items()}


def _items(x: Array, indices: npt.NDArray[np.int64]) -> list[tuple[Array, int]]:
    return list(zip(x, indices.tolist(), strict=True))


def _spread(row: Array) -> Any:
    finite = row[np.isfinite(row)]
    return finite.std() if finite.size else row.dtype.type(0)


def _blurred(x: Array, passes: int) -> Array:
    """The mean over 3 x 3 neighbours, one axis after the other, which comes to the same."""
    for axis in (-1, -2) * passes:
        size = x.shape[axis]
        before, after = np.maximum(np.arange(size) - 1, 0), np.minimum(np.arange(size) + 1, size - 1)
        x = (x + x.take(before, axis=axis) + x.take(after, axis=axis)) / x.dtype.type(3)
    return x


def _mistyped(row: Array, probability: float, generator: np.random.Generator) -> Array:
    texts = [_with_typos(text, probability, generator) for text in np.atleast_1d(row).reshape(-1).tolist()]
    return np.array(texts, row.dtype).reshape(row.shape)


def _with_typos(text: str, probability: float, generator: np.random.Generator) -> str:
    hit = generator.random(len(text)) < probability
    swap = generator.random(len(text)) < 0.5
    written: list[str] = []
    at = 0
    while at < len(text):
        if hit[at] and swap[at] and at + 1 < len(text):
            written += [text[at + 1], text[at]]
            at += 2
            continue
        if not hit[at]:
            written.append(text[at])
        at += 1
    # A text that is gone altogether is another test than one with typos.
    return "".join(written) or text
