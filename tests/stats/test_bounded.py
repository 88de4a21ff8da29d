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
    BoundedHarmState,
    BoundedState,
    advance,
    advance_harm,
    count_batches,
    estimate,
    interval,
    log_harm_path,
    log_wealth_path,
    proven_margin,
    to_units,
)
from paritygate.stats.interval import MARGIN_GRID, reported_interval
from paritygate.stats.interval import proven_margin as proven_of_flips
from paritygate.stats.wealth import harm_threshold, pass_threshold

ALPHA, MARGIN = 0.05, 0.01
START = BoundedState(pass_threshold(ALPHA))
HARM_START = BoundedHarmState(harm_threshold(1))
EQUAL = [[0, 8]]
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


def test_batches_are_counted_by_value() -> None:
    units = [5, 0, -3, 0, 5, 0, 0, 0, 7, 0]
    assert count_batches(units) == [[[-3, 1], [0, 5], [5, 2]], [[0, 1], [7, 1]]]
    assert count_batches([]) == []


def test_two_batches_by_hand() -> None:
    # First bet: v = 0.001, h = 0.0008, lambda = 0.02/(h + sqrt(h^2 + 0.0004 * 0.9999)) = 0.96084797.
    # Then v = (0.5^2 + 0.25^2 + 200 * 0.001)/208 = 0.00246394; h = 0.00226394, lambda = 0.89310826.
    batches = [[[-4096, 1], [0, 6], [8192, 1]], EQUAL]
    h1, h2 = 0.001 - 0.0002, (0.3125 + 0.2) / 208 - 0.0002
    bets = [0.02 / (h + math.sqrt(h * h + 0.0004 * 0.9999)) for h in (h1, h2)]
    first = math.log(1 + bets[0] * 0.26) + 6 * math.log(1 + bets[0] * 0.01) + math.log(1 - bets[0] * 0.49)
    state = advance(START, batches, MARGIN)
    assert state.log_e == pytest.approx(first + 8 * math.log(1 + bets[1] * 0.01), rel=1e-12)
    assert (state.items, state.squares) == (16, 8192**2 + 4096**2)


def test_harm_by_hand_is_bet_above_what_rounding_could_add() -> None:
    bar = MARGIN + 1 / 16384
    stakes = np.geomspace(0.02, 0.999, 24) / (1 + bar)
    wealth = [(1 + s * (0.5 - bar)) * (1 - s * bar) ** 6 * (1 + s * (-0.25 - bar)) for s in stakes]
    state = advance_harm(HARM_START, [[[-4096, 1], [0, 6], [8192, 1]]], MARGIN)
    assert state.log_e == pytest.approx(math.log(np.mean(wealth)), rel=1e-10)


def test_right_and_wrong_answers_are_a_special_case() -> None:
    counts = np.random.default_rng(1).multinomial(8, [0.03, 0.02, 0.95, 0], size=100)
    batches = [[[u, int(n)] for u, n in ((SCALE, a), (-SCALE, b), (0, c)) if n] for a, b, c, _ in counts]
    bet = flip.FLIP_1
    ours = advance(START, batches, MARGIN, bet)
    theirs = flip.advance(flip.FlipState(START.threshold), counts, MARGIN, bet)
    assert ours.log_e == pytest.approx(theirs.log_e, abs=1e-9)
    blamed = advance_harm(HARM_START, batches, MARGIN)
    n10, n01, n0 = (int(n) for n in counts.sum(0)[:3])
    assert blamed.log_e == pytest.approx(float(harm.log_harm(n10, n01, n0, MARGIN + UNIT)), abs=1e-9)


@given(runs, st.randoms(use_true_random=False))
def test_the_order_within_a_batch_changes_nothing(units: list[int], random: object) -> None:
    shuffled = []
    for i in range(0, len(units), 8):
        batch = units[i : i + 8]
        random.shuffle(batch)  # type: ignore[attr-defined]
        shuffled += batch
    assert count_batches(units) == count_batches(shuffled)
    assert (log_wealth_path(units, MARGIN) == log_wealth_path(shuffled, MARGIN)).all()
    backwards = [part[::-1] for part in count_batches(units)]
    assert advance(START, backwards, MARGIN) == advance(START, count_batches(units), MARGIN)
    assert advance_harm(HARM_START, backwards, MARGIN) == advance_harm(HARM_START, count_batches(units), MARGIN)


@given(runs, st.lists(st.integers(0, 30), max_size=5))
def test_cutting_a_run_into_pieces_changes_no_bit(units: list[int], cuts: list[int]) -> None:
    batches = count_batches(units)
    state, blamed, at = START, HARM_START, 0
    for cut in [*sorted(min(c, len(batches)) for c in cuts), len(batches)]:
        state = advance(state, batches[at:cut], MARGIN)
        blamed = advance_harm(blamed, batches[at:cut], MARGIN)
        at = cut
    assert state == advance(START, batches, MARGIN)
    assert blamed == advance_harm(HARM_START, batches, MARGIN)


@given(runs, st.data())
def test_a_later_outcome_never_changes_an_earlier_bet(units: list[int], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(units) - 1))
    changed = [*units[:at], data.draw(st.integers(-SCALE, SCALE)), *units[at + 1 :]]
    wealth = [log_wealth_path(run, MARGIN)[: at // 8] for run in (units, changed)]
    assert (wealth[0] == wealth[1]).all()


@given(runs, st.floats(1e-6, 0.999), st.floats(1e-4, 0.999))
def test_wealth_is_always_a_number_and_recomputes_from_the_record(units: list[int], margin: float, v0: float) -> None:
    bet = flip.FlipBet(v0=v0)
    path, blame = log_wealth_path(units, margin, bet), log_harm_path(units, margin)
    assert np.isfinite(path).all()
    assert np.isfinite(blame).all()
    batches = count_batches(units)
    assert advance(START, batches, margin, bet).log_e == path[-1]
    assert advance_harm(HARM_START, batches, margin).log_e == pytest.approx(blame[-1], abs=1e-9)


@given(runs, st.integers(0, 199), st.integers(1, 2 * SCALE))
def test_a_worse_item_never_helps_within_its_batch(units: list[int], at: int, worse: int) -> None:
    at %= len(units)
    changed = [*units[:at], min(SCALE, units[at] + worse), *units[at + 1 :]]
    k = at // 8
    assert log_wealth_path(changed, MARGIN)[k] <= log_wealth_path(units, MARGIN)[k] + 1e-12
    assert log_harm_path(changed, MARGIN)[k] >= log_harm_path(units, MARGIN)[k] - 1e-12


@given(st.integers(1, 10), st.floats(0.001, 0.05), st.sampled_from([0.1, 0.05, 0.01]))
def test_ten_equal_items_never_pass(items: int, margin: float, alpha: float) -> None:
    assert not advance(BoundedState(pass_threshold(alpha)), count_batches([0] * items), margin).latched


def test_many_paths_are_judged_at_once() -> None:
    units = np.random.default_rng(2).integers(-4800, 4800, size=(5, 83))
    assert (log_wealth_path(units, MARGIN) == [log_wealth_path(run, MARGIN) for run in units]).all()
    assert (log_harm_path(units, MARGIN) == [log_harm_path(run, MARGIN) for run in units]).all()


def test_nothing_judged_is_no_evidence() -> None:
    assert advance(START, [], MARGIN) == START
    assert advance_harm(HARM_START, [], MARGIN) == HARM_START
    assert log_wealth_path([], MARGIN).size == log_harm_path([], MARGIN).size == 0


@pytest.mark.parametrize("margin", [math.nan, -0.01, 0.0, 1.0, math.inf])
def test_an_impossible_margin_is_refused(margin: float) -> None:
    for judge in (
        lambda: advance(START, [EQUAL], margin),
        lambda: advance_harm(HARM_START, [EQUAL], margin),
        lambda: log_wealth_path([0], margin),
        lambda: log_harm_path([0], margin),
    ):
        with pytest.raises(ValueError, match=f"margin must lie strictly between 0 and 1, got {margin}"):
            judge()


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([[[0, 7]], EQUAL], "every batch but the last must hold 8 items, got 7"),
        ([[[0, 9]]], "the last batch must hold 1 to 8 items, got 9"),
        ([[]], r"list of \[units, count\]"),
        ([[0, 8]], r"list of \[units, count\]"),
        ([[[0, 9], [1, -1]]], "a count must be at least 1, got -1"),
        ([[[0, 7], [0, 1]]], "counts one value twice"),
        ([[[SCALE + 1, 8]]], "between -16384 and 16384 units, got 16385"),
        ([[[0.5, 8]]], "whole units"),
        ([[[math.nan, 8]]], "whole units"),
    ],
)
def test_a_broken_record_is_refused(batches: list[list[list[int]]], message: str) -> None:
    for judge in (lambda: advance(START, batches, MARGIN), lambda: advance_harm(HARM_START, batches, MARGIN)):
        with pytest.raises(ValueError, match=message):
            judge()


def test_one_run_is_counted_at_a_time() -> None:
    with pytest.raises(ValueError, match=r"shape \(n,\), got \(1, 2\)"):
        count_batches([[0, 1]])


def test_nothing_comes_after_a_short_batch() -> None:
    ended = advance(START, [EQUAL, [[0, 3]]], MARGIN)
    with pytest.raises(ValueError, match="already ended with a short batch: 11 items"):
        advance(ended, [EQUAL], MARGIN)


def recorded(counts: np.ndarray) -> list[list[list[int]]]:
    """Batches of right/wrong answers, (k, 4) counts, as bounded losses of -1, 0 and 1."""
    kinds = ((SCALE, 0), (-SCALE, 1), (0, 2))
    return [[[units, int(n[kind])] for units, kind in kinds if n[kind]] for n in counts]


def test_what_is_reported_of_right_and_wrong_answers_is_what_flips_report() -> None:
    counts = np.random.default_rng(3).multinomial(8, [0.03, 0.02, 0.95, 0], size=200)
    low, high = reported_interval(counts, ALPHA)
    assert interval(recorded(counts), ALPHA) == pytest.approx((low - UNIT, high), abs=1e-6)
    assert proven_margin(recorded(counts), flip.FLIP_1, ALPHA) == proven_of_flips(counts, flip.FLIP_1, ALPHA)
    assert estimate(recorded(counts)) == (counts[:, 0].sum() - counts[:, 1].sum()) / counts.sum()


def test_the_proven_margin_is_the_smallest_that_latches() -> None:
    batches = count_batches(to_units(0.03 * np.random.default_rng(4).uniform(-1, 1, 600)))
    proven = proven_margin(batches, BOUNDED_1, ALPHA)
    assert proven is not None
    assert advance(START, batches, proven).latched
    assert not advance(START, batches, float(MARGIN_GRID[proven > MARGIN_GRID][-1])).latched
    assert proven_margin([[[SCALE, 8]]] * 50, BOUNDED_1, ALPHA) is None


def test_the_interval_seldom_misses_the_truth_and_narrows() -> None:
    draw, missed = np.random.default_rng(5), 0
    for _ in range(300):
        batches = count_batches(to_units(0.05 + 0.3 * draw.uniform(-1, 1, 200)))
        low, high = interval(batches, 0.1)
        missed += not low <= 0.05 <= high
        assert high - low < 0.25
    assert missed <= 30 + 3 * math.sqrt(27)


def test_nothing_recorded_leaves_everything_open() -> None:
    assert (interval([], ALPHA), estimate([]), proven_margin([], BOUNDED_1, ALPHA)) == ((-1, 1), None, None)
    with pytest.raises(ValueError, match="alpha must lie strictly between 0 and 1"):
        interval([], 1.0)


def at_the_margin(paths: int, items: int, units: int, spread: int) -> np.ndarray:
    """Losses like a Brier score's: mostly tiny, one in ten up to `spread` units, with a mean of exactly `units`."""
    draw = np.random.default_rng(8)
    size = np.where(draw.random((paths, items)) < 0.1, spread, 200)
    return units + draw.integers(-size, size, endpoint=True)


@pytest.mark.parametrize(("units", "spread", "items"), [(80, 6400, 4000), (320, 8192, 2000)])
def test_at_the_boundary_false_passes_stay_within_alpha(units: int, spread: int, items: int) -> None:
    paths = 2000
    wealth = log_wealth_path(at_the_margin(paths, items, units, spread), units * UNIT)
    passed = (wealth >= pass_threshold(ALPHA)).any(-1).mean()
    assert passed <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / paths)
    assert passed > ALPHA / 3, "a rule that hardly ever errs at the boundary wastes items"


def test_at_the_boundary_false_alarms_stay_within_alpha() -> None:
    # The unluckiest rounding: true losses just above a unit, recorded one higher.
    paths, margin = 2000, 320 * UNIT
    runs = np.split(at_the_margin(paths, 800, 321, 8192), 20)
    alarmed = np.mean([(log_harm_path(part, margin) >= harm_threshold(1)).any(-1) for part in runs])
    assert 0 < alarmed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / paths)


def test_equal_models_pass_and_a_broken_one_is_caught() -> None:
    draw = np.random.default_rng(9)
    equal = to_units(np.clip(0.02 * draw.standard_normal((200, 1200)), -1, 1))
    assert (log_wealth_path(equal, MARGIN) >= pass_threshold(ALPHA)).any(-1).mean() > 0.95
    broken = to_units(np.clip(0.05 + 0.1 * draw.standard_normal((200, 1200)), -1, 1))
    assert (log_harm_path(broken, MARGIN) >= harm_threshold(1)).any(-1).mean() > 0.95


def test_the_default_bet_fits_squared_scores() -> None:
    assert (BOUNDED_1.v0, BOUNDED_1.batch) == (0.001, 8)
