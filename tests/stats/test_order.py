import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats.order import coins, item_order, uniforms

SEED = hashlib.sha256(b"dataset, baseline, candidate, policy").digest()


@given(st.lists(st.text(), unique=True, max_size=30), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_the_pack_lists_its_items(ids: list[str], random: object) -> None:
    shuffled = ids.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [ids[i] for i in item_order(SEED, ids)] == [shuffled[i] for i in item_order(SEED, shuffled)]


def test_the_order_is_that_of_the_hashes() -> None:
    ids = [f"item-{i}" for i in range(50)]
    keys = [hashlib.sha256(SEED + ids[i].encode()).hexdigest() for i in item_order(SEED, ids)]
    assert keys == sorted(keys)
    assert (item_order(SEED, ids) != item_order(bytes(32), ids)).any()


def test_an_item_counts_once() -> None:
    with pytest.raises(ValueError, match="'b' occurs twice"):
        item_order(SEED, ["a", "b", "b"])


@pytest.mark.parametrize("draw", [lambda s: item_order(s, []), lambda s: coins(s, "blocks", 1)])
def test_a_seed_of_another_length_is_refused(draw: object) -> None:
    with pytest.raises(ValueError, match="32 bytes of a SHA-256, got 3"):
        draw(b"abc")  # type: ignore[operator]


@pytest.mark.parametrize("draw", [coins, uniforms])
def test_a_longer_draw_starts_with_the_shorter_one(draw: object) -> None:
    short, long, other = draw(SEED, "blocks", 13), draw(SEED, "blocks", 100), draw(SEED, "dither", 13)  # type: ignore[operator]
    assert (long[:13] == short).all()
    assert (other != short).any()


def test_coins_are_fair_and_uniforms_fill_the_unit_interval() -> None:
    assert abs(coins(SEED, "blocks", 10_000).mean() - 0.5) < 0.02
    values = np.sort(uniforms(SEED, "dither", 10_000))
    assert values[0] >= 0
    assert values[-1] < 1
    assert np.abs(values - np.linspace(0, 1, values.size)).max() < 0.02
