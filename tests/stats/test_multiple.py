import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats.harm import log_harm_path
from paritygate.stats.multiple import adjusted_harm


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
    with pytest.raises(ValueError, match="number 1 is NaN"):
        adjusted_harm([1.0, math.nan])


def test_the_guilty_are_named_and_the_innocent_hardly_ever() -> None:
    rng, wrong, found = np.random.default_rng(30), 0, 0
    for _ in range(100):
        innocent = rng.multinomial(32, [0.035, 0.015, 0.95, 0], size=(15, 60))
        guilty = rng.multinomial(32, [0.13, 0.01, 0.86, 0], size=(5, 60))
        sups = log_harm_path(np.concatenate((innocent, guilty)), 0.02).max(-1)
        named = adjusted_harm(sups) <= 0.05
        wrong, found = wrong + named[:15].any(), found + named[15:].sum()
    assert wrong <= 11
    assert found >= 490
