import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats.harm import gains, log_harm
from paritygate.stats.multiple import adjusted_exploratory, adjusted_harm, alpha_of_candidate


def plainly(sups: list[float], alpha_fail: float) -> set[int]:
    """Holm's step-down as it is told: sort, reject while p_(k) <= alpha/(G - k + 1)."""
    named: set[int] = set()
    for k, gate in enumerate(sorted(range(len(sups)), key=lambda s: -sups[s])):
        if min(1, math.exp(-sups[gate])) > alpha_fail / (len(sups) - k):
            break
        named.add(gate)
    return named


@given(st.lists(st.floats(0, 20), max_size=25), st.sampled_from([0.01, 0.05]))
def test_the_adjusted_values_name_whom_holm_names(sups: list[float], alpha_fail: float) -> None:
    named = {int(gate) for gate in np.flatnonzero(adjusted_harm(sups) <= alpha_fail)}
    assert named == plainly(sups, alpha_fail)


def test_each_is_weighed_against_those_still_standing() -> None:
    p = np.array([0.02, 0.5, 0.01, 0.03])
    assert adjusted_harm(-np.log(p)) == pytest.approx([0.06, 0.5, 0.04, 0.06])


def test_alone_a_gate_keeps_its_own_value() -> None:
    assert adjusted_harm([math.log(100)]) == pytest.approx([0.01])
    assert adjusted_harm([-3.0]) == [1]


def test_wealth_that_is_not_a_number_is_refused() -> None:
    for adjusted in (adjusted_harm, adjusted_exploratory):
        with pytest.raises(ValueError, match="number 1 is NaN"):
            adjusted([1.0, math.nan])


def largest_k(log_e: list[float], q: float) -> set[int]:
    """e-BH as it is told: the k largest e-values, k the largest number with e_(k) >= G/(k q)."""
    falling = sorted(range(len(log_e)), key=lambda s: -log_e[s])
    enough = [k for k in range(1, len(log_e) + 1) if math.exp(log_e[falling[k - 1]]) >= len(log_e) / (k * q)]
    return set(falling[: max(enough, default=0)])


@given(st.lists(st.floats(-5, 20), max_size=25), st.sampled_from([0.05, 0.2]))
def test_the_exploratory_list_is_that_of_e_bh(log_e: list[float], q: float) -> None:
    named = {int(slice_) for slice_ in np.flatnonzero(adjusted_exploratory(log_e) <= q)}
    assert named == largest_k(log_e, q)


def test_many_suspects_support_each_other() -> None:
    assert adjusted_exploratory(np.log([40, 1, 25, 50])) == pytest.approx([4 / 80, 1, 4 / 75, 4 / 80])
    assert adjusted_exploratory([math.log(25)]) == pytest.approx([0.04])


@given(st.lists(st.floats(-5, 20), min_size=1, max_size=25), st.integers(0, 40), st.sampled_from([0.05, 0.2]))
def test_of_a_larger_family_the_largest_may_be_given_alone(log_e: list[float], others: int, q: float) -> None:
    family = np.array([*log_e, *[-5.0] * others])
    whole = adjusted_exploratory(family)[: len(log_e)]
    alone = adjusted_exploratory(log_e, len(family))
    assert [value for value in alone if value <= q] == pytest.approx([value for value in whole if value <= q])
    assert ((alone <= q) == (whole <= q)).all()


def test_a_family_is_no_smaller_than_its_members() -> None:
    with pytest.raises(ValueError, match="2 slices are more than the 1"):
        adjusted_exploratory([1.0, 2.0], 1)


def test_of_the_slices_listed_few_are_innocent() -> None:
    rng, shares = np.random.default_rng(31), []
    for _ in range(200):
        innocent = rng.multinomial(32, [0.035, 0.015, 0.95, 0], size=(15, 25))
        guilty = rng.multinomial(32, [0.13, 0.01, 0.86, 0], size=(5, 25))
        logs = gains(np.concatenate((innocent, guilty)), 0.02).path()[:, -1]
        listed = adjusted_exploratory(logs) <= 0.1
        shares.append(listed[:15].sum() / max(1, listed.sum()))
    assert np.mean(shares) <= 0.1


def test_stopping_when_an_innocent_slice_is_listed_lists_few_of_them() -> None:
    """Two columns cut the same items, and every slice is exactly at its margin: whoever is listed is innocent."""
    rng, wrong, paths = np.random.default_rng(33), 0, 300
    kinds = np.tile([0.04, 0.02, 0.94], 16) / 16
    for cells in np.cumsum(rng.multinomial(128, kinds, size=(paths, 12)), axis=1).reshape(paths, 12, 4, 4, 3):
        counts = np.concatenate((cells.sum(2), cells.sum(1)), axis=1)
        wealth = log_harm(counts[..., 0], counts[..., 1], counts[..., 2], 0.02)
        wrong += any((adjusted_exploratory(look) <= 0.1).any() for look in wealth)
    assert wrong / paths <= 0.1


def test_a_line_of_candidates_shares_alpha() -> None:
    assert [round(100 * alpha_of_candidate(0.05, k), 2) for k in range(1, 6)] == [3.04, 0.76, 0.34, 0.19, 0.12]
    assert sum(alpha_of_candidate(0.05, k) for k in range(1, 10_000)) == pytest.approx(0.05, rel=1e-3)
    assert alpha_of_candidate(0.05, 3, saw_verdicts=True) == pytest.approx(alpha_of_candidate(0.05, 3) / 9)


@pytest.mark.parametrize(("alpha", "number"), [(0.0, 1), (math.nan, 1), (0.05, 0)])
def test_an_impossible_candidate_is_refused(alpha: float, number: int) -> None:
    with pytest.raises(ValueError, match=r"alpha must lie|numbered from 1"):
        alpha_of_candidate(alpha, number)


def test_the_guilty_are_named_and_the_innocent_hardly_ever() -> None:
    rng, wrong, found = np.random.default_rng(30), 0, 0
    for _ in range(100):
        innocent = rng.multinomial(32, [0.035, 0.015, 0.95, 0], size=(15, 60))
        guilty = rng.multinomial(32, [0.13, 0.01, 0.86, 0], size=(5, 60))
        sups = gains(np.concatenate((innocent, guilty)), 0.02).path().max(-1)
        named = adjusted_harm(sups) <= 0.05
        wrong, found = wrong + named[:15].any(), found + named[15:].sum()
    assert wrong <= 11
    assert found >= 490
