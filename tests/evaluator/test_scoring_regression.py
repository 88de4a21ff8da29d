"""One number an item: how far off it is, up to the owner's cap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.api import Task
from paritygate.judge import BOTH_RIGHT, Column, Kind
from paritygate.stats.bounded import SCALE
from paritygate_evaluator.referee.client import Port
from paritygate_evaluator.referee.scoring import Scorer

from .scoring_case import refused, score, scorer, scores

CAP = Column(Kind.ABSOLUTE_ERROR, "4.0")
PRICE = Port("price", "float32", (None, 1))


def meter(*cells: str, port: Port = PRICE) -> Scorer:
    return scorer(Task.REGRESSION, [port], cells or ("10", "10"), [CAP])


@pytest.mark.parametrize(
    ("baseline", "candidate", "loss"),
    [
        (10, 10, 0),
        (10, 12, 0.5),
        (12, 10, -0.5),
        (10, 99, 1.0),  # an error beyond the cap counts as the cap
        (15, 99, 0.0),
        (9, 11, 0.0),
        (10, np.nan, 1.0),
        (np.nan, 10, 1.0),  # never a free pass
        (10, -np.inf, 1.0),
    ],
)
def test_the_loss_is_the_error_added_as_a_share_of_the_cap(baseline: float, candidate: float, loss: float) -> None:
    seen = score(meter("10"), np.array([[baseline]], np.float32), np.array([[candidate]], np.float32))
    assert seen.columns[CAP].tolist() == [loss * SCALE]
    assert seen.candidate_finite.tolist() == [np.isfinite(candidate)]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_the_loss_stays_in_its_range_and_is_never_rounded_for_the_candidate(y: float, b: float, c: float) -> None:
    seen = score(meter(repr(y)), np.array([b]), np.array([c]))
    exact = (min(abs(c - y), 4) - min(abs(b - y), 4)) / 4
    assert -1 <= exact <= seen.columns[CAP][0] / SCALE <= min(1, exact + 1.001 / SCALE)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_outputs_of_both_shapes_are_one_number_an_item(shape: tuple[int, ...]) -> None:
    output = np.array([10, 11], np.float32).reshape(shape)
    seen = score(meter(port=Port("price", "float32", (None, *shape[1:]))), output, output)
    assert seen.columns[CAP].tolist() == [0, 0]
    assert seen.outcomes.tolist() == [BOTH_RIGHT, BOTH_RIGHT]
    assert seen.baseline.tolist() == [-1, -1]


@pytest.mark.parametrize("cell", ["cat", "nan", "inf", "1,5"])
def test_a_label_that_is_no_number_is_refused(cell: str) -> None:
    with refused("item 'i1'", repr(cell), "not a finite number", "12.5"):
        meter("10", cell)


def test_several_numbers_an_item_are_to_be_split() -> None:
    with refused("core: ", "3 numbers an item", "split it into one output a number"):
        meter(port=scores(3))
    with refused("3 numbers an item"):
        score(meter(port=scores(None)), np.zeros((2, 3)), np.zeros((2, 3)))


def test_of_several_outputs_the_pack_names_one() -> None:
    ports = [PRICE, Port("spread", "float32", (None,))]
    with refused("several outputs", "output: price"):
        scorer(Task.REGRESSION, ports, ["10"], [CAP])
    one = scorer(Task.REGRESSION, ports, ["10"], [CAP], output="spread")
    seen = one.score(np.array([0]), [np.array([[0.0]]), np.array([10.0])], [np.array([[0.0]]), np.array([12.0])])
    assert seen.columns[CAP].tolist() == [SCALE / 2]


def test_a_model_without_a_number_is_refused() -> None:
    with refused("core: ", "needed is one of floats", "label int64[?]"):
        meter(port=Port("label", "int64", (None,)))


def test_a_cap_below_most_of_the_baselines_errors_hides_a_worse_candidate_and_is_refused() -> None:
    far_off = np.full((100, 1), 20.0, np.float32)
    with refused("cap 4.0 lies below 100 of the baseline's 100 errors", "such as 10"):
        score(meter(*["10"] * 100), far_off, far_off + 99)
