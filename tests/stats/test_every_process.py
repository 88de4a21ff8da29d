"""What holds of every process that is counted batch by batch, for a claim or against it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate.stats import bounded, flip, harm, locked, rate
from paritygate.stats.wealth import Gains, Wealth, pass_threshold

MARGIN, BATCH, POPULATION = 0.01, 8, 150
START = Wealth(pass_threshold(0.05))
Record = np.ndarray


def counts(runs: np.ndarray, kinds: int = 4) -> Record:
    """Batches (..., k, kinds) of runs of items (..., n), each item the number of its kind."""
    cuts = range(BATCH, runs.shape[-1], BATCH)
    cut = [(part[..., None] == np.arange(kinds)).sum(-2) for part in np.split(runs, cuts, -1) if part.size]
    return np.stack(cut, -2) if cut else np.zeros((0, kinds), np.int64)


def hits(runs: np.ndarray) -> Record:
    return counts(np.minimum(runs, 1), 2)


def units(runs: np.ndarray) -> Record:
    return np.array([bounded.SCALE, -5000, 0, 77])[runs]


@dataclass(frozen=True)
class Rule:
    record: Callable[[np.ndarray], Record]
    gains: Callable[[Record, float, Wealth | None], Gains]
    against: bool = False

    def advance(self, state: Wealth, record: Record, margin: float) -> Wealth:
        return state.after(self.gains(record, margin, state))

    def path(self, record: Record, margin: float) -> np.ndarray:
        return self.gains(record, margin, None).path()


RULES = {
    "flips": Rule(counts, lambda run, margin, state: flip.gains(run, margin, state=state)),
    "flips, harm": Rule(counts, lambda run, margin, state: harm.gains(run, margin), against=True),
    "rate": Rule(hits, lambda run, limit, state: rate.gains(run, limit, state=state)),
    "losses": Rule(units, lambda run, margin, state: bounded.gains(run, margin, state=state)),
    "losses, harm": Rule(units, lambda run, margin, state: bounded.harm_gains(run, margin, state=state), against=True),
    "locked set": Rule(counts, lambda run, margin, state: locked.gains(run, POPULATION, margin, state=state)),
    "locked set, harm": Rule(
        counts, lambda run, margin, state: locked.harm_gains(run, POPULATION, margin, state=state), against=True
    ),
}
every = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
items = st.lists(st.integers(0, 3), min_size=1, max_size=POPULATION).map(np.array)
places = st.lists(st.integers(0, 20), max_size=5)
margins = st.floats(1e-6, 0.999)
some = settings(max_examples=25)  # of each rule


@every
@some
@given(run=items, cuts=places, margin=margins)
def test_cutting_a_run_into_pieces_changes_no_bit(rule: Rule, run: np.ndarray, cuts: list[int], margin: float) -> None:
    state = START
    for piece in np.split(run, sorted(BATCH * min(cut, run.size // BATCH) for cut in cuts)):
        state = rule.advance(state, rule.record(piece), margin)
    assert state == rule.advance(START, rule.record(run), margin)


@every
@some
@given(run=items, margin=margins)
def test_the_path_ends_where_the_run_does(rule: Rule, run: np.ndarray, margin: float) -> None:
    path, state = rule.path(rule.record(run), margin), rule.advance(START, rule.record(run), margin)
    assert not np.isnan(path).any()
    assert (state.log_e, state.items) == (pytest.approx(path[-1], rel=1e-12, abs=1e-12), run.size)
    assert state.sup_log_e == pytest.approx(max(0, path.max()), rel=1e-12, abs=1e-12)


@every
@some
@given(run=items, data=st.data())
def test_the_order_within_a_batch_changes_nothing(rule: Rule, run: np.ndarray, data: st.DataObject) -> None:
    parts = [data.draw(st.permutations(run[at : at + BATCH].tolist())) for at in range(0, run.size, BATCH)]
    shuffled = np.concatenate(parts)
    assert rule.advance(START, rule.record(shuffled), MARGIN) == rule.advance(START, rule.record(run), MARGIN)


@every
@some
@given(run=items, data=st.data())
def test_a_later_outcome_changes_no_earlier_wealth(rule: Rule, run: np.ndarray, data: st.DataObject) -> None:
    at, changed = data.draw(st.integers(0, run.size - 1)), run.copy()
    changed[at] = data.draw(st.integers(0, 3))
    before, after = (rule.path(rule.record(each), MARGIN)[: at // BATCH] for each in (run, changed))
    assert (before == after).all()


@every
@some
@given(run=items, at=st.integers(0, 10**6))
def test_a_lost_item_never_helps_the_candidate_within_its_batch(rule: Rule, run: np.ndarray, at: int) -> None:
    at %= run.size
    worse = run.copy()
    worse[at] = 0
    ours, theirs = (rule.path(rule.record(each), MARGIN)[at // BATCH] for each in (run, worse))
    assert (theirs >= ours - 1e-12) if rule.against else (theirs <= ours + 1e-12)


@every
def test_many_runs_are_judged_at_once(rule: Rule) -> None:
    runs = np.random.default_rng(1).integers(0, 4, (5, POPULATION))
    together = rule.path(rule.record(runs), MARGIN)
    assert (together == [rule.path(rule.record(run), MARGIN) for run in runs]).all()


@every
def test_nothing_judged_is_no_evidence(rule: Rule) -> None:
    assert rule.advance(START, [], MARGIN) == START
    assert rule.path([], MARGIN).size == 0


@every
@some
@given(margin=st.floats(0.001, 0.05), alpha=st.sampled_from([0.1, 0.05, 0.01, 0.001]))
def test_ten_clean_items_prove_nothing(rule: Rule, margin: float, alpha: float) -> None:
    assert not rule.advance(Wealth(pass_threshold(alpha)), rule.record(np.full(10, 2)), margin).latched


@every
@pytest.mark.parametrize("margin", [math.nan, -0.01, 0.0, 1.0, math.inf])
def test_an_impossible_margin_is_refused(rule: Rule, margin: float) -> None:
    run = rule.record(np.full(BATCH, 2))
    for judge in (lambda: rule.advance(START, run, margin), lambda: rule.path(run, margin)):
        with pytest.raises(ValueError, match=f"(margin|limit) must lie strictly between 0 and 1, got {margin}"):
            judge()


@every
def test_two_runs_are_no_run(rule: Rule) -> None:
    with pytest.raises(ValueError, match="one run has"):
        rule.advance(START, rule.record(np.full((2, BATCH), 2)), MARGIN)


@pytest.mark.parametrize("name", sorted(RULES.keys() - {"flips, harm"}))
def test_what_was_gained_after_another_run_is_refused(name: str) -> None:
    rule = RULES[name]
    begun = rule.advance(START, rule.record(np.full(BATCH, 2)), MARGIN)
    with pytest.raises(ValueError, match="these gains come after 0 items, the process has counted 8"):
        begun.after(rule.gains(rule.record(np.full(BATCH, 2)), MARGIN, None))


@pytest.mark.parametrize("name", sorted(RULES.keys() - {"flips, harm"}))
def test_nothing_comes_after_a_short_batch(name: str) -> None:
    rule = RULES[name]
    ended = rule.advance(START, rule.record(np.full(11, 2)), MARGIN)
    with pytest.raises(ValueError, match="already ended with a short batch: 11 items"):
        rule.advance(ended, rule.record(np.full(BATCH, 2)), MARGIN)


@pytest.mark.parametrize("name", ["flips", "rate", "locked set", "locked set, harm"])
@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([[-1, 9]], "negative count: -1"),
        ([[7, 0], [8, 0]], "every batch but the last must hold 8 items, got 7"),
        ([[9, 0]], "the last batch must hold 1 to 8 items, got 9"),
        ([[0, 0]], "the last batch must hold 1 to 8 items, got 0"),
        ([[8, 0, 0, 0, 0]], r"[24] counts each"),
        ([[0.5, 7.5]], "whole counts"),
        ([[math.nan, 8]], "whole counts"),
    ],
)
def test_a_broken_record_is_refused(name: str, batches: list[list[float]], message: str) -> None:
    kinds = 2 if name == "rate" else 4
    table = np.array(batches)
    missing = np.zeros((len(table), max(0, kinds - table.shape[1])), table.dtype)
    with pytest.raises(ValueError, match=message):
        RULES[name].advance(START, np.concatenate((table, missing), 1), MARGIN)
