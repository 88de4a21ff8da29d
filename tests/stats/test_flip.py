import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats.flip import FLIP_1, FlipBet, gains, growth_optimal_bet, predicted_bets
from paritygate.stats.wealth import Wealth, pass_threshold

ALPHA, MARGIN = 0.05, 0.01
START = Wealth(pass_threshold(ALPHA))
CLEAN = [0, 0, 8, 0]


def bets(batches: object, bet: FlipBet = FLIP_1) -> np.ndarray:
    counts = np.array(batches)
    return predicted_bets(counts.sum(-1), counts[..., 0] + counts[..., 1], MARGIN, bet)


def clean(batches: int, size: int = 8) -> np.ndarray:
    return np.tile([0, 0, size, 0], (batches, 1))


outcomes = st.lists(st.sampled_from([(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]), min_size=1, max_size=200)


def cut(items: list[tuple[int, ...]], size: int = 8) -> np.ndarray:
    return np.array([np.sum(items[i : i + size], axis=0) for i in range(0, len(items), size)])


@pytest.mark.parametrize(
    ("v", "m", "expected"),
    [
        (0.02, 0.01, 0.417166444591),
        (0.05, 0.01, 0.193300903090),
        (0.02, 0.02, 0.629305372790),
        (0.0001, 0.01, 1.005063005597),
    ],
)
def test_the_bet_has_known_values(v: float, m: float, expected: float) -> None:
    assert growth_optimal_bet(v, m) == pytest.approx(expected, abs=5e-13)


def test_the_bet_maximises_expected_log_wealth() -> None:
    grid = np.linspace(1e-5, 0.9999 / (1 - MARGIN), 200_000)
    for v in (0.0005, 0.003, 0.02, 0.3, 1.0):
        growth = v / 2 * (np.log1p(-grid * (1 - MARGIN)) + np.log1p(grid * (1 + MARGIN)))
        growth += (1 - v) * np.log1p(grid * MARGIN)
        assert growth_optimal_bet(v, MARGIN) == pytest.approx(grid[growth.argmax()], abs=1e-5)


def test_the_bet_with_no_flips_at_all_stakes_everything_allowed() -> None:
    assert growth_optimal_bet(0.0, 0.01) == pytest.approx(1 / 0.99)


def test_the_cap_leaves_something_after_a_harmful_flip() -> None:
    assert bets([CLEAN], FlipBet(v0=1e-6)) == pytest.approx(0.999 / 0.99)
    assert bets([CLEAN], FlipBet(v0=1e-6, cap=0.5)) == pytest.approx(0.5 / 0.99)


def test_five_batches_have_known_bets_and_wealth() -> None:
    batches = [CLEAN, [1, 0, 3, 4], [0, 1, 7, 0], CLEAN, [0, 0, 0, 8]]
    known = [0.41716644, 0.42883969, 0.37461683, 0.33414799, 0.34366214]
    wealth = [0.03330390, -0.48934669, -0.14227594, -0.11558866, -0.08814282]
    assert bets(batches) == pytest.approx(known, abs=6e-9)
    assert gains(batches, MARGIN).path() == pytest.approx(wealth, abs=6e-9)


def long_run() -> np.ndarray:
    batches = clean(150)
    for number, flips in ((11, (1, 0)), (31, (0, 1)), (71, (2, 0)), (101, (0, 1))):
        batches[number - 1] = [*flips, 8 - sum(flips), 0]
    return batches


def test_a_long_run_latches_once_and_for_all() -> None:
    path = gains(long_run(), MARGIN).path()
    known = [0.0333039, -0.31303109, 0.98926325, 0.67843736, 2.75113743, 5.47726638]
    assert path[[0, 10, 30, 70, 100, 149]] == pytest.approx(known, abs=6e-9)
    state = START.after(gains(long_run(), MARGIN))
    assert (state.items, state.sums, state.latched_at) == (1200, (5,), 848)
    ruined = state.after(gains(np.tile([8, 0, 0, 0], (20, 1)), MARGIN, state=state))
    assert ruined.log_e < 0
    assert (ruined.latched_at, ruined.sup_log_e) == (848, state.sup_log_e)


@given(outcomes, st.floats(1e-6, 0.999), st.floats(1e-4, 0.999))
def test_wealth_is_always_a_number_and_never_lost_entirely(
    items: list[tuple[int, ...]], margin: float, v0: float
) -> None:
    assert np.isfinite(gains(cut(items), margin, FlipBet(v0=v0)).path()).all()


def test_many_paths_and_many_margins_are_judged_at_once() -> None:
    paths = np.random.default_rng(1).multinomial(8, [0.02, 0.02, 0.9, 0.06], size=(5, 40))
    together = gains(paths, MARGIN).path()
    assert (together == [gains(path, MARGIN).path() for path in paths]).all()
    margins = np.array([[0.01], [0.03]])
    assert (gains(paths[0], margins).path()[1] == gains(paths[0], 0.03).path()).all()


def test_wealth_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN after 8 items"):
        dataclasses.replace(START, logs=(math.nan,)).after(gains([CLEAN], MARGIN))


@pytest.mark.parametrize("threshold", [math.nan, 0.0, -1.0, math.inf])
def test_a_threshold_that_proves_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be a positive log wealth"):
        Wealth(threshold)


@pytest.mark.parametrize("wrong", [{"c": 0.0}, {"v0": 0.0}, {"batch": 0}, {"cap": 1.0}, {"v0": math.nan}])
def test_an_impossible_bet_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must"):
        dataclasses.replace(FLIP_1, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("m", "f"), [(0.01, 0.01), (0.01, 0.02), (0.02, 0.10)])
@pytest.mark.whole
def test_at_the_boundary_false_passes_stay_within_alpha(m: float, f: float) -> None:
    paths, batches = 2000, 1000
    counts = np.random.default_rng(5).multinomial(8, [(f + m) / 2, (f - m) / 2, 1 - f, 0], size=(paths, batches))
    passed = (gains(counts, m).path() >= pass_threshold(ALPHA)).any(-1).mean()
    assert passed <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / paths)
    assert passed > ALPHA / 3, "a rule that hardly ever errs at the boundary wastes items"
