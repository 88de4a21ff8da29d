import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats import bounded, gap, locked, rate, ratio
from paritygate.stats import plan as planning
from paritygate.stats.flip import FLIP_1, FlipBet
from paritygate.stats.plan import (
    fewest_items,
    items_needed,
    items_without_a_flip,
    pass_time_cdf,
    pass_time_quantile,
    planned_bounded,
    planned_gap,
    planned_locked,
    planned_power,
    planned_rate,
    planned_ratio,
    simulate,
    smallest_margin,
)
from paritygate.stats.wealth import pass_threshold
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


@pytest.mark.parametrize("prevalence", [0.001, 0.5])
def test_a_ratio_that_no_number_of_items_would_prove_is_told_at_once(
    prevalence: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_planned", None)  # nothing is simulated
    found = planned_ratio(5000, 0.001, 0.0001, ratio.f_beta(), prevalence, 0.12)
    assert (found.needed, found.power) == (2**40, 0.0)


def test_a_locked_set_too_small_by_far_is_not_grown_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    whole = locked.gains
    monkeypatch.setattr(locked, "gains", lambda counts, size, *more: asked.append(size) or whole(counts, size, *more))
    found = planning.planned_locked(300, 0.001, 0.0001, 0.12)
    assert found.needed > 12_000_000
    assert len(asked) < 10


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


def share_passed(wealth: np.ndarray) -> float:
    return float((wealth >= pass_threshold(0.05)).any(-1).mean())


def test_the_plan_of_a_rate_keeps_its_word() -> None:
    needed = planned_rate(100, 0.05, 0.03, 0.02).needed
    hits = np.random.default_rng(1).binomial(8, 0.01, (1000, needed // 8))
    assert share_passed(rate.gains(np.stack((hits, 8 - hits), -1), 0.03).path()) == pytest.approx(0.9, abs=0.035)


@pytest.mark.parametrize("v", [0.001, 0.004])
def test_the_plan_of_a_bounded_loss_keeps_its_word(v: float) -> None:
    planned = planned_bounded(10**6, 0.05, 0.01, 0.001, v)
    draw, shape = np.random.default_rng(2), (400, planned.needed)
    size = np.where(draw.random(shape) < 0.1, 3, 1 / 3) * math.sqrt(v)
    units = bounded.to_units(size * draw.choice([-1, 1], shape))
    assert share_passed(bounded.gains(units, 0.01).path()) == pytest.approx(0.9, abs=0.05)
    assert planned.power > 0.98


def test_the_plan_of_a_locked_set_keeps_its_word() -> None:
    planned = planned_locked(2000, 0.05, 0.01, 0.03)
    counts = np.random.default_rng(3).multinomial(8, [0.015, 0.015, 0.97, 0], (1000, 250))
    wealth = locked.gains(counts, 2000, 0.01, FlipBet(v0=0.03, cap=0.95)).path()
    assert share_passed(wealth[:, : planned.needed // 8]) == pytest.approx(0.9, abs=0.035)
    assert share_passed(wealth) == pytest.approx(planned.power, abs=0.02)


def test_of_a_locked_set_no_more_can_be_needed_than_it_has() -> None:
    planned = planned_locked(20, 0.001, 0.2, 0.2)  # so few can be sure only when all are seen
    assert (planned.needed, planned.power > 0.9) == (20, True)


def test_a_locked_set_too_small_for_luck_needs_to_be_larger() -> None:
    planned = planned_locked(100, 0.05, 0.01, 0.03)  # one net loss of three flips fails it
    assert planned.power == pytest.approx(0.58, abs=0.05)
    assert planned_locked(planned.needed, 0.05, 0.01, 0.03).power > 0.87


def test_the_plan_of_a_ratio_keeps_its_word() -> None:
    planned = planned_ratio(10**6, 0.05, 0.03, ratio.precision(), 0.2, 0.02)
    assert planned.power > 0.98
    shares = [0.775, 0.005, 0.005, 0.015, 0.015, 0.005, 0.005, 0.175]
    totals = np.random.default_rng(4).multinomial(planned.needed, shares, 150)  # at the end alone: nearly as powerful
    passed = (ratio.log_e(ratio.precision(), totals, 0.03) >= pass_threshold(0.05)).mean()
    assert passed == pytest.approx(0.88, abs=0.08)


@pytest.mark.whole
def test_the_plan_of_a_gap_keeps_its_word() -> None:
    planned = planned_gap(10**6, 10**6, 0.05, 0.05, 0.04)
    shares = [0.01, 0.01, 0.43, 0.05] * 2
    counts = np.random.default_rng(5).multinomial(32, shares, (120, planned.needed // 32))
    latched = (gap.log_e_path(counts, 0.05) >= pass_threshold(0.05)).any(1).all(1)
    assert latched.mean() == pytest.approx(0.9, abs=0.09)
    assert planned.power > 0.98


def test_a_gap_needs_items_of_both_groups() -> None:
    assert planned_gap(0, 5000, 0.05, 0.05, 0.04).power == 0
    assert planned_gap(500, 4500, 0.05, 0.05, 0.04).needed > 2 * planned_gap(2500, 2500, 0.05, 0.05, 0.04).needed


def test_more_items_are_more_power_and_nothing_has_none() -> None:
    plans = (
        lambda have: planned_rate(have, 0.05, 0.03, 0.02),
        lambda have: planned_bounded(have, 0.05, 0.01, 0.001),
        lambda have: planned_ratio(have, 0.05, 0.05, ratio.f_beta(), 0.3, 0.02),
    )
    for plan in plans:
        needed = plan(0).needed
        powers = [plan(have).power for have in (0, needed // 3, needed, 3 * needed)]
        assert powers[0] == 0
        assert powers == sorted(powers)
        assert powers[2] == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (lambda: planned_rate(9, 0.05, 1.0, 0.02), "limit"),
        (lambda: planned_bounded(9, 0.05, 0.0, 0.01), "margin"),
        (lambda: planned_bounded(9, 0.05, 0.01, math.nan), "v must"),
        (lambda: planned_locked(0, 0.05, 0.01, 0.02), "population"),
        (lambda: planned_gap(9, 9, 0.05, 0.0, 0.02), "margin"),
        (lambda: planned_ratio(9, 0.05, 0.01, ratio.precision(), 0.0, 0.02), "prevalence"),
    ],
)
def test_an_impossible_plan_of_another_kind_is_refused(plan: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan()
