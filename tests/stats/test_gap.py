import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate.stats.flip import FlipBet
from paritygate.stats.gap import (
    GAP_1,
    GapState,
    advance,
    interval,
    log_e_path,
    proven_margin,
    start,
)
from paritygate.stats.wealth import harm_threshold, pass_threshold

ALPHA, MARGIN = 0.05, 0.03
BET = FlipBet(v0=0.06, batch=64)
PASS, HARM = start(pass_threshold(ALPHA)), start(harm_threshold(2), harm=True)
EQUAL = [4, 0, 8, 4, 0, 4, 12, 0]


def kinds(baseline: float, candidate: float, flips: float) -> np.ndarray:
    """Chances of n10, n01, n11 and n00 for a group with these accuracies."""
    lost, won = (flips + baseline - candidate) / 2, (flips - baseline + candidate) / 2
    return np.array([lost, won, baseline - lost, 1 - baseline - won])


def drawn(g: np.ndarray, h: np.ndarray, runs: int, batches: int, share: float = 0.5, batch: int = 64) -> np.ndarray:
    shares = np.concatenate((share * g, (1 - share) * h))
    return np.random.default_rng(40).multinomial(batch, shares, (runs, batches))


def means(kinds: np.ndarray) -> tuple[float, float]:
    """(E d, E s) of a group."""
    return float(kinds[0] - kinds[1]), float(kinds[2] - kinds[3])


def proved(batches: np.ndarray, g: np.ndarray, h: np.ndarray, harm: bool = False) -> float:
    """Share of runs; a pass needs both signs, each at a time of its own, harm one."""
    threshold = harm_threshold(1) + math.log(2) if harm else pass_threshold(ALPHA)

    def latched(runs: np.ndarray, **bound: object) -> np.ndarray:
        signs = (log_e_path(runs, MARGIN, BET, harm=harm, **bound) >= threshold).any(1)
        return signs.any(1) if harm else signs.all(1)

    # Wealth at the true means is no less than the evidence: only where that suffices the whole is worked out.
    near = np.flatnonzero(latched(batches, means=(means(g), means(h))))
    return sum(int(latched(batches[[run]]).sum()) for run in near) / len(batches)


a_batch = st.lists(st.integers(0, 7), min_size=32, max_size=32).map(lambda kind: np.bincount(kind, minlength=8))
a_run = st.lists(a_batch, min_size=1, max_size=12).map(np.array)
both_sides = pytest.mark.parametrize("begun", [PASS, HARM], ids=["pass", "harm"])


@both_sides
@settings(deadline=None, max_examples=40)
@given(batches=a_run, cuts=st.lists(st.integers(0, 12), max_size=3))
def test_cutting_a_run_into_pieces_changes_no_bit(begun: GapState, batches: np.ndarray, cuts: list[int]) -> None:
    state, at = begun, 0
    for cut in [*sorted(min(c, len(batches)) for c in cuts), len(batches)]:
        state, at = advance(state, batches[at:cut], MARGIN), cut
    assert state == advance(begun, batches, MARGIN)
    assert state.items == batches.sum()
    path = log_e_path(batches, MARGIN, harm=begun.harm)[-1]
    assert [sign.log_e for sign in state.signs] == pytest.approx(path.tolist(), abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(a_run, st.data())
def test_a_batch_never_changes_what_was_gained_before_it(batches: np.ndarray, data: st.DataObject) -> None:
    at, other = data.draw(st.integers(0, len(batches) - 1)), data.draw(a_batch)
    changed = np.concatenate((batches[:at], other[None], batches[at + 1 :]))
    assert (log_e_path(batches, MARGIN)[:at] == log_e_path(changed, MARGIN)[:at]).all()


@settings(deadline=None, max_examples=40)
@given(a_run)
def test_the_groups_have_no_names(batches: np.ndarray) -> None:
    renamed = np.roll(batches, 4, axis=1)
    for begun in (PASS, HARM):
        ours, theirs = advance(begun, batches, MARGIN), advance(begun, renamed, MARGIN)
        assert ours.log_e == pytest.approx(theirs.log_e, abs=1e-9)
        assert ours.signs[0].log_e == pytest.approx(theirs.signs[1].log_e, abs=1e-9)
    assert interval(batches, ALPHA) == pytest.approx(interval(renamed, ALPHA))


def cells(values: tuple[int, ...], bound: float) -> list[tuple[float, float]]:
    """The cells of guesses: near 0 finer, for losses; alike, for sums."""
    last, half = min(1.0, 1 - bound), [0.0]
    while half[-1] < 1:
        half.append(min(1.0, half[-1] + max(MARGIN / 6, half[-1] / 8)))
    edges = [edge for edge in sorted({*half, *(-edge for edge in half)}) if edge < last] + [last]
    if values[0] == 0:
        edges = [-1 + (last + 1) * cell / 100 for cell in range(101)]
    return list(itertools.pairwise(edges))


def plainly(run: list[list[list[int]]], values: tuple[int, ...], first: int, bound: float) -> float:
    """Log wealth of a learning bet against `E first - E second >= bound`, at the worst guess, item by item."""
    wealth = []
    for low, high in cells(values, bound):
        ends, seen = [0.0, 0.0], [[0, 0, 0], [0, 0, 0]]  # items, sum and sum of squares of g and of h
        for batch in run:
            mean, stakes = sum(group[1] for group in seen) / (sum(group[0] for group in seen) + 200), {}
            for group, (items, total, squares) in enumerate(seen):
                v = (squares - 2 * mean * total + items * mean**2 + 200 * BET.v0) / (items + 200)
                far = (low + high) / 2 + bound - mean if group == first else mean - (low + high) / 2
                m, worst = min(far, 0.99), 1 - low - bound if group == first else 1 + high
                h = v - 2 * m * m
                root = math.sqrt(h * h + 4 * m * m * (1 - m * m))
                best = 0.0 if m <= 0 else 2 * m / (h + root) if h > 0 else (root - h) / (2 * m * (1 - m * m))
                stakes[group] = min(best, 0.999 / max(worst, 1e-9))
            for group, counts in enumerate(batch):
                for x, count in zip(values, counts, strict=True):
                    seen[group] = [a + count * b for a, b in zip(seen[group], (1, x, x * x), strict=True)]
                    for end, pi in enumerate((low, high)):
                        excess = pi + bound - x if group == first else x - pi
                        ends[end] += count * math.log(1 + stakes[group] * excess)
        wealth += ends
    return min(wealth)


def mixed(run: list[list[list[int]]], values: tuple[int, ...], first: int, bound: float) -> float:
    """Log wealth of the mixture of fixed stakes at the worst guess."""
    stakes = [(one, one * k) for one in (0.03, 0.06, 0.12, 0.25, 0.45) for k in (0.6, 1, 1.6)]
    stakes += [(0.1, 0), (0, 0.1), (0.3, 0), (0, 0.3)]
    guesses = sorted({end for cell in cells(values, bound) for end in cell})
    safe = [
        (a, b)
        for a, b in stakes
        if min(min(1 + a * (pi + bound - x), 1 + b * (x - pi)) for pi in guesses for x in values) > 1e-6
    ]
    totals = np.array(run).sum(0)

    def wealth(a: float, b: float, pi: float) -> float:
        of_first = sum(n * math.log(1 + a * (pi + bound - x)) for x, n in zip(values, totals[first], strict=True))
        return of_first + sum(n * math.log(1 + b * (x - pi)) for x, n in zip(values, totals[1 - first], strict=True))

    return min(
        math.log(sum(math.exp(min(wealth(a, b, low), wealth(a, b, high))) for a, b in safe) / len(safe))
        for low, high in cells(values, bound)
    )


@pytest.mark.parametrize("harm", [False, True], ids=["pass", "harm"])
def test_the_evidence_is_the_smallest_wealth_over_all_guesses(harm: bool) -> None:
    flat = drawn(kinds(0.9, 0.9, 0.1), kinds(0.9, 0.8, 0.14), 1, 4)[0]
    run = flat.reshape(-1, 2, 4).tolist()
    losses, sums = (1, -1, 0, 0), (0, 0, 1, -1)
    bound, expected = -MARGIN if harm else MARGIN, []
    for ahead in (0, 1):  # c - b = E_h d - E_g d and c + b = E_g s - E_h s if g is ahead
        of_losses = (mixed if harm else plainly)(run, losses, ahead if harm else 1 - ahead, bound)
        parts = of_losses, mixed(run, sums, 1 - ahead if harm else ahead, bound)
        expected.append(min(parts) if harm else math.log(0.9 * math.exp(parts[0]) + 0.1 * math.exp(parts[1])))
    assert log_e_path(flat, MARGIN, BET, harm=harm)[-1] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_equal_candidates_pass_and_are_never_blamed(share: float) -> None:
    g, h = kinds(0.9, 0.9, 0.03), kinds(0.8, 0.8, 0.03)
    runs = drawn(g, h, 40, 100, share)
    assert proved(runs, g, h) > 0.8
    assert proved(runs, g, h, harm=True) == 0


def test_a_candidate_that_helps_the_group_behind_passes_and_is_never_blamed() -> None:
    g, h = kinds(0.9, 0.9, 0.03), kinds(0.8, 0.86, 0.1)
    runs = drawn(g, h, 40, 75)
    assert proved(runs, g, h) > 0.8
    assert proved(runs, g, h, harm=True) == 0


@pytest.mark.parametrize(
    ("before", "after", "batches"), [(0.9, 0.75, 40), (0.85, 0.77, 40), (0.8, 0.72, 30), (0.9, 0.82, 220)]
)
@pytest.mark.whole
def test_harm_is_seen_though_the_groups_were_equal_before(before: float, after: float, batches: int) -> None:
    g, h = kinds(0.9, 0.9, 0.03), kinds(before, after, before - after + 0.02)
    assert proved(drawn(g, h, 24, batches), g, h, harm=True) > 0.7


def test_a_candidate_that_harms_the_group_behind_is_blamed() -> None:
    g, h = kinds(0.9, 0.9, 0.03), kinds(0.8, 0.7, 0.12)
    runs = drawn(g, h, 40, 64)
    assert proved(runs, g, h, harm=True) > 0.9
    assert proved(runs, g, h) == 0


AT_THE_BOUNDARY = [
    ("a group loses the margin", kinds(0.9, 0.9, 0.05), kinds(0.9, 0.87, 0.05)),
    ("both lose, the one behind more", kinds(0.9, 0.87, 0.05), kinds(0.8, 0.74, 0.1)),
    ("the other group falls behind", kinds(0.89, 0.9, 0.05), kinds(0.9, 0.86, 0.06)),
]


@pytest.mark.parametrize(("g", "h"), [row[1:] for row in AT_THE_BOUNDARY], ids=[row[0] for row in AT_THE_BOUNDARY])
@pytest.mark.whole
def test_at_the_boundary_neither_side_errs_beyond_alpha(g: np.ndarray, h: np.ndarray) -> None:
    runs = drawn(g, h, 2000, 60)
    allowed = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / len(runs))
    assert proved(runs, g, h) <= allowed
    assert proved(runs, g, h, harm=True) <= allowed


@settings(deadline=None, max_examples=30)
@given(a_run, st.booleans())
def test_wealth_at_any_means_is_no_less_than_the_evidence(batches: np.ndarray, harm: bool) -> None:
    evidence = log_e_path(batches, MARGIN, harm=harm)
    for guess in ((0.0, 0.8), (0.31, -0.2), (-1.0, 1.0)):
        assert (log_e_path(batches, MARGIN, harm=harm, means=(guess, guess)) >= evidence - 1e-12).all()


def test_it_takes_far_fewer_items_than_two_intervals() -> None:
    run = drawn(kinds(0.9, 0.9, 0.03), kinds(0.9, 0.9, 0.03), 1, 400, batch=32)[0]
    at = advance(PASS, run, MARGIN, FlipBet(v0=0.03, batch=32)).latched_at
    assert at is not None
    low, high = interval(run[: 2 * at // 32], ALPHA)
    assert max(-low, high) > MARGIN


def test_what_is_reported() -> None:
    run = drawn(kinds(0.9, 0.9, 0.03), kinds(0.85, 0.8, 0.09), 1, 375, batch=32)[0]
    low, high = interval(run, ALPHA)
    assert low < 0.05 < high
    assert high - low < 0.25
    proven = proven_margin(run, GAP_1, ALPHA)
    assert proven is not None
    assert proven > 0.05
    assert advance(PASS, run, proven).latched
    assert not advance(PASS, run, 0.05).latched


@pytest.mark.parametrize(
    ("batch", "growth"),
    [
        ([0, 0, 9, 1, 0, 0, 9, 1], 0.0),
        ([0, 0, 9, 1, 2, 0, 7, 1], 0.2),
        ([0, 2, 7, 1, 0, 0, 9, 1], -0.2),
        ([0, 4, 5, 1, 0, 0, 7, 3], 0.0),
    ],
    ids=["nothing moved", "h fell behind", "g caught up", "g overtook h by as much as it was behind"],
)
def test_growth_is_of_the_gap_and_not_of_the_losses(batch: list[int], growth: float) -> None:
    assert interval([batch] * 4000, ALPHA) == pytest.approx((growth, growth), abs=0.06)


def test_nothing_counted_is_no_evidence() -> None:
    assert advance(PASS, [], MARGIN) == PASS
    assert PASS.log_e == 0
    assert not PASS.latched
    assert (interval([], ALPHA), proven_margin([], GAP_1, ALPHA)) == ((-2, 2), None)
    assert not advance(PASS, [[0, 0, 4, 0, 0, 0, 4, 0]], MARGIN).latched


def test_one_group_alone_proves_nothing() -> None:
    alone = np.tile([0, 0, 32, 0, 0, 0, 0, 0], (100, 1))
    assert not advance(PASS, alone, MARGIN).latched
    assert not advance(HARM, alone, MARGIN).latched


@pytest.mark.parametrize(
    ("batches", "margin", "message"),
    [
        ([EQUAL], 0.0, "margin must lie"),
        ([EQUAL], math.nan, "margin must lie"),
        ([[32, 0, 0, 0]], MARGIN, "8 counts each"),
        ([[4, 0, 0, -1, 29, 0, 0, 0]], MARGIN, "negative count: -1"),
        ([[4.5, 0, 0, 0, 27.5, 0, 0, 0]], MARGIN, "whole counts"),
        ([[4, 0, 0, 0, 3, 0, 0, 0], EQUAL], MARGIN, "every batch but the last must hold 32 items, got 7"),
        ([[EQUAL]], MARGIN, "one run has batches of shape"),
    ],
)
def test_a_broken_record_is_refused(batches: list[list[float]], margin: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        advance(PASS, batches, margin)
