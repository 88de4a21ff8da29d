"""Real outcomes: handwritten digits that ship inside scikit-learn, a network trained in seconds, its weights rounded.

The test images, each also shifted by a pixel in eight directions, are the whole world of these scenarios: data sets are
drawn from it with replacement, so that the loss on it is the true loss, known exactly.
"""

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from .adapters.outcomes import BOTH_RIGHT, BOTH_WRONG, LOST, WON
from .scenarios import MARGIN, Scenario, Truth, Urn

TRAINED_ON = 700
BITS = (8, 6, 5, 4)
JUDGED_AT = (300, 2000)
SHIFTS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]

Floats = npt.NDArray[np.float64]


def real_scenarios() -> tuple[Scenario, ...]:
    """One scenario for each number of bits that the weights are rounded to, by what it does to the accuracy."""
    digits = load_digits()
    images, labels = digits.images / 16, digits.target
    train, test = slice(None, TRAINED_ON), slice(TRAINED_ON, None)
    model = MLPClassifier((32,), max_iter=100, random_state=0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        model.fit(_shifted(images[train]), np.tile(labels[train], len(SHIFTS)))
    world, truth = _shifted(images[test]), np.tile(labels[test], len(SHIFTS))
    baseline = model.predict(world) == truth
    weights = model.coefs_
    found = []
    for bits in BITS:
        model.coefs_ = [_rounded(layer, bits) for layer in weights]
        found.append(_scenario(bits, baseline, model.predict(world) == truth))
    return tuple(found)


def _shifted(images: Floats) -> Floats:
    shifted = [np.roll(images, shift, axis=(1, 2)).reshape(len(images), -1) for shift in SHIFTS]
    return np.concatenate(shifted)


def _rounded(layer: Floats, bits: int) -> Floats:
    """Symmetric, one scale a layer."""
    step = np.abs(layer).max() / (2 ** (bits - 1) - 1)
    return np.round(layer / step) * step


def _scenario(bits: int, baseline: npt.NDArray[np.bool_], candidate: npt.NDArray[np.bool_]) -> Scenario:
    kinds = np.where(baseline, np.where(candidate, BOTH_RIGHT, LOST), np.where(candidate, WON, BOTH_WRONG))
    lost, won, right, wrong = (int((kinds == kind).sum()) for kind in (LOST, WON, BOTH_RIGHT, BOTH_WRONG))
    urn = Urn(lost, won, right, wrong)
    truth = Truth.WITHIN if urn.loss < MARGIN else Truth.BROKEN
    said = f"loses {float(urn.loss) * 100:.2f} points, flips {float(urn.flips) * 100:.1f} %"
    return Scenario(f"digits, weights in {bits} bits: {said}", truth, urn, JUDGED_AT)
