"""Disturbances: the same for both models, whatever the batch and the order; and what each of them does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate_evaluator.runner.perturb import Kind, Perturbation, perturbed
from paritygate_evaluator.runner.runtime import RunFailedError

ITEMS = 24
FEEDS = {
    "image": np.random.default_rng(0).normal(size=(ITEMS, 2, 5, 6)).astype(np.float32),
    "half": np.random.default_rng(1).normal(size=(ITEMS, 4)).astype(np.float16),
    "double": np.random.default_rng(2).normal(size=ITEMS),
    "pixels": np.random.default_rng(3).integers(0, 256, (ITEMS, 3, 3), np.uint8),
    "tokens": np.random.default_rng(4).integers(0, 99, (ITEMS, 7)),
    "text": np.array([f"number {k} of many words" for k in range(ITEMS)]),
}
STRENGTHS = {
    Kind.GAUSSIAN_NOISE: 0.3,
    Kind.BLUR: 2,
    Kind.BRIGHTNESS: 0.25,
    Kind.FEATURE_JITTER: 0.1,
    Kind.TYPOS: 0.2,
}
CHANGED = {
    Kind.GAUSSIAN_NOISE: {"image", "half", "pixels"},  # a single number has no spread of its own
    Kind.BLUR: {"image", "pixels"},
    Kind.BRIGHTNESS: {"image", "half", "double"},  # a quarter of a grey level rounds to none
    Kind.FEATURE_JITTER: {"image", "half", "double", "pixels"},
    Kind.TYPOS: {"text"},
}


def disturbed(kind: Kind, seed: int, indices: np.ndarray) -> dict[str, np.ndarray]:
    rows = perturbed(FEEDS, Perturbation(kind, STRENGTHS[kind], seed))
    return {name: one.take(indices, axis=0) for name, one in rows.items()}


@pytest.mark.parametrize("kind", Kind)
@settings(deadline=None)
@given(wanted=st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=9), seed=st.integers(0, 3))
def test_an_item_becomes_the_same_in_any_batch_and_order(kind: Kind, wanted: list[int], seed: int) -> None:
    indices = np.array(wanted)
    together = disturbed(kind, seed, indices)
    for at, item in enumerate(wanted):
        alone = disturbed(kind, seed, np.array([item]))
        for name in FEEDS:
            np.testing.assert_array_equal(together[name][at], alone[name][0])


@pytest.mark.parametrize("kind", Kind)
def test_what_changes_keeps_type_and_shape_and_the_rest_stays(kind: Kind) -> None:
    before = {name: array.copy() for name, array in FEEDS.items()}
    after = disturbed(kind, 7, np.arange(ITEMS))
    assert {name for name in FEEDS if (after[name] != FEEDS[name]).any()} == CHANGED[kind]
    for name, array in FEEDS.items():
        assert (after[name].dtype, after[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(array, before[name])


def test_another_seed_item_or_input_is_other_noise() -> None:
    x = np.ones((2, 50), np.float32)
    rows = {"a": x, "b": x}
    one = perturbed(rows, Perturbation(Kind.FEATURE_JITTER, 1, 1))
    other = perturbed(rows, Perturbation(Kind.FEATURE_JITTER, 1, 2))
    drawn = [source[name].take([k])[0] for source in (one, other) for name in rows for k in (0, 1)]
    for k, first in enumerate(drawn):
        for second in drawn[:k]:
            assert abs(np.corrcoef(first, second)[0, 1]) < 0.6


def test_noise_is_in_units_of_the_items_own_spread() -> None:
    x = np.random.default_rng(0).normal(size=(4, 20_000)) * [[1.0], [10.0], [0.1], [0.0]]
    after = Perturbation(Kind.GAUSSIAN_NOISE, 0.5, 1).applied("x", x, np.arange(4))
    assert (after - x).std(axis=1) == pytest.approx([0.5, 5, 0.05, 0], rel=0.03)
    assert (after - x).mean(axis=1) == pytest.approx([0, 0, 0, 0], abs=0.2)


def test_what_is_missing_stays_missing_and_does_not_spread() -> None:
    x = np.array([[1.0, 2.0, np.nan, 3.0, np.inf]])
    after = Perturbation(Kind.GAUSSIAN_NOISE, 0.1, 1).applied("x", x, np.array([0]))
    assert np.isnan(after).tolist() == [[False, False, True, False, False]]
    assert np.isinf(after).tolist() == [[False, False, False, False, True]]


def test_a_blur_is_the_mean_of_nine_neighbours_with_the_edge_repeated() -> None:
    image = np.zeros((1, 3, 4))
    image[0, 1, 1] = 9
    once = Perturbation(Kind.BLUR, 1, 0).applied("x", image, np.array([0]))
    np.testing.assert_allclose(once[0], [[1, 1, 1, 0]] * 3)
    corner = np.zeros((1, 3, 3))
    corner[0, 0, 0] = 9
    once = Perturbation(Kind.BLUR, 1, 0).applied("x", corner, np.array([0]))
    np.testing.assert_allclose(once[0], [[4, 2, 0], [2, 1, 0], [0, 0, 0]])
    twice = Perturbation(Kind.BLUR, 2, 0).applied("x", image, np.array([0]))
    np.testing.assert_allclose(twice, Perturbation(Kind.BLUR, 1, 0).applied("x", once_of(image), np.array([0])))


def once_of(image: np.ndarray) -> np.ndarray:
    return Perturbation(Kind.BLUR, 1, 0).applied("x", image, np.array([0]))


def test_pixels_stay_pixels() -> None:
    pixels = np.array([[0, 100, 250]], np.uint8)
    assert Perturbation(Kind.BRIGHTNESS, 20, 0).applied("x", pixels, np.array([0])).tolist() == [[20, 120, 255]]
    assert Perturbation(Kind.BRIGHTNESS, -20, 0).applied("x", pixels, np.array([0])).tolist() == [[0, 80, 230]]


def test_typos_drop_and_swap_about_as_often_as_asked() -> None:
    text = "abcdefghij" * 100
    words = np.array([text] * 20)
    after = Perturbation(Kind.TYPOS, 0.1, 5).applied("x", words, np.arange(20)).tolist()
    assert len(set(after)) == 20
    dropped = sum(len(text) - len(one) for one in after) / (20 * len(text))
    assert dropped == pytest.approx(0.05, abs=0.01)
    assert all(set(one) <= set(text) for one in after)
    assert Perturbation(Kind.TYPOS, 1.0, 5).applied("x", np.array(["", "a"]), np.arange(2)).tolist() == ["", "a"]


REFUSED = [
    ("zero", Kind.BRIGHTNESS, 0, 1, "not 0"),
    ("negative", Kind.GAUSSIAN_NOISE, -0.1, 1, "between 0 and 100"),
    ("no number", Kind.FEATURE_JITTER, float("nan"), 1, "nan"),
    ("infinite", Kind.BRIGHTNESS, float("inf"), 1, "inf"),
    ("half a pass", Kind.BLUR, 1.5, 1, "number of passes"),
    ("no probability", Kind.TYPOS, 1.1, 1, "between 0 and 1"),
    ("seed", Kind.TYPOS, 0.1, -1, "63 bits"),
]


@pytest.mark.parametrize(("what", "kind", "strength", "seed", "said"), REFUSED, ids=[r[0] for r in REFUSED])
def test_strengths_that_make_no_sense(what: str, kind: Kind, strength: float, seed: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Perturbation(kind, strength, seed)


def test_it_travels_as_it_is() -> None:
    one = Perturbation(Kind.BLUR, 2, 12)
    assert Perturbation.parse(one.dump()) == one
    for nonsense in (
        None,
        [],
        {"kind": "Blur"},
        {"kind": "Rain", "strength": 1, "seed": 1},
        {**one.dump(), "seed": "1"},
    ):
        with pytest.raises(ValueError, match=r"Rain|no perturbation"):
            Perturbation.parse(nonsense)


def test_a_disturbance_that_would_change_nothing_is_refused() -> None:
    with pytest.raises(RunFailedError, match=r"Typos needs an input of text; there is: x float64\[2\]"):
        perturbed({"x": np.zeros((3, 2))}, Perturbation(Kind.TYPOS, 0.1, 1))
    with pytest.raises(RunFailedError, match=r"Blur needs .* two axes"):
        perturbed({"x": np.zeros((3, 2))}, Perturbation(Kind.BLUR, 1, 1))
