import math
from collections.abc import Callable

import numpy as np
import pytest
from paritygate.judge import scenarios
from paritygate.judge.scenarios import planned_bounded, planned_gap, planned_locked, planned_rate, planned_ratio
from paritygate.stats import bounded, gap, locked, rate, ratio
from paritygate.stats.flip import FlipBet
from paritygate.stats.wealth import pass_threshold


@pytest.mark.parametrize("prevalence", [0.001, 0.5])
def test_a_ratio_that_no_number_of_items_would_prove_is_told_at_once(
    prevalence: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenarios, "plan", None)  # nothing is simulated
    found = planned_ratio(5000, 0.001, 0.0001, ratio.f_beta(), prevalence, 0.12)
    assert (found.needed, found.power) == (2**40, 0.0)


def test_a_locked_set_too_small_by_far_is_not_grown_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    whole = locked.gains
    monkeypatch.setattr(locked, "gains", lambda counts, size, *more: asked.append(size) or whole(counts, size, *more))
    found = planned_locked(300, 0.001, 0.0001, 0.12)
    assert found.needed > 12_000_000
    assert len(asked) < 10


def share_passed(wealth: np.ndarray) -> float:
    return float((wealth >= pass_threshold(0.05)).any(-1).mean())


def test_the_plan_of_a_rate_keeps_its_word() -> None:
    needed = planned_rate(100, 0.05, 0.03, 0.02).needed
    hits = np.random.default_rng(1).binomial(8, 0.01, (1000, needed // 8))
    assert share_passed(rate.gains(np.stack((hits, 8 - hits), -1), 0.03).path()) == pytest.approx(0.9, abs=0.035)


@pytest.mark.parametrize("v", [0.001, 0.004])
def test_the_plan_of_a_bounded_loss_keeps_its_word(v: float) -> None:
    planned = planned_bounded(10**6, 0.05, 0.01, v)
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
