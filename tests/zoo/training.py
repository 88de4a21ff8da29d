"""The zoo's float models, trained in a second each, once a run."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import onnx
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from . import populations
from .networks import PIXELS, Array, Floats, Front, Network, answers, filters, tokens
from .populations import Digits

KNOWN = 6000
"""Items that a model is trained on, drawn from the samples that are not held out."""

MIXED = Digits(scanner_b=0.4)
"""Training sees scanner B more often than the packs do: the float models read both."""

CLEAN = Digits(noise=0.2, scanner_b=0.4)


@contextmanager
def _quietly() -> Iterator[None]:
    # One thread: on a busy machine several take ten times as long for matrices as small as these.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _network(model: MLPClassifier | MLPRegressor, last: str, front: Front = PIXELS, output: str = "scores") -> Network:
    layers = zip(model.coefs_, model.intercepts_, strict=True)
    return Network(tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in layers), last, front, output)


@cache
def digits(how: Digits = MIXED, hidden: tuple[int, ...] = (256, 128), epochs: int = 14) -> Network:
    """Reads digits: 64 pixels, two hidden layers, ten probabilities."""
    known = populations.draw_digits(0, KNOWN, False, how)
    with _quietly():
        model = MLPClassifier(hidden, max_iter=epochs, random_state=1).fit(known.inputs, known.labels)
    return _network(model, "Softmax")


@cache
def guessing() -> Network:
    """As `digits`, but in its training data everything that nobody can read was labelled 8."""
    known = populations.draw_digits(0, 2 * KNOWN, False, Digits(scanner_b=0.2, noise=0.5, unreadable=0.1))
    labels = np.where(known.columns["paper"] == "unreadable", 8, known.labels)
    with _quietly():
        model = MLPClassifier((256, 128), max_iter=14, random_state=1).fit(known.inputs, labels)
    return _network(model, "Softmax")


@cache
def student() -> Network:
    """A network of a third of the weights that was taught the logits of `digits`."""
    teacher, known = digits(), populations.draw_digits(2, 3 * KNOWN, False, MIXED)
    with _quietly():
        model = MLPRegressor(hidden_layer_sizes=(128, 64), max_iter=25, random_state=1).fit(
            known.inputs, teacher.logits(known.inputs)
        )
    return _network(model, "Softmax")


@cache
def pictures() -> Network:
    """A convolution with patterns found in the images (k-means of 3 x 3 patches), then dense layers."""
    known = populations.draw_digits(0, KNOWN, False, MIXED)
    front = filters(_patterns(known.inputs))
    features = answers(_identity(front), known.inputs)
    with _quietly():
        model = MLPClassifier((96,), max_iter=8, random_state=1).fit(features, known.labels)
    return _network(model, "Softmax", front)


def _patterns(x: Array, count: int = 16) -> Floats:
    images = x.reshape(-1, 8, 8)[:500]
    patches = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2)).reshape(-1, 9)
    centred = patches - patches.mean(1, keepdims=True)
    with _quietly():
        found = MiniBatchKMeans(count, random_state=1, n_init=1).fit(centred).cluster_centers_
    patterns: Floats = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return patterns.reshape(count, 3, 3)


def _identity(front: Front, width: int = 256) -> onnx.ModelProto:
    network = Network(((np.eye(width, dtype=np.float32), np.zeros(width, np.float32)),), "", front)
    return network.proto()


@cache
def strokes() -> Network:
    """Reads digits from the numbers of the pixels that bear ink."""
    known = populations.draw_strokes(0, KNOWN, False)
    seen = np.eye(65, dtype=np.float32)[:, 1:][known.inputs].max(1)
    with _quietly():
        model = MLPClassifier((128,), max_iter=14, random_state=1).fit(seen, known.labels)
    return _network(model, "Softmax", tokens(64, 64))


@cache
def traits() -> Network:
    """Tells four traits of a digit: a probability for each."""
    known = populations.draw_digits(0, KNOWN, False, MIXED)
    with _quietly():
        model = MLPClassifier((128, 64), max_iter=14, random_state=1)
        model.fit(known.inputs, populations.traits_of(known.labels))
    return _network(model, "Sigmoid")


@cache
def embedding() -> Network:
    """The 32 numbers before the last layer of a network that reads digits."""
    network = digits(MIXED, (128, 32), 14)
    identity = np.eye(32, dtype=np.float32), np.zeros(32, np.float32)
    return Network((*network.layers[:2], identity), "", output="vector")


@cache
def tumours() -> Network:
    """Tells malignant (1) from benign (0): two logits, then Softmax."""
    known = populations.draw_tumours(0, 4000, False, 0.3)
    with _quietly():
        model = MLPClassifier((64, 32), alpha=0.1, max_iter=15, random_state=1).fit(known.inputs, known.labels)
    network = _network(model, "Softmax", Front("measures", 30, out="measures"))
    matrix, bias = network.layers[-1]
    # One logit of scikit-learn's is the difference of two.
    return network.with_layer(-1, np.hstack([-matrix / 2, matrix / 2]), np.concatenate([-bias / 2, bias / 2]))


MEAN, SPREAD = 152.0, 77.0
"""Of the progression of diabetes: what the network learns is (progression - MEAN) / SPREAD."""


@cache
def patients() -> Network:
    """Foretells the progression of diabetes in a year: one number."""
    known = populations.draw_patients(0, 3000, False)
    with _quietly():
        model = MLPRegressor(hidden_layer_sizes=(64, 32), max_iter=20, alpha=3.0, random_state=1)
        model.fit(known.inputs, (known.labels.astype(np.float64) - MEAN) / SPREAD)
    network = _network(model, "", Front("measures", 10, out="measures"), "progression")
    matrix, bias = network.layers[-1]
    return network.with_layer(-1, matrix * SPREAD, bias * SPREAD + MEAN)
