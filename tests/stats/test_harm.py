import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats.harm import gains, log_harm
from paritygate.stats.wealth import Wealth, harm_threshold

MARGIN = 0.01
counts = st.integers(0, 3000)


def test_known_values() -> None:
    batches = np.tile([0, 0, 8, 0], (150, 1))
    for number, flips in ((11, (1, 0)), (31, (0, 1)), (71, (2, 0)), (101, (0, 1))):
        batches[number - 1] = [*flips, 8 - sum(flips), 0]
    known = [-0.02054779, -0.01683083, -0.67237362, -1.22185876]
    assert gains(batches, MARGIN).path()[[0, 10, 70, 149]] == pytest.approx(known, abs=6e-9)


def test_one_gate_must_show_more_when_it_has_company() -> None:
    assert harm_threshold(1) == pytest.approx(math.log(20))
    assert harm_threshold(20, 0.05) == pytest.approx(math.log(400))
    for gates, alpha_fail in ((0, 0.05), (1, 0.0), (1, math.nan)):
        with pytest.raises(ValueError, match="must"):
            harm_threshold(gates, alpha_fail)


@given(counts, counts, st.integers(0, 10**6))
def test_more_harm_is_more_evidence_and_the_sum_never_overflows(n10: int, n01: int, n0: int) -> None:
    low, high = log_harm([n10, n10 + 1], n01, n0, MARGIN)
    assert math.isfinite(low)
    assert high > low


def test_one_look_or_many_is_the_same_and_only_the_totals_count() -> None:
    batches = np.random.default_rng(2).multinomial(8, [0.05, 0.01, 0.9, 0.04], size=300)
    start = Wealth(harm_threshold(1))
    whole = start.after(gains(batches, MARGIN))
    state = start
    for batch in batches:
        state = state.after(gains(batch[None], MARGIN))
    assert state == whole
    path = gains(batches, MARGIN).path()
    assert whole.latched_at == 8 * (int((path >= math.log(20)).argmax()) + 1)
    total = batches.sum(0)
    alone = log_harm(total[0], total[1], total[2] + total[3], MARGIN)
    assert (whole.log_e, path[-1]) == pytest.approx((alone, alone), rel=1e-12)
    assert start.after(gains([], MARGIN)) == start


@pytest.mark.parametrize("margin", [math.nan, -1.0, 1.0])
def test_the_mirror_takes_negative_margins_but_no_impossible_ones(margin: float) -> None:
    assert log_harm(0, 0, 8, -0.01) > 0
    with pytest.raises(ValueError, match="between -1 and 1"):
        log_harm(0, 0, 8, margin)


def test_at_the_boundary_false_alarms_stay_within_alpha() -> None:
    paths, f = 1000, 0.03
    shares = [(f + MARGIN) / 2, (f - MARGIN) / 2, 1 - f, 0]
    batches = np.random.default_rng(6).multinomial(32, shares, size=(paths, 250))
    alarmed = (gains(batches, MARGIN).path() >= harm_threshold(1)).any(-1).mean()
    assert 0.005 < alarmed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / paths)


def test_a_broken_candidate_is_caught_early() -> None:
    batches = np.random.default_rng(7).multinomial(8, [0.04, 0.01, 0.95, 0], size=(500, 300))
    reached = gains(batches, MARGIN).path() >= harm_threshold(1)
    assert np.median(np.where(reached.any(-1), reached.argmax(-1) + 1, np.inf)) * 8 <= 950
