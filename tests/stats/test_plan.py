import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats import plan as planning
from paritygate.stats.flip import FLIP_1, FlipBet
from paritygate.stats.plan import (
    fewest_items,
    items_needed,
    items_without_a_flip,
    pass_time_cdf,
    pass_time_quantile,
    planned_power,
    simulate,
    smallest_margin,
)
from scipy.stats import invgauss


@given(st.floats(0.0005, 0.2), st.floats(0.05, 0.995))
def test_quantiles_agree_with_scipy(alpha: float, power: float) -> None:
    a = -math.log(alpha)
    oracle = invgauss(2 / a, scale=a * a)
    assert pass_time_quantile(power, alpha) == pytest.approx(oracle.ppf(power), rel=1e-7)
    assert pass_time_cdf(oracle.ppf(power), alpha) == pytest.approx(power, rel=1e-7)
    assert pass_time_cdf(0.0, alpha) == 0


@pytest.mark.parametrize(
    ("alpha", "units"), [(0.1, (3.2, 6.7, 9.6, 21)), (0.05, (4.5, 8.6, 11.9, 24.5)), (0.001, (12.1, 18.7, 23.5, 39))]
)
def test_units_of_f_over_m_squared(alpha: float, units: tuple[float, ...]) -> None:
    assert [pass_time_quantile(power, alpha) for power in (0.5, 0.8, 0.9, 0.99)] == pytest.approx(units, rel=0.025)


@pytest.mark.parametrize(
    ("alpha", "margin", "any_rule", "ours", "ours_with_lower_prior"),
    [
        (0.05, 0.01, 299, 480, 392),
        (0.05, 0.02, 149, 208, 184),
        (0.05, 0.05, 59, 72, None),
        (0.05, 0.005, 598, 1072, None),
        (0.05, 0.0025, 1197, 2296, None),
        (0.01, 0.01, 459, 688, 584),
        (0.01, 0.02, 228, 312, 272),
        (0.01, 0.05, 90, 112, None),
        (0.001, 0.01, 688, 968, 840),
        (0.001, 0.02, 342, 448, 400),
        (0.001, 0.05, 135, 160, None),
    ],
)
def test_zero_flips_is_not_a_pass(
    alpha: float, margin: float, any_rule: int, ours: int, ours_with_lower_prior: int | None
) -> None:
    assert items_without_a_flip(alpha, margin) == any_rule
    assert fewest_items(alpha, margin) == ours
    if ours_with_lower_prior:
        assert fewest_items(alpha, margin, FlipBet(v0=0.01)) == ours_with_lower_prior


def test_the_example_of_a_small_slice() -> None:
    needed = items_needed(alpha=0.05, margin=0.01, flip_rate=0.02, power=0.9)
    assert needed % FLIP_1.batch == 0
    assert needed == pytest.approx(2800, rel=0.05)
    assert smallest_margin(310, alpha=0.05, flip_rate=0.02, power=0.9) == pytest.approx(0.037, abs=0.001)


@pytest.mark.parametrize(("margin", "flip_rate"), [(0.01, 0.05), (0.02, 0.06), (0.02, 0.02)])
def test_the_plan_keeps_its_word_with_the_real_rule(margin: float, flip_rate: float) -> None:
    items = items_needed(alpha=0.05, margin=margin, flip_rate=flip_rate, power=0.9)
    bet = FlipBet(v0=flip_rate) if flip_rate >= 3 * margin else FLIP_1
    ends = simulate(items, alpha=0.05, margin=margin, flip_rate=flip_rate, seed=11, bet=bet, paths=1000)
    assert np.isfinite(ends).mean() == pytest.approx(0.9, abs=0.035)


def test_with_many_flips_the_plan_is_the_formula_and_its_allowance() -> None:
    items = items_needed(alpha=0.05, margin=0.01, flip_rate=0.05, power=0.9)
    assert items == math.ceil(1.15 * pass_time_quantile(0.9, 0.05) * 500 / 8) * 8
    assert planned_power(items, alpha=0.05, margin=0.01, flip_rate=0.05) == pytest.approx(0.9, abs=0.001)


def test_planning_backwards_and_forwards_agree() -> None:
    for flip_rate in (0.02, 0.06):
        margin = smallest_margin(3000, alpha=0.05, flip_rate=flip_rate, power=0.8)
        assert margin is not None
        assert 0.77 < planned_power(3000, alpha=0.05, margin=margin, flip_rate=flip_rate) < 0.86
        assert planned_power(3000, alpha=0.05, margin=0.95 * margin, flip_rate=flip_rate) < 0.8


def test_items_without_any_flip_still_number_the_floor() -> None:
    assert items_needed(alpha=0.05, margin=0.01, flip_rate=0.0, power=0.9) == 480
    assert items_needed(alpha=0.05, margin=0.01, flip_rate=0.03, power=0.001) == 480
    assert planned_power(479, alpha=0.05, margin=0.01, flip_rate=0.05) == 0
    assert smallest_margin(5, alpha=0.05, flip_rate=0.02, power=0.9) is None


def test_median_items_to_a_pass_are_near_the_reference() -> None:
    ends = simulate(6000, alpha=0.05, margin=0.01, flip_rate=0.02, seed=3)
    assert np.median(ends) == pytest.approx(1136, rel=0.1)


def test_a_worse_candidate_is_simulated_at_the_boundary() -> None:
    ends = simulate(3000, alpha=0.05, margin=0.02, flip_rate=0.04, loss=0.02, seed=4)
    assert np.isfinite(ends).mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / ends.size)


def test_the_same_seed_gives_the_same_plan() -> None:
    arguments = {"alpha": 0.05, "margin": 0.02, "flip_rate": 0.02}
    assert (simulate(800, seed=1, **arguments) == simulate(800, seed=1, **arguments)).all()
    assert (simulate(800, seed=1, **arguments) != simulate(800, seed=2, **arguments)).any()


def test_a_plan_takes_little_memory_and_the_draws_do_not_depend_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # The operator recomputes many at a time, with 512 MiB for everything.
    arguments = {"alpha": 0.05, "margin": 0.01, "flip_rate": 0.02}
    tracemalloc.start()
    try:
        ends = simulate(8000, seed=0, **arguments)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20
    monkeypatch.setattr(planning, "CHUNK", 7001)
    np.testing.assert_array_equal(simulate(8000, seed=0, **arguments), ends)


@pytest.mark.parametrize(
    "wrong", [{"alpha": math.nan}, {"margin": 0.0}, {"margin": math.nan}, {"power": 1.0}, {"flip_rate": -0.1}]
)
def test_an_impossible_plan_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        items_needed(**{"alpha": 0.05, "margin": 0.01, "flip_rate": 0.02, "power": 0.9} | wrong)


def test_a_loss_beyond_the_flips_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a loss of 0\.03 needs a flip rate"):
        simulate(80, alpha=0.05, margin=0.01, flip_rate=0.02, loss=0.03, seed=0)
