"""What may still be there although it was never seen."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats.rate import share_without_a_hit


@pytest.mark.parametrize(("items", "alpha", "share"), [(576, 0.05, 0.005187), (299, 0.05, 0.009969), (0, 0.05, 1.0)])
def test_what_was_never_seen_may_still_be_there(items: int, alpha: float, share: float) -> None:
    assert share_without_a_hit(items, alpha) == pytest.approx(share, rel=1e-3)


@given(st.integers(1, 10_000_000), st.floats(0.001, 0.5))
def test_at_the_bound_nothing_is_seen_with_a_chance_of_alpha(items: int, alpha: float) -> None:
    share = share_without_a_hit(items, alpha)
    assert items * math.log1p(-share) == pytest.approx(math.log(alpha))


def test_stopping_while_nothing_was_seen_makes_the_bound_no_less_true() -> None:
    """Who stops just before the first event, at any share, claims too little in at most alpha of all runs."""
    first = np.random.default_rng(32).geometric(0.01, size=20_000)
    claimed = np.array([share_without_a_hit(n - 1, 0.05) for n in first.tolist()])
    assert (claimed < 0.01).mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 20_000)


@pytest.mark.parametrize(("items", "alpha"), [(-1, 0.05), (5, 0.0), (5, 1.0)])
def test_a_bound_of_nonsense_is_refused(items: int, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"items can't|alpha must lie"):
        share_without_a_hit(items, alpha)
