import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats.rate import gains
from paritygate.stats.wealth import Bet, Wealth, pass_threshold

LIMIT = 0.03
START = Wealth(pass_threshold(0.05))
runs = st.lists(st.integers(0, 8), max_size=40).map(
    lambda hits: np.array([[h, 8 - h] for h in hits]).reshape(-1, 2).astype(int)
)


def plainly(batches: np.ndarray, h: float, c: float = 200.0) -> float:
    log_e, hits, items = 0.0, 0, 0
    for k, misses in batches:
        believed = min(h, (hits + c * h / 2) / (items + c))
        stake = (h - believed) / (h * (1 - h))
        log_e += k * math.log1p(-stake * (1 - h)) + misses * math.log1p(stake * h)
        hits, items = hits + k, items + k + misses
    return log_e


@given(runs, st.floats(0.001, 0.9))
def test_wealth_is_the_definition(batches: np.ndarray, limit: float) -> None:
    assert START.after(gains(batches, limit)).log_e == pytest.approx(plainly(batches, limit), abs=1e-9)


@given(runs, st.lists(st.integers(0, 40), max_size=4))
def test_whole_shares_are_hits(batches: np.ndarray, cuts: list[int]) -> None:
    shares = np.repeat(np.tile([1.0, 0.0], len(batches)), batches.ravel()).reshape(-1, 8)
    state, places = START, sorted(min(c, len(batches)) for c in cuts)
    for piece in np.split(shares, places):
        state = state.after(gains(np.ones(piece.shape, np.int64), LIMIT, values=piece, state=state))
    assert state.log_e == pytest.approx(plainly(batches, LIMIT), abs=1e-9)
    assert state.sums == ((batches[:, 0].sum(),) if len(batches) else ())


def test_shares_by_hand() -> None:
    # A batch of 4 without hits and 4 with half of their items hit: 2 hits of 8, as far as the next stake goes.
    stakes = [0.015 / (0.03 * 0.97), (0.03 - min(0.03, (2 + 3) / 208)) / (0.03 * 0.97)]
    paid = [
        4 * math.log1p(stakes[0] * 0.03) + 4 * math.log1p(stakes[0] * (0.03 - 0.5)),
        8 * math.log1p(stakes[1] * 0.03),
    ]
    path = gains([[4, 4], [8, 0]], LIMIT, values=np.array([0.0, 0.5])).path()
    assert path == pytest.approx(np.cumsum(paid), rel=1e-12)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_out_of_bounds_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"a share must lie between 0 and 1, got {share}"):
        START.after(gains([[8]], LIMIT, values=np.array([share])))


@pytest.mark.parametrize("wrong", [{"c": 0.0}, {"c": math.nan}, {"batch": 0}])
def test_an_impossible_bet_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Bet(**wrong)  # type: ignore[arg-type]


def drawn(rate: float, seed: int, batches: int, paths: int = 2000) -> np.ndarray:
    hits = np.random.default_rng(seed).binomial(8, rate, size=(paths, batches))
    return gains(np.stack((hits, 8 - hits), -1), LIMIT).path() >= pass_threshold(0.05)


def test_at_the_boundary_false_passes_stay_within_alpha() -> None:
    passed = drawn(LIMIT, 14, 1000).any(-1).mean()
    assert 0.02 < passed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize(("rate", "median"), [(0.005, 224), (0.01, 296), (0.015, 552)])
def test_median_items_are_near_the_reference(rate: float, median: int) -> None:
    passed = drawn(rate, 15, 400)
    assert np.median(np.where(passed.any(-1), passed.argmax(-1) + 1, np.inf)) * 8 == pytest.approx(median, rel=0.1)
