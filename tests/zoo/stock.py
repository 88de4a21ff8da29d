"""What several exhibits share: float models as files, and packs drawn from the populations."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from . import populations, training
from .entry import Gate
from .networks import Floats
from .populations import Digits, Items
from .workshop import Workshop

ITEMS = 10_000
BY_INPUT_RANGE_SOFT: Gate = {
    "name": "by-input-range",
    "metric": "Accuracy",
    "sliceBy": "input-range",
    "margin": "0.03",
    "enforcement": "Soft",
}
"""The slice that eight-bit techniques bring; Soft where it sees the same damage as the gate that is on show."""

_HELD_OUT = "held-out digits of scikit-learn's set, drawn with replacement, each moved, slanted or not, its ink scaled"


@cache
def digits_model(workshop: Workshop) -> Path:
    """The float model that reads digits."""
    return workshop.model("digits", training.digits().proto())


@cache
def digits_pack(workshop: Workshop) -> Path:
    """10,000 digits, one in ten seen by scanner B, every second slanted; what the model gives are probabilities."""
    items = populations.draw_digits(1, ITEMS, True)
    said = f"{_HELD_OUT}, noise of one grey level in 16; 10 % on the darker paper of scanner B, 50 % slanted"
    return workshop.pack("digits", items, said, slices=("scanner", "hand"), scores="Probabilities")


@cache
def many_digits_pack(workshop: Workshop) -> Path:
    """30,000 of the same."""
    items = populations.draw_digits(1, 30_000, True)
    return workshop.pack("digits-many", items, f"{_HELD_OUT}, two scanners", scores="Probabilities")


@cache
def plain_digits_pack(workshop: Workshop) -> Path:
    """The same items, and nothing said of scanners: what the technique alone makes one look at."""
    return workshop.pack("digits-plain", populations.draw_digits(1, ITEMS, True), f"{_HELD_OUT}, two scanners")


@cache
def noisy_digits_pack(workshop: Workshop) -> Path:
    """Digits under noise of 5 grey levels in 16: a quarter is read wrongly."""
    items = populations.draw_digits(1, ITEMS, True, Digits(noise=5.0))
    return workshop.pack("digits-noisy", items, f"{_HELD_OUT}, noise of 5 in 16", scores="Probabilities")


@cache
def strokes_pack(workshop: Workshop) -> Path:
    """Digits as lists of the pixels that bear ink, of different lengths."""
    items = populations.draw_strokes(1, 20_000, True)
    said = f"{_HELD_OUT}; the numbers of the pixels above 0.3 of the darkest"
    return workshop.pack("strokes", items, said, input_name="tokens")


@cache
def tumours_pack(workshop: Workshop) -> Path:
    """12,000 findings, one in ten malignant."""
    items = populations.draw_tumours(1, 12_000, True)
    said = (
        "held-out tumours of scikit-learn's set, drawn with replacement, 10 % malignant, measures disturbed by 0.35 sd"
    )
    return workshop.pack("tumours", items, said, input_name="measures", scores="Probabilities")


@cache
def patients_pack(workshop: Workshop) -> Path:
    """10,000 patients and what became of their diabetes in a year."""
    items = populations.draw_patients(1, ITEMS, True)
    said = "held-out patients of scikit-learn's diabetes set, drawn with replacement, measures disturbed by 0.1 sd"
    return workshop.pack("patients", items, said, input_name="measures", task="Regression")


@cache
def traits_pack(workshop: Workshop) -> Path:
    """10,000 digits, each labelled by its traits: 0 even, 1 with a loop, 2 prime, 3 above 4."""
    drawn = populations.draw_digits(1, ITEMS, True)
    return workshop.pack(
        "traits",
        Items(drawn.inputs, labelled(populations.traits_of(drawn.labels))),
        f"{_HELD_OUT}; labels: even, with a loop, prime, above 4",
        task="Multilabel",
        scores="Probabilities",
    )


def labelled(held: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """Sets of labels (items, labels) as the label column has them."""
    return np.array([";".join(str(k) for k in np.flatnonzero(row)) or "-" for row in held])


@cache
def search_pack(workshop: Workshop) -> Path:
    """4,000 digits to be found among 1,000: items of the corpus have role `corpus`."""
    drawn = populations.draw_digits(1, 5000, True)
    role = np.where(np.arange(5000) < 1000, "corpus", "query")
    return workshop.pack(
        "search",
        Items(drawn.inputs, drawn.labels, {"role": role}),
        f"{_HELD_OUT}; the first thousand are what the others look among",
        task="Embedding",
        slices=("role",),
        corpus={"column": "role", "value": "corpus"},
    )


def calibration(scanner_b: float) -> Floats:
    """300 items to calibrate by, of the samples that models are trained on: no pack holds them."""
    items = populations.draw_digits(5, 300, False, Digits(scanner_b=scanner_b))
    return items.inputs.astype(np.float32)
