"""What the runner tells of items without a model."""

from pathlib import Path

import numpy as np
import pytest
from paritygate_evaluator.runner import item_statistics as module
from paritygate_evaluator.runner.item_statistics import item_statistics
from paritygate_evaluator.runner.items import load_inputs

NAN, INF = np.nan, np.inf

ROWS = [
    (
        "the largest of all",
        {"x": np.array([[1.0, -3.0], [0, 0]]), "y": np.array([2.0, -5.0])},
        [3, 5],
        [-1, -1],
    ),
    ("missing values do not count", {"x": np.array([[NAN, -2.0], [NAN, NAN]])}, [2, 0], [-1, -1]),
    ("infinity counts", {"x": np.array([[-INF, 1.0], [1e300, 1]])}, [INF, INF], [-1, -1]),
    ("half precision", {"x": np.array([[65504, 1], [0.5, -1]], np.float16)}, [65504, 1], [-1, -1]),
    ("tokens that are not zero", {"ids": np.array([[5, 6, 0], [7, 0, 0]])}, [-1, -1], [2, 1]),
    (
        "a mask before the tokens",
        {"ids": np.array([[5, 6, 1], [7, 1, 1]]), "attention_mask": np.array([[1, 1, 0], [1, 0, 0]], np.int32)},
        [-1, -1],
        [2, 1],
    ),
    ("text before a mask", {"mask": np.ones((2, 3), np.int64), "text": np.array(["käse", ""])}, [-1, -1], [4, 0]),
    ("a class number has no length", {"k": np.array([3, 4])}, [-1, -1], [-1, -1]),
    ("floats and tokens", {"x": np.array([1.0, -2.0]), "flags": np.array([[True], [False]])}, [1, 2], [1, 0]),
]


@pytest.mark.parametrize(("what", "items", "largest", "length"), ROWS, ids=[row[0] for row in ROWS])
def test_figures(what: str, items: dict[str, np.ndarray], largest: list[float], length: list[int]) -> None:
    got = item_statistics(items)
    assert (got[0].dtype, got[1].dtype) == (np.float32, np.int32)
    assert (got[0].tolist(), got[1].tolist()) == (largest, length)


def test_in_pieces_from_the_disk_as_whole_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(100, 3, 3)).astype(np.float32), "ids": rng.integers(0, 2, (100, 5))}
    np.savez(tmp_path / "i.npz", **arrays)
    items, _ = load_inputs([tmp_path], 1 << 20, 0)
    monkeypatch.setattr(module, "BLOCK", 500)
    largest, length = item_statistics(items)
    np.testing.assert_array_equal(largest, np.abs(arrays["x"]).max(axis=(1, 2)))
    np.testing.assert_array_equal(length, (arrays["ids"] != 0).sum(axis=1))
