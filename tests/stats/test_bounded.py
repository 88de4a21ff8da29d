import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats import flip, harm
from paritygate.stats.bounded import (
    BOUNDED_1,
    SCALE,
    UNIT,
    cut,
    gains,
    harm_gains,
    interval,
    proven_margin,
    to_units,
)
from paritygate.stats.interval import MARGIN_GRID, reported_interval
from paritygate.stats.interval import proven_margin as proven_of_flips
from paritygate.stats.wealth import Wealth, harm_threshold, pass_threshold

ALPHA, MARGIN = 0.05, 0.01
START = Wealth(pass_threshold(ALPHA))
HARM_START = Wealth(harm_threshold(1))
EQUAL = [0] * 8
runs = st.lists(st.integers(-SCALE, SCALE), min_size=1, max_size=200)


@pytest.mark.parametrize(
    ("loss", "units"),
    [(0.0, 0), (1e-9, 1), (-1e-9, 0), (0.25, 4096), (0.25001, 4097), (-0.25001, -4096), (1.0, SCALE), (-1.0, -SCALE)],
)
def test_a_loss_is_rounded_against_the_candidate(loss: float, units: int) -> None:
    assert to_units([loss]) == [units]


@given(st.lists(st.floats(-1, 1), max_size=20))
def test_the_record_is_never_better_than_the_loss_and_at_most_a_unit_worse(losses: list[float]) -> None:
    recorded = to_units(losses) * UNIT
    assert (recorded >= losses).all()
    assert (recorded <= np.array(losses) + UNIT).all()


@pytest.mark.parametrize("loss", [math.nan, 1.0000001, -1.5, math.inf])
def test_a_loss_out_of_bounds_is_refused(loss: float) -> None:
    with pytest.raises(ValueError, match=f"a loss must lie between -1 and 1, got {loss}"):
        to_units([0.0, loss])


def test_a_run_is_cut_into_batches_in_which_order_does_not_count() -> None:
    losses, counts = cut([5, 0, -3, 0, 5, 0, 0, 0, 7, 0])
    assert (losses / UNIT).tolist() == [[-3, 0, 0, 0, 0, 0, 5, 5], [0, 7, *[0] * 6]]
    assert counts.tolist() == [[1] * 8, [1, 1, *[0] * 6]]
    assert [part.shape for part in cut([])] == [(0, 8), (0, 8)]


def test_two_batches_by_hand() -> None:
    # First bet: v = 0.001, h = 0.0008, lambda = 0.02/(h + sqrt(h^2 + 0.0004 * 0.9999)) = 0.96084797.
    # Then v = (0.5^2 + 0.25^2 + 200 * 0.001)/208 = 0.00246394; h = 0.00226394, lambda = 0.89310826.
    units = [-4096, *[0] * 6, 8192, *EQUAL]
    h1, h2 = 0.001 - 0.0002, (0.3125 + 0.2) / 208 - 0.0002
    bets = [0.02 / (h + math.sqrt(h * h + 0.0004 * 0.9999)) for h in (h1, h2)]
    first = math.log(1 + bets[0] * 0.26) + 6 * math.log(1 + bets[0] * 0.01) + math.log(1 - bets[0] * 0.49)
    state = START.after(gains(units, MARGIN))
    assert state.log_e == pytest.approx(first + 8 * math.log(1 + bets[1] * 0.01), rel=1e-12)
    assert (state.items, state.sums) == (16, (0.3125,))


def test_harm_by_hand_is_bet_above_what_rounding_could_add() -> None:
    bar = MARGIN + 1 / 16384
    stakes = np.geomspace(0.02, 0.999, 24) / (1 + bar)
    wealth = [(1 + s * (0.5 - bar)) * (1 - s * bar) ** 6 * (1 + s * (-0.25 - bar)) for s in stakes]
    state = HARM_START.after(harm_gains([-4096, *[0] * 6, 8192], MARGIN))
    assert state.log_e == pytest.approx(math.log(np.mean(wealth)), rel=1e-10)


def test_right_and_wrong_answers_are_a_special_case() -> None:
    counts = np.random.default_rng(1).multinomial(8, [0.03, 0.02, 0.95, 0], size=100)
    bet = flip.FLIP_1
    ours = START.after(gains(as_units(counts), MARGIN, bet))
    theirs = START.after(flip.gains(counts, MARGIN, bet))
    assert ours.log_e == pytest.approx(theirs.log_e, abs=1e-9)
    blamed = HARM_START.after(harm_gains(as_units(counts), MARGIN))
    n10, n01, n0 = (int(n) for n in counts.sum(0)[:3])
    assert blamed.log_e == pytest.approx(float(harm.log_harm(n10, n01, n0, MARGIN + UNIT)), abs=1e-9)


@given(runs, st.floats(1e-6, 0.999), st.floats(1e-4, 0.999))
def test_wealth_is_always_a_number_and_recomputes_from_the_record(units: list[int], margin: float, v0: float) -> None:
    bet = flip.FlipBet(v0=v0)
    path, blame = gains(units, margin, bet).path(), harm_gains(units, margin).path()
    assert np.isfinite(path).all()
    assert np.isfinite(blame).all()
    assert START.after(gains(units, margin, bet)).log_e == path[-1]
    assert HARM_START.after(harm_gains(units, margin)).log_e == blame[-1]


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ([0, SCALE + 1], "between -16384 and 16384 units, got 16385"),
        ([0, -SCALE - 1], "between -16384 and 16384 units, got -16385"),
        ([0.5, 0], "whole units"),
        ([math.nan, 0], "whole units"),
        ([EQUAL], r"one run has batches in one row.*\(1, 1, "),
    ],
)
def test_a_broken_record_is_refused(units: list[float], message: str) -> None:
    for judge in (lambda: START.after(gains(units, MARGIN)), lambda: HARM_START.after(harm_gains(units, MARGIN))):
        with pytest.raises(ValueError, match=message):
            judge()


def as_units(counts: np.ndarray) -> np.ndarray:
    """Batches of right/wrong answers, (k, 4) counts, as bounded losses of -1, 0 and 1, item by item."""
    return np.repeat(np.tile([SCALE, -SCALE, 0, 0], len(counts)), counts.ravel())


def test_what_is_reported_of_right_and_wrong_answers_is_what_flips_report() -> None:
    counts = np.random.default_rng(3).multinomial(8, [0.03, 0.02, 0.95, 0], size=200)
    low, high = reported_interval(counts, ALPHA)
    assert interval(as_units(counts), ALPHA) == pytest.approx((low - UNIT, high), abs=1e-6)
    assert proven_margin(as_units(counts), flip.FLIP_1, ALPHA) == proven_of_flips(counts, flip.FLIP_1, ALPHA)


def test_the_proven_margin_is_the_smallest_that_latches() -> None:
    units = to_units(0.03 * np.random.default_rng(4).uniform(-1, 1, 600))
    proven = proven_margin(units, BOUNDED_1, ALPHA)
    assert proven is not None
    assert START.after(gains(units, proven)).latched
    assert not START.after(gains(units, float(MARGIN_GRID[proven > MARGIN_GRID][-1]))).latched
    assert proven_margin([SCALE] * 400, BOUNDED_1, ALPHA) is None


@pytest.mark.whole
def test_the_interval_seldom_misses_the_truth_and_narrows() -> None:
    draw, missed = np.random.default_rng(5), 0
    for _ in range(300):
        low, high = interval(to_units(0.05 + 0.3 * draw.uniform(-1, 1, 200)), 0.1)
        missed += not low <= 0.05 <= high
        assert high - low < 0.25
    assert missed <= 30 + 3 * math.sqrt(27)


def test_nothing_recorded_leaves_everything_open() -> None:
    assert (interval([], ALPHA), proven_margin([], BOUNDED_1, ALPHA)) == ((-1, 1), None)
    with pytest.raises(ValueError, match="alpha must lie strictly between 0 and 1"):
        interval([], 1.0)


def at_the_margin(paths: int, items: int, units: int, spread: int) -> np.ndarray:
    """Losses like a Brier score's: mostly tiny, one in ten up to `spread` units, with a mean of exactly `units`."""
    draw = np.random.default_rng(8)
    size = np.where(draw.random((paths, items)) < 0.1, spread, 200)
    return units + draw.integers(-size, size, endpoint=True)


@pytest.mark.parametrize(("units", "spread", "items"), [(80, 6400, 4000), (320, 8192, 2000)])
@pytest.mark.whole
def test_at_the_boundary_false_passes_stay_within_alpha(units: int, spread: int, items: int) -> None:
    paths = 2000
    wealth = gains(at_the_margin(paths, items, units, spread), units * UNIT).path()
    passed = (wealth >= pass_threshold(ALPHA)).any(-1).mean()
    assert passed <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / paths)
    assert passed > ALPHA / 3, "a rule that hardly ever errs at the boundary wastes items"


def test_at_the_boundary_false_alarms_stay_within_alpha() -> None:
    # The unluckiest rounding: true losses just above a unit, recorded one higher.
    paths, margin = 2000, 320 * UNIT
    runs = np.split(at_the_margin(paths, 800, 321, 8192), 20)
    alarmed = np.mean([(harm_gains(part, margin).path() >= harm_threshold(1)).any(-1) for part in runs])
    assert 0 < alarmed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / paths)


def test_equal_models_pass_and_a_broken_one_is_caught() -> None:
    draw = np.random.default_rng(9)
    equal = to_units(np.clip(0.02 * draw.standard_normal((200, 1200)), -1, 1))
    assert (gains(equal, MARGIN).path() >= pass_threshold(ALPHA)).any(-1).mean() > 0.95
    broken = to_units(np.clip(0.05 + 0.1 * draw.standard_normal((200, 1200)), -1, 1))
    assert (harm_gains(broken, MARGIN).path() >= harm_threshold(1)).any(-1).mean() > 0.95


def test_the_default_bet_fits_squared_scores() -> None:
    assert (BOUNDED_1.v0, BOUNDED_1.batch) == (0.001, 8)
