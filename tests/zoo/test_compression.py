"""Every compression keeps the answers, and makes the file smaller where it says so."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest

from . import compression
from .networks import Network, answers

RNG = np.random.default_rng(0)
NETWORK = Network(
    tuple(
        (RNG.normal(0, 1 / np.sqrt(rows), (rows, columns)).astype(np.float32), np.zeros(columns, np.float32))
        for rows, columns in ((64, 128), (128, 64), (64, 10))
    )
)
X = RNG.normal(size=(400, 64)).astype(np.float32)

COMPRESSIONS: list[tuple[str, Callable[[], onnx.ModelProto], float, float]] = [
    ("fp16", lambda: compression.fp16(NETWORK.proto()), 0.55, 0.99),
    ("int8 dynamic", lambda: compression.int8_dynamic(NETWORK.proto()), 0.40, 0.95),
    ("int8 static", lambda: compression.int8_static(NETWORK.proto(), X[:100]), 0.45, 0.93),
    ("int8 weights", lambda: compression.int8_weights(NETWORK).proto(), 0.35, 0.97),
    ("int4 weights", lambda: compression.int4_weights(NETWORK).proto(), 0.30, 0.80),
    ("64 weights", lambda: compression.clustered(NETWORK, 64).proto(), 0.40, 0.93),
    ("pruned by a fifth", lambda: compression.pruned(NETWORK, 0.2).proto(), 1.0, 0.90),
]


@pytest.mark.parametrize(
    ("compress", "share", "alike"), [row[1:] for row in COMPRESSIONS], ids=[r[0] for r in COMPRESSIONS]
)
def test_smaller_and_alike(compress: Callable[[], onnx.ModelProto], share: float, alike: float) -> None:
    before, after = NETWORK.proto(), compress()
    assert after.ByteSize() <= share * before.ByteSize()
    assert (answers(before, X).argmax(1) == answers(after, X).argmax(1)).mean() >= alike


def test_pruning_leaves_the_last_layer_alone() -> None:
    pruned = compression.pruned(NETWORK, 0.5)
    assert np.mean(pruned.layers[0][0] == 0) == pytest.approx(0.5, abs=0.01)
    assert pruned.layers[-1] is NETWORK.layers[-1]


def test_four_bits_need_whole_blocks() -> None:
    odd = Network(((np.zeros((40, 32), np.float32), np.zeros(32, np.float32)), NETWORK.layers[-1]))
    with pytest.raises(ValueError, match="40 rows"):
        compression.int4_weights(odd).proto()


def test_onnx_and_numpy_say_the_same() -> None:
    logits = NETWORK.logits(X)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    np.testing.assert_allclose(answers(NETWORK.proto(), X), shares, atol=1e-5)
