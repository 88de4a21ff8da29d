import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate.stats import latency
from paritygate.stats.latency import dither, log_rounds, profile, rounds
from paritygate.stats.wealth import pass_threshold

SEED = hashlib.sha256(b"one comparison").digest()
SIGMA = 0.15


def blocks(rng: np.random.Generator, count: int, ratio: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Lognormal times whose noise the two models of a block share in part."""
    shared = math.sqrt(0.6) * rng.standard_normal((count, 1))
    own = math.sqrt(0.4) * rng.standard_normal((2, count, 2))
    return np.exp(SIGMA * (shared + own[0])), ratio * np.exp(SIGMA * (shared + own[1]))


def plainly(b: np.ndarray, c: np.ndarray, p: float, r: float, sign: float) -> float:
    """The definition, block by block and tau by tau."""
    q, wealth = 1 - p, []
    bets = [(l1, l2) for l1 in (0.2, 0.4, 0.9) for l2 in (0.0, 0.15, -0.15, 0.7, -0.8)] + [(0.0, 5.0), (0.0, -0.9)]
    corners = [(0.0, -q), (0.0, p), (1.0, -q), (-1.0, p)]
    bets = [(l1, l2) for l1, l2 in bets if all(1 - sign * l1 * d + l2 * g > 0.01 for d, g in corners)]
    for tau in [-1.0, *b.ravel(), *(c / r).ravel()]:
        i, j = (b > tau).sum(1), (c / r > tau).sum(1)
        each = [np.log(1 - sign * l1 * (j - i) / 2 + l2 * (i / 2 - q)).sum() for l1, l2 in bets]
        wealth.append(np.logaddexp.reduce(each) - math.log(len(bets)))
    return min(wealth)


times = st.lists(st.tuples(*[st.floats(0.5, 2.0)] * 4), min_size=1, max_size=12).map(np.array)


@settings(max_examples=40)
@given(times, st.sampled_from([0.5, 0.95, 0.99]), st.sampled_from([1.0, 1.05, 1.25]))
def test_the_fast_profile_is_the_definition(four: np.ndarray, p: float, r: float) -> None:
    b, c = four[:, :2], four[:, 2:]
    assert profile(b, c, p, r).min() == pytest.approx(plainly(b, c, p, r, 1), abs=1e-9)
    assert profile(b, c, p, r, harm=True).min() == pytest.approx(plainly(b, c, p, r, -1), abs=1e-9)


@given(times, st.sampled_from([0.5, 0.95]), st.data())
def test_neither_the_order_of_blocks_nor_the_unit_of_time_matters(
    four: np.ndarray, p: float, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(four))))
    moved = 1024 * four[order]
    here, there = (profile(times[:, :2], times[:, 2:], p, 1.25).min() for times in (four, moved))
    assert here == pytest.approx(there, abs=1e-9)


@given(times, st.floats(0.3, 3.0), st.floats(1.0, 2.0))
def test_a_wider_limit_is_never_harder_to_pass(four: np.ndarray, r: float, factor: float) -> None:
    b, c = four[:, :2], four[:, 2:]
    assert latency.log_e(b, c, 0.95, r * factor) >= latency.log_e(b, c, 0.95, r) - 1e-9
    assert latency.log_harm(b, c, 0.95, r * factor) <= latency.log_harm(b, c, 0.95, r) + 1e-9


@given(times, st.floats(0.1, 3.0))
def test_no_tau_has_less_wealth_than_the_evidence(four: np.ndarray, tau: float) -> None:
    b, c = four[:, :2], four[:, 2:]
    assert profile(b, c, 0.95, 1.1, tau=[tau])[0] >= latency.log_e(b, c, 0.95, 1.1) - 1e-9


@pytest.mark.parametrize(("p", "z", "harm"), [(0.5, 0.0, False), (0.95, 1.6448536, False), (0.95, 1.6448536, True)])
def test_at_the_true_quantile_wealth_keeps_villes_promise(p: float, z: float, harm: bool) -> None:
    rng, paths, passed = np.random.default_rng(8), 2000, 0
    for _ in range(paths):
        b, c = blocks(rng, 200, ratio=1.1)
        wealth = [profile(b[:n], c[:n], p, 1.1, harm=harm, tau=[math.exp(SIGMA * z)])[0] for n in (50, 100, 200)]
        passed += max(wealth) >= pass_threshold(0.05)
    assert passed / paths <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / paths)
    assert passed > 0, "wealth that never grows proves nothing"


def test_equal_models_pass_and_slow_ones_are_proved_slow() -> None:
    rng = np.random.default_rng(9)
    b, c = blocks(rng, 600)
    assert latency.log_e(b, c, 0.95, 1.1) > pass_threshold(0.05) > latency.log_harm(b, c, 0.95, 1.1)
    b, c = blocks(rng, 400, ratio=1.3)
    assert latency.log_harm(b, c, 0.95, 1.1) > pass_threshold(0.05) > latency.log_e(b, c, 0.95, 1.1)


def test_faster_must_be_proved_when_the_limit_is_one() -> None:
    b, c = blocks(np.random.default_rng(10), 600)
    assert latency.log_e(b, c, 0.95, 1.0) < pass_threshold(0.05)
    assert latency.log_e(b, 0.8 * c, 0.95, 1.0) > pass_threshold(0.05)


def test_nothing_timed_is_no_evidence() -> None:
    none = np.empty((0, 2))
    assert latency.log_e(none, none, 0.95, 1.1) == 0
    assert latency.log_harm(none, none, 0.95, 1.1) == 0
    assert rounds(0) == []


def test_the_report_holds_the_true_ratio_and_agrees_with_the_gate() -> None:
    b, c = blocks(np.random.default_rng(11), 500, ratio=1.1)
    assert latency.ratio_estimate(b, c, 0.5) == pytest.approx(1.1, abs=0.03)
    low, high = latency.ratio_interval(b, c, 0.5, 0.05)
    assert low < 1.1 < high < 1.25
    assert latency.log_e(b, c, 0.5, high) >= pass_threshold(0.05) > latency.log_e(b, c, 0.5, high / 1.002)
    assert latency.log_harm(b, c, 0.5, low) >= pass_threshold(0.05) > latency.log_harm(b, c, 0.5, low * 1.002)
    assert latency.ratio_interval(b[:1], c[:1], 0.5, 0.05) == (0, math.inf)


def test_rounds_are_of_fifty_and_later_an_eighth_of_all_before() -> None:
    ends = rounds(2000)
    assert ends[:12] == [50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 562, 632]
    assert ends[-2:] == [1616, 2000]
    assert len(ends) == 21
    assert rounds(20_000)[:20] == ends[:20]
    assert rounds(30) == [30]
    assert rounds(249) == [50, 100, 150, 249], "no round is shorter than planned: the last has the rest"


def of_pairs(luck: list[float], count: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """A round from each pair of processes; `luck` is how much slower the candidate's process is."""
    b, c = blocks(np.random.default_rng(3), count * len(luck))
    return b, c * np.repeat(luck, count)[:, None]


@pytest.mark.parametrize(
    ("luck", "wealth"),
    [
        ([], 1.0),
        ([0.5] * 4, (2 * 2**4 + 1.7**4 + 1.4**4) / 4),
        ([0.5] * 5, (2 * 2**5 + 1.7**5 + 1.4**5) / 4),
        ([2.0, 0.5], 1.0),
        ([0.5] * 2 + [2.0] + [0.5] * 5, (1.7**7 * 0.3 + 1.4**7 * 0.6) / 4),
        ([0.5] * 4 + [2.0], (2 * 2**4 + 1.7**4 + 1.4**4) / 4),
    ],
)
def test_the_wealth_of_rounds_is_a_mixture_of_stakes(luck: list[float], wealth: float) -> None:
    b, c = of_pairs(luck) if luck else (np.empty((0, 2)), np.empty((0, 2)))
    assert log_rounds(b, c, 0.5, 1.0) == pytest.approx(math.log(wealth))
    assert log_rounds(c, b, 0.5, 1.0, harm=True) == pytest.approx(math.log(wealth))


@pytest.mark.parametrize(
    ("alpha", "blocks"), [(0.5, 100), (0.1, 200), (0.05, 250), (0.01, 400), (0.001, 562), (1e-6, 1818)]
)
def test_so_few_blocks_can_prove_something(alpha: float, blocks: int) -> None:
    assert latency.fewest_blocks(pass_threshold(alpha)) == blocks


def test_five_rounds_that_agree_are_enough_for_one_in_twenty_and_four_for_one_in_ten() -> None:
    for alpha, enough in ((0.05, 5), (0.1, 4)):
        b, c = of_pairs([0.5] * enough)
        assert log_rounds(b, c, 0.5, 1.0) >= pass_threshold(alpha) > log_rounds(b[50:], c[50:], 0.5, 1.0)


def test_one_lucky_pair_of_processes_proves_nothing_however_long_it_is_timed() -> None:
    luck = [0.9, 1.1, 0.95, 1.05, 1.1, 0.9, 1.05, 0.95]
    b, c = of_pairs(luck)
    c[:, :] = b * np.repeat(luck, 50)[:, None]  # no noise: every round tells the luck of its pair
    assert profile(b[:50], c[:50], 0.5, 1.0).min() > pass_threshold(0.05), "the one pair alone would pass"
    for judge in (latency.log_e, latency.log_harm):
        assert max(judge(b[:n], c[:n], 0.5, 1.0) for n in rounds(len(b))) < pass_threshold(0.05)


def test_the_luck_of_processes_passes_no_more_often_than_alpha() -> None:
    rng, paths, ends, proved = np.random.default_rng(12), 200, [250, 300, 400, 500], 0
    for _ in range(paths):
        luck = np.exp(0.05 * rng.standard_normal((2, 10))).repeat(50, axis=1)[..., None]
        b, c = luck * np.stack(blocks(rng, 500))
        proved += max(log_rounds(b[:n], c[:n], 0.5, 1.0) for n in ends) >= pass_threshold(0.05)
    assert proved / paths <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / paths)
    assert proved > 0, "wealth that never grows proves nothing"


def test_dither_breaks_the_ties_of_a_ticking_timer_and_repeats() -> None:
    coarse = np.full((100, 2), 3.0)
    fine = dither(coarse, 0.5, SEED, "baseline")
    assert np.unique(fine).size == 200
    assert ((fine >= 3) & (fine < 3.5)).all()
    assert (dither(coarse[:10], 0.5, SEED, "baseline") == fine[:10]).all()
    assert (dither(coarse, 0.5, SEED, "candidate") != fine).any()
    assert (dither(coarse, 0.0, SEED, "baseline") == coarse).all()


GOOD = np.ones((3, 2))


@pytest.mark.parametrize(
    ("baseline", "candidate", "p", "r", "message"),
    [
        (GOOD, GOOD[:2], 0.5, 1.0, "got 3 of the baseline and 2"),
        (GOOD, np.ones((3, 3)), 0.5, 1.0, r"candidate must hold two times a block, shape \(n, 2\)"),
        (GOOD * math.nan, GOOD, 0.5, 1.0, "baseline holds a time that is not positive"),
        (GOOD, GOOD * 0, 0.5, 1.0, "candidate holds a time that is not positive"),
        (GOOD, GOOD, 1.0, 1.0, "p must lie strictly between 0 and 1, got 1.0"),
        (GOOD, GOOD, 0.5, 0.0, "ratio r must be positive, got 0.0"),
        (GOOD, GOOD, 0.5, math.nan, "ratio r must be positive, got nan"),
    ],
)
def test_broken_measurements_are_refused(
    baseline: np.ndarray, candidate: np.ndarray, p: float, r: float, message: str
) -> None:
    for judge in (latency.log_e, latency.log_harm):
        with pytest.raises(ValueError, match=message):
            judge(baseline, candidate, p, r)


def test_a_ratio_of_nothing_and_a_negative_tick_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one block"):
        latency.ratio_estimate(np.empty((0, 2)), np.empty((0, 2)), 0.5)
    with pytest.raises(ValueError, match=r"tick must be a duration, got -0\.1"):
        dither(GOOD, -0.1, SEED, "baseline")
