import math

import numpy as np
import pytest
from paritygate.stats.flip import FLIP_1, gains
from paritygate.stats.harm import log_harm
from paritygate.stats.interval import MARGIN_GRID, proven_margin, reported_interval
from paritygate.stats.wealth import Wealth, pass_threshold


def drawn(loss: float, flips: float, batches: int, seed: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(
        8, [(flips + loss) / 2, (flips - loss) / 2, 0.9 - flips, 0.1], size=batches
    )


def test_no_items_leave_everything_open() -> None:
    assert reported_interval([], 0.05) == (-1, 1)
    assert proven_margin([], FLIP_1, 0.05) is None


def test_the_interval_is_where_neither_direction_rejects() -> None:
    batches = drawn(0.02, 0.06, 300)
    low, high = reported_interval(batches, 0.05)
    assert -0.02 < low < 0.02 < high < 0.06
    n10, n01, n11, n00 = np.cumsum(batches, 0).T
    for margin, rejected in ((high + 1e-6, True), (high - 1e-6, False)):
        assert (log_harm(n01, n10, n11 + n00, -margin).max() >= math.log(40)) == rejected
    for margin, rejected in ((low - 1e-6, True), (low + 1e-6, False)):
        assert (log_harm(n10, n01, n11 + n00, margin).max() >= math.log(40)) == rejected


def test_swapping_the_models_mirrors_the_interval() -> None:
    batches = drawn(0.02, 0.06, 200)
    low, high = reported_interval(batches, 0.05)
    assert reported_interval(batches[:, [1, 0, 2, 3]], 0.05) == (-high, -low)


def test_more_items_never_widen_the_interval() -> None:
    batches = drawn(0.0, 0.05, 250)
    bounds = np.array([reported_interval(batches[:k], 0.05) for k in range(10, 251, 30)])
    assert (np.diff(bounds[:, 0]) >= 0).all()
    assert (np.diff(bounds[:, 1]) <= 0).all()


@pytest.mark.whole
def test_the_interval_seldom_misses_the_truth() -> None:
    missed = 0
    for seed in range(300):
        low, high = reported_interval(drawn(0.01, 0.04, 200, seed), 0.1)
        missed += not low <= 0.01 <= high
    assert missed / 300 <= 0.1


def test_the_proven_margin_is_the_smallest_that_latches_with_all_above() -> None:
    batches = drawn(0.0, 0.02, 160)
    proven = proven_margin(batches, FLIP_1, 0.05)
    assert proven is not None
    start = Wealth(pass_threshold(0.05))
    latched = {float(m): start.after(gains(batches, float(m))).latched for m in MARGIN_GRID[::7]}
    assert all(latched[m] for m in latched if m >= proven)
    below = MARGIN_GRID[proven > MARGIN_GRID][-1]
    assert not start.after(gains(batches, float(below))).latched


def test_a_ruined_candidate_proves_nothing() -> None:
    assert proven_margin(np.tile([8, 0, 0, 0], (50, 1)), FLIP_1, 0.05) is None
    assert reported_interval(np.tile([8, 0, 0, 0], (50, 1)), 0.05)[1] == 1


@pytest.mark.parametrize("alpha", [0.0, 1.0, math.nan])
def test_an_impossible_alpha_is_refused(alpha: float) -> None:
    for report in (lambda: reported_interval([], alpha), lambda: proven_margin([], FLIP_1, alpha)):
        with pytest.raises(ValueError, match="alpha must lie strictly between 0 and 1"):
            report()
