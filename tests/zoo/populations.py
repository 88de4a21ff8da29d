"""What the zoo's packs are drawn from: held-out samples of real data, each drawn anew with its own disturbances.

Items are drawn with replacement and disturbed one by one, so they are independent draws of a stated population, as many
as a gate needs. Everything here comes with scikit-learn; nothing is downloaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

SEED = 4
DARKNESS = 11.0
"""Of 16 grey levels: how much darker the paper of scanner B is."""


@dataclass(frozen=True, slots=True)
class Items:
    """Inputs (one row an item), the label of each, slice columns."""

    inputs: Floats | Ints
    labels: npt.NDArray[np.generic]
    columns: Mapping[str, Texts] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Digits:
    """How a population of digits is seen: shares of items, and grey levels of 16."""

    noise: float = 1.0
    scanner_b: float = 0.10
    slanted: float = 0.5
    unreadable: float = 0.0
    """Share of items that show nothing but noise, whose label nobody can tell."""
    faulty: float = 0.0
    """Share of items that a broken sensor read: one pixel beyond all measure."""


@cache
def _digits() -> tuple[npt.NDArray[np.float64], Ints]:
    pixels, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(pixels))
    return pixels[order], digits[order].astype(np.int64)


def draw_digits(seed: int, count: int, held_out: bool, how: Digits = Digits()) -> Items:
    """Digits of 8 x 8 pixels as (items, 64) in about [0, 2], with columns `scanner` and `hand`.

    Each is moved by up to 0.35 of a pixel, slanted or not, its ink scaled by 0.8 to 1.2, noise added, then seen by
    scanner A or, on darker paper, by scanner B. `held_out`: of the samples that no model was trained on.
    """
    rng = np.random.default_rng([SEED, seed, held_out])
    pixels, digits = (part[900:] if held_out else part[:900] for part in _digits())
    chosen = rng.integers(0, len(pixels), count)
    slanted, scanner_b = rng.random(count) < how.slanted, rng.random(count) < how.scanner_b
    images = _slant(pixels[chosen].reshape(-1, 8, 8), slanted)
    images = _move(images, rng.uniform(-0.35, 0.35, (count, 2)))
    ink = images * rng.uniform(0.8, 1.2, (count, 1, 1)) + rng.normal(0, how.noise, images.shape)
    blank = rng.random(count) < how.unreadable
    ink[blank] = np.abs(rng.normal(0, 5, (int(blank.sum()), 8, 8)))
    x = np.clip(ink.reshape(count, 64), 0, 16) + np.where(scanner_b, DARKNESS, 0.0)[:, None]
    labels = np.where(blank, rng.integers(0, 10, count), digits[chosen])
    broken = np.flatnonzero(rng.random(count) < how.faulty)
    x[broken, rng.integers(0, 64, len(broken))] = 1e4
    columns = {
        "scanner": np.where(scanner_b, "B", "A"),
        "hand": np.where(slanted, "slanted", "upright"),
        "paper": np.where(blank, "unreadable", "readable"),
    }
    return Items((x / 16).astype(np.float32), labels, columns)


def _slant(images: npt.NDArray[np.floating], where: npt.NDArray[np.bool_]) -> npt.NDArray[np.floating]:
    """The upper rows one pixel to the right, the lowest one to the left."""
    leaning = images[where].copy()
    for row, by in enumerate((1, 1, 1, 0, 0, 0, -1, -1)):
        leaning[:, row] = np.roll(leaning[:, row], by, 1)
    images = images.copy()
    images[where] = leaning
    return images


def _move(images: npt.NDArray[np.floating], by: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
    """Each image by less than a pixel, bilinearly."""
    for axis in (1, 2):
        amount = by[:, axis - 1][:, None, None]
        neighbour = np.where(amount > 0, np.roll(images, 1, axis), np.roll(images, -1, axis))
        images = (1 - np.abs(amount)) * images + np.abs(amount) * neighbour
    return images


def draw_strokes(seed: int, count: int, held_out: bool) -> Items:
    """Digits as the numbers (1 to 64) of the pixels that bear ink, in reading order, 0 behind them: (items, 64)."""
    drawn = draw_digits(seed, count, held_out, Digits(scanner_b=0.0, slanted=0.0))
    ink = drawn.inputs > 0.3
    order = np.argsort(~ink, axis=1, kind="stable")
    numbers = np.where(np.take_along_axis(ink, order, 1), order + 1, 0).astype(np.int64)
    return Items(numbers, drawn.labels)


TRAITS = {0: "even", 1: "round", 2: "prime", 3: "large"}
_BEARING = {0: (0, 2, 4, 6, 8), 1: (0, 6, 8, 9), 2: (2, 3, 5, 7), 3: (5, 6, 7, 8, 9)}


def traits_of(digits: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """(items, 4): 1 where the digit is even, has a loop, is prime, is above 4."""
    return np.stack([np.isin(digits, _BEARING[trait]) for trait in TRAITS], axis=1).astype(np.int64)


def draw_tumours(seed: int, count: int, held_out: bool, malignant: float = 0.10) -> Items:
    """30 measures of a tumour in standard deviations, each disturbed by 0.35 of one; label 1 = malignant.

    `malignant`: their share, which in a screening is far below that of the data set.
    """
    rng = np.random.default_rng([SEED, seed, held_out])
    features, benign = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(features))
    features, label = features[order], 1 - benign[order]
    scale = features[:300].mean(0), features[:300].std(0)
    features, label = (part[300:] if held_out else part[:300] for part in (features, label))
    ill = rng.random(count) < malignant
    chosen = np.where(ill, rng.choice(np.flatnonzero(label == 1), count), rng.choice(np.flatnonzero(label == 0), count))
    x = (features[chosen] - scale[0]) / scale[1] + rng.normal(0, 0.35, (count, features.shape[1]))
    ward = np.where(rng.random(count) < 0.5, "north", "south")
    return Items(x.astype(np.float32), label[chosen].astype(np.int64), {"ward": ward})


def draw_patients(seed: int, count: int, held_out: bool) -> Items:
    """10 measures of a patient with diabetes in standard deviations, disturbed by 0.1; label: progression in a year."""
    rng = np.random.default_rng([SEED, seed, held_out])
    features, progression = load_diabetes(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(features))
    features, progression = features[order] / features.std(0), progression[order]
    features, progression = (part[250:] if held_out else part[:250] for part in (features, progression))
    chosen = rng.integers(0, len(features), count)
    x = features[chosen] + rng.normal(0, 0.1, (count, features.shape[1]))
    return Items(x.astype(np.float32), progression[chosen].astype(np.float64))
