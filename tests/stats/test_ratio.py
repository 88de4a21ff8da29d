import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from paritygate.stats import ratio
from paritygate.stats.ratio import (
    RatioMetric,
    RatioState,
    advance,
    f_beta,
    interval,
    jaccard,
    log_e,
    peak,
    precision,
    profile,
    proven_margin,
    ratio_estimates,
    reaches,
    supports_interval,
)
from paritygate.stats.wealth import harm_threshold, pass_threshold

ALPHA, MARGIN = 0.05, 0.02
LIMIT = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 2000)
METRICS = {
    "precision": precision(),
    "f1": f_beta(),
    "f2": f_beta(2.0),
    "jaccard": jaccard(),
}
metrics = st.sampled_from(list(METRICS.values()))
# 90 % precision, a fifth said to be positive; the candidate agrees on 95 % of those and finds as many others.
AGREED = np.array([0.7742, 0.001, 0.001, 0.019, 0.0158, 0.009, 0.009, 0.171])
SPOILT = np.array([0, 1, 0, 0, 0, -1, 0, 0])  # a right positive of the candidate alone becomes a wrong one


def lesser(metric: RatioMetric, loss: float) -> np.ndarray:
    """Shares of the 8 kinds of item when the candidate's own positives are right so much less often."""
    low, high = 0.0, 0.009
    for _ in range(60):
        spoilt = (low + high) / 2
        shares = AGREED + spoilt * SPOILT
        baseline, candidate = ratio_estimates(metric, shares)
        assert baseline is not None
        assert candidate is not None
        low, high = (low, spoilt) if baseline - candidate > loss else (spoilt, high)
    return shares


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("precision", 60 / 80), ("f1", 2 * 60 / (80 + 100)), ("f2", 5 * 60 / (4 * 100 + 80)), ("jaccard", 60 / 120)],
)
def test_the_ratios_are_the_known_ones(metric: str, expected: float) -> None:
    # The baseline says 80 positives, 60 of them right, and misses 40; the candidate never says anything.
    totals = [900, 0, 20, 0, 40, 0, 60, 0]
    estimates = ratio_estimates(METRICS[metric], totals)
    assert estimates[0] == pytest.approx(expected)
    assert estimates[1] == (None if metric == "precision" else 0.0)


def test_wealth_at_one_guess_by_hand() -> None:
    # 30 items right for both, 1 false positive of the candidate alone; precision 0.9 is guessed, 2 points allowed.
    bets = [(a, -a * k) for a in (0.1, 0.2, 0.35, 0.5, 0.7) for k in (1, 0.97, 1.03, 0.8, 1.2)]
    bets += [(0.03, -0.03)]
    bets += [(0, level) for level in (-0.9, -0.5, -0.25, 0.25, 0.5, 0.9)]
    wealth = [(1 + a * (1 - 0.88) + b * (1 - 0.9)) ** 30 * (1 + a * (0 - 0.88)) for a, b in bets]
    assert profile(precision(), [0, 1, 0, 0, 0, 0, 0, 30], MARGIN, 0.9) == pytest.approx(math.log(np.mean(wealth)))
    blame = [(1 - a * (1 - 0.88) - b * (1 - 0.9)) ** 30 * (1 + a * 0.88) for a, b in bets[:26]]
    blame += [(1 + level * (1 - 0.9)) ** 30 for _, level in bets[26:]]
    harmed = profile(precision(), [0, 1, 0, 0, 0, 0, 0, 30], MARGIN, 0.9, harm=True)
    assert harmed == pytest.approx(math.log(np.mean(blame)))


@given(metrics, st.data(), st.booleans())
def test_no_item_is_expected_to_pay_at_the_true_ratio(metric: RatioMetric, data: st.DataObject, harm: bool) -> None:
    weights = np.array(data.draw(st.lists(st.integers(0, 1000), min_size=8, max_size=8)), float)
    assume(weights.sum() > 0)
    shares = weights / weights.sum()
    baseline, candidate = ratio_estimates(metric, shares)
    assume(baseline is not None and candidate is not None)
    loss = baseline - candidate  # type: ignore[operator]
    least, most = (max(loss, 0.001), 0.999) if harm else (0.001, min(loss, 0.999))
    assume(least <= most)
    margin = data.draw(st.floats(least, most))
    wealth = np.exp(profile(metric, np.eye(8, dtype=int), margin, baseline, harm=harm))  # type: ignore[arg-type]
    assert shares @ wealth <= 1 + 1e-9


@given(metrics, st.data(), st.booleans())
def test_the_grid_never_claims_more_than_any_guess(metric: RatioMetric, data: st.DataObject, harm: bool) -> None:
    totals = data.draw(st.lists(st.integers(0, 300), min_size=8, max_size=8))
    found = float(log_e(metric, totals, MARGIN, harm=harm))
    guesses = np.linspace(0, 1, 67)
    smallest = min(float(profile(metric, totals, MARGIN, guess, harm=harm)) for guess in guesses)
    assert math.isfinite(found)
    assert found <= smallest + 1e-9


def test_the_grid_is_fine_enough() -> None:
    totals = (AGREED * 4000).astype(int)
    smallest = min(float(profile(precision(), totals, MARGIN, guess)) for guess in np.linspace(0.8, 1, 2001))
    assert smallest - 0.5 < float(log_e(precision(), totals, MARGIN)) <= smallest


def test_one_look_or_many_is_the_same_and_only_the_totals_count() -> None:
    batches = np.random.default_rng(2).multinomial(50, AGREED, size=80)
    for harm in (False, True):
        start = RatioState(pass_threshold(ALPHA))
        whole = advance(start, batches, precision(), MARGIN, harm=harm)
        state = start
        for batch in batches:
            state = advance(state, batch[None], precision(), MARGIN, harm=harm)
        assert state == whole
        assert whole.latched_at is not None or harm
        assert whole.totals == tuple(batches.sum(0))
        assert advance(start, [], precision(), MARGIN, harm=harm) == start


RUNS = {
    "equal": AGREED,
    "worse": AGREED + 0.009 * SPOILT,
    "rare": AGREED * 0.02 + [0.98, *[0] * 7],
    "silent": [1, *[0] * 7],
}


@pytest.mark.parametrize("harm", [False, True], ids=["pass", "harm"])
@pytest.mark.parametrize("kind", list(RUNS))
@pytest.mark.parametrize("name", ["precision", "f2", "jaccard"])
def test_looks_that_can_not_change_what_is_known_are_left_out_and_nothing_else(
    name: str, kind: str, harm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = METRICS[name]
    shares = np.array(RUNS[kind]) / np.sum(RUNS[kind])
    batches = np.random.default_rng(3).multinomial(64, shares, size=120)
    every, items = log_e(metric, np.cumsum(batches, axis=0), MARGIN, harm=harm), 64 * np.arange(1, 121)
    looked = []
    whole = ratio._smallest
    monkeypatch.setattr(
        ratio, "_smallest", lambda totals, table: looked.append(len(totals) * table.shape[-2]) or whole(totals, table)
    )
    state = advance(RatioState(pass_threshold(ALPHA)), batches, metric, MARGIN, harm=harm)
    reached = np.flatnonzero(every >= state.threshold)
    assert state.latched_at == (items[reached[0]] if reached.size else None)
    assert peak(metric, batches, MARGIN, harm=harm) == max(0.0, every.max())
    if kind != "silent":
        assert sum(looked) < 120 * 201 / 3


@pytest.mark.parametrize("kind", list(RUNS))
def test_one_look_supports_what_a_search_finds_and_nothing_narrower(kind: str) -> None:
    metric, totals = precision(), np.random.default_rng(3).multinomial(8000, np.array(RUNS[kind]) / np.sum(RUNS[kind]))
    (low, high), proven = interval(metric, totals, ALPHA), proven_margin(metric, totals, ALPHA)
    assert supports_interval(metric, totals, (low, high), ALPHA)
    assert proven is None or reaches(metric, totals, proven, ALPHA)
    assert proven is None or not reaches(metric, totals, proven - 0.002, ALPHA)
    assert not supports_interval(metric, totals, (low + 0.003 if low > 0 else 0.001, high), ALPHA)
    assert not supports_interval(metric, totals, (low, high - 0.002), ALPHA)


@pytest.mark.parametrize("margin", [-1.0, 0.0, 1.0, math.nan])
def test_what_is_no_margin_is_not_reached(margin: float) -> None:
    assert not reaches(precision(), [0, 0, 0, 0, 0, 0, 0, 9000], margin, ALPHA)


def test_nothing_judged_is_no_evidence() -> None:
    assert log_e(precision(), [0] * 8, MARGIN) == pytest.approx(0, abs=1e-12)


@given(st.integers(1, 10), metrics, st.floats(0.001, 0.05))
def test_ten_clean_items_never_pass(items: int, metric: RatioMetric, margin: float) -> None:
    totals = [0] * 7 + [items]
    assert log_e(metric, totals, margin) < pass_threshold(ALPHA)


@pytest.mark.parametrize("margin", [math.nan, -0.01, 0.0, 1.0])
def test_an_impossible_margin_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match=f"margin must lie strictly between 0 and 1, got {margin}"):
        log_e(precision(), [1] * 8, margin)


def test_broken_counts_and_metrics_are_refused() -> None:
    start = RatioState(pass_threshold(ALPHA))
    for refused, message in (
        (lambda: log_e(precision(), [1] * 7, MARGIN), "8 counts each"),
        (lambda: log_e(precision(), [-1] * 8, MARGIN), "negative count: -1"),
        (lambda: log_e(precision(), [0.5] * 8, MARGIN), "whole counts"),
        (lambda: advance(start, [[[1] * 8]], precision(), MARGIN), r"shape \(k, 8\)"),
        (lambda: peak(precision(), [[[1] * 8]], MARGIN), r"shape \(k, 8\)"),
        (lambda: profile(precision(), [1] * 8, MARGIN, 1.1), "theta must lie between 0 and 1, got 1.1"),
        (lambda: f_beta(0.0), "beta must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            refused()


def wrong(metric: RatioMetric, shares: np.ndarray, margin: float, harm: bool) -> float:
    """Share of 2,000 runs of 10,000 items, a look each 250, that latch; wealth at the true ratio is no less."""
    draws = np.random.default_rng(4).multinomial(250, shares / shares.sum(), size=(2000, 40))
    totals, theta = np.cumsum(draws, axis=1), ratio_estimates(metric, shares)[0]
    assert theta is not None
    threshold = harm_threshold(1) if harm else pass_threshold(ALPHA)
    near = (profile(metric, totals, margin, theta, harm=harm) >= threshold).any(-1)
    assert near.mean() <= LIMIT, "at the true ratio it is an ordinary bet"
    return float((log_e(metric, totals[near], margin, harm=harm) >= threshold).any(-1).sum() / 2000)


@pytest.mark.parametrize("harm", [False, True])
@pytest.mark.parametrize("name", ["precision", "f1"])
def test_at_the_boundary_false_claims_stay_within_alpha(name: str, harm: bool) -> None:
    assert 0.001 < wrong(METRICS[name], lesser(METRICS[name], MARGIN), MARGIN, harm) <= LIMIT


def test_equal_models_pass_and_a_broken_one_is_caught() -> None:
    draw, metric = np.random.default_rng(5), precision()
    equal = np.cumsum(draw.multinomial(250, AGREED, size=(50, 16)), axis=1)
    assert (log_e(metric, equal, MARGIN) >= pass_threshold(ALPHA)).any(-1).mean() > 0.8
    broken = AGREED + 0.009 * SPOILT
    worse = np.cumsum(draw.multinomial(250, broken, size=(50, 24)), axis=1)
    assert (log_e(metric, worse, MARGIN, harm=True) >= harm_threshold(1)).any(-1).mean() > 0.5


def test_the_interval_of_a_precision_holds_the_truth_and_narrows() -> None:
    shares = np.array([0.70, 0.02, 0.01, 0.01, 0.01, 0.01, 0.02, 0.22])
    before, after = (theta or 0 for theta in ratio_estimates(precision(), np.rint(shares * 100).astype(int)))
    runs = np.random.default_rng(5).multinomial(4000, shares, 60)
    found = [interval(precision(), totals, 0.05) for totals in runs]
    assert sum(not low <= before - after <= high for low, high in found) <= 3 + 3 * (60 * 0.05 * 0.95) ** 0.5
    assert all(high < 1 for _, high in found)
    assert interval(precision(), runs[0] * 10, 0.05)[1] < found[0][1]


def test_the_margin_that_counts_prove_is_proved_and_a_smaller_one_is_not() -> None:
    totals = np.array([2800, 40, 40, 20, 24, 16, 16, 1044])
    proven = proven_margin(precision(), totals, 0.05)
    assert proven is not None
    threshold = pass_threshold(0.05)
    assert log_e(precision(), totals, proven) >= threshold > log_e(precision(), totals, proven - 0.002)
    assert proven_margin(precision(), np.eye(8, dtype=int)[0] * 9, 0.05) is None


@pytest.mark.parametrize("name", ["precision", "f1", "jaccard"])
def test_a_margin_of_a_quarter_point_can_be_proved(name: str) -> None:
    totals = np.rint(np.array([0.77, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.17]) * 3e7).astype(int)
    assert log_e(METRICS[name], totals, 0.0025) > pass_threshold(0.05)
    assert log_e(METRICS[name], totals, 0.0005) < pass_threshold(0.05)
