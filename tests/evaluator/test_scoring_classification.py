"""One class an item: answers, outcomes and proper scores of probabilities."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.api import Scores, Task
from paritygate.judge import BOTH_RIGHT, BOTH_WRONG, LOST, WON, Column, Kind
from paritygate.stats.bounded import SCALE
from paritygate_evaluator.referee.client import ModelFailedError, Port
from paritygate_evaluator.referee.scoring.probability import brier, log_loss, probabilities
from scipy.special import softmax
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as mean_log_loss

from .scoring_case import refused, score, scorer, scores

CLASSIFICATION = Task.CLASSIFICATION
NAMES = Port("names", "str", (None,))
NUMBERS = Port("label", "int64", (None,))
SIGMOID = Port("p", "float32", (None, 1))


def probable(*rows: Sequence[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_outcomes_say_who_was_right() -> None:
    one = scorer(CLASSIFICATION, [scores(3)], ["0", "1", "2", "0"], [Column(Kind.DIFFERS)])
    baseline = np.eye(3)[[0, 1, 1, 1]]
    candidate = np.eye(3)[[0, 2, 2, 2]]
    seen = score(one, baseline, candidate)
    assert seen.outcomes.tolist() == [BOTH_RIGHT, LOST, WON, BOTH_WRONG]
    assert seen.columns[Column(Kind.DIFFERS)].tolist() == [0, 1, 1, 1]
    assert [one.text(answer) for answer in seen.candidate.tolist()] == ["0", "2", "2", "2"]
    assert np.isnan(seen.baseline_confidence).all()


@pytest.mark.parametrize("given_as", [Scores.PROBABILITIES, Scores.LOGITS])
def test_losses_are_scikit_learns(given_as: Scores) -> None:
    rng = np.random.default_rng(1)
    raw = rng.normal(0, 1, (500, 4)).astype(np.float32)
    output = raw if given_as is Scores.LOGITS else softmax(raw.astype(np.float64), 1).astype(np.float32)
    right = rng.integers(0, 4, 500)
    forecast = probabilities(output, given_as)
    expected = brier_score_loss(right, softmax(raw, 1), labels=range(4), scale_by_half=True)
    assert brier(forecast, right).mean() == pytest.approx(expected, rel=1e-5)
    assert 10 * log_loss(forecast, right).mean() == pytest.approx(mean_log_loss(right, softmax(raw, 1)), rel=1e-5)


def test_the_brier_score_of_two_classes_is_the_square_of_one() -> None:
    forecast = probabilities(probable([0.3], [0.9]), Scores.PROBABILITIES)
    assert brier(forecast, np.array([1, 0])).tolist() == pytest.approx([0.49, 0.81])


def test_a_log_loss_counts_ten_nats_at_most() -> None:
    forecast = probable([1, 0], [0.5, 0.5], [np.exp(-10), 1 - np.exp(-10)])
    assert log_loss(forecast, np.array([1, 0, 0])).tolist() == pytest.approx([1, np.log(2) / 10, 1])


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=5), st.data())
def test_no_forecast_gains_by_leaving_the_simplex(values: list[float], data: st.DataObject) -> None:
    right = data.draw(st.integers(0, len(values) - 1))
    forecast = np.array([values], np.float32)
    for loss in (brier, log_loss):
        assert 0 <= loss(forecast, np.array([right]))[0] <= 1
    # The expectation of the log loss under any truth q is smallest for q itself: also against what sums to more.
    if sum(values) > 1:
        scaled = (forecast / forecast.sum()).astype(np.float32)
        assert log_loss(forecast, np.array([right]))[0] >= log_loss(scaled, np.array([right]))[0] - 1e-6


def test_columns_hold_what_the_candidate_lost_in_whole_units_rounded_up() -> None:
    columns = [Column(Kind.BRIER), Column(Kind.LOG_LOSS)]
    one = scorer(CLASSIFICATION, [scores(2)], ["0", "0"], columns, scores=Scores.PROBABILITIES)
    seen = score(one, probable([0.75, 0.25], [0.5, 0.5]), probable([0.5, 0.5], [0.5, 0.5]))
    assert seen.columns[columns[0]].tolist() == [SCALE * 3 / 16, 0]
    assert seen.columns[columns[1]].tolist() == [np.ceil(np.log(0.75 / 0.5) / 10 * SCALE), 0]
    assert seen.columns[columns[1]].dtype == np.int32


def test_to_abstain_is_to_be_less_sure_than_the_owners_threshold() -> None:
    column = Column(Kind.ABSTENTION, "0.75")
    one = scorer(CLASSIFICATION, [scores(2)], ["0"] * 4, [column], scores=Scores.PROBABILITIES)
    sure, unsure = [0.25, 0.75], [0.5, 0.5]
    seen = score(one, probable(sure, sure, unsure, unsure), probable(sure, unsure, sure, unsure))
    assert seen.columns[column].tolist() == [BOTH_RIGHT, LOST, WON, BOTH_WRONG]
    assert seen.baseline_confidence.tolist() == [0.75, 0.75, 0.5, 0.5]
    assert seen.confidence.tolist() == [0.75, 0.5, 0.75, 0.5]


@pytest.mark.parametrize("port", [SIGMOID, Port("p", "float32", (None,)), Port("p", "float32", (None, None))])
@pytest.mark.parametrize(("given_as", "values"), [(Scores.PROBABILITIES, [0.2, 0.9]), (Scores.LOGITS, [-1.0, 3.0])])
def test_one_number_an_item_is_the_score_of_class_1(port: Port, given_as: Scores, values: list[float]) -> None:
    one = scorer(CLASSIFICATION, [port], ["0", "0"], [Column(Kind.BRIER)], scores=given_as)
    output = np.array(values, np.float32).reshape(-1, *port.shape[1:] and (1,))
    seen = score(one, output, output)
    assert seen.outcomes.tolist() == [BOTH_RIGHT, BOTH_WRONG]
    assert seen.probabilities is not None
    np.testing.assert_allclose(seen.probabilities[0].sum(1), 1, rtol=1e-6)


def test_halves_in_sixteen_bits_are_probabilities_too() -> None:
    rng = np.random.default_rng(2)
    one = scorer(CLASSIFICATION, [scores(1000, dtype="float16")], ["0", "999"], scores=Scores.PROBABILITIES)
    output = softmax(rng.normal(0, 1, (2, 1000)), 1).astype(np.float16)
    output[1, 0] += np.float16(0.005)  # as sums of halves go
    assert score(one, output, output).probabilities is not None
    with refused("item 'i1'", "sum to 1.00"):
        score(one, output.astype(np.float32), output)


def test_a_softmax_in_eight_bits_is_judged_as_it_is() -> None:
    one = scorer(CLASSIFICATION, [scores(10)], ["0", "9"], scores=Scores.PROBABILITIES)
    exact = softmax(np.random.default_rng(3).normal(0, 1, (2, 10)), 1).astype(np.float32)
    rounded = (np.rint(exact * 256) / 256).astype(np.float32)
    assert abs(rounded.sum(1) - 1).max() > 1e-3
    assert score(one, exact, rounded).outcomes.size == 2


NO_PROBABILITIES = [
    ("logits", probable([0.5, 0.5], [3, -2]), ("item 'i1'", "-2 to 3", "sum to 1", "scores: Logits", "softmax")),
    ("sums", probable([0.5, 0.5], [0.9, 0.3]), ("item 'i1'", "sum to 1.2")),
]


@pytest.mark.parametrize(("what", "output", "said"), NO_PROBABILITIES, ids=[n[0] for n in NO_PROBABILITIES])
def test_what_is_no_probability_is_refused_by_item_and_sum(
    what: str, output: np.ndarray, said: tuple[str, ...]
) -> None:
    one = scorer(CLASSIFICATION, [scores(2)], ["0", "1"], scores=Scores.PROBABILITIES)
    with refused("core: baseline: ", *said):
        score(one, output, output)
    with pytest.raises(ModelFailedError, match=r"candidate: item 'i1'.*sum to") as failed:
        score(one, probable([0.5, 0.5], [0.5, 0.5]), output)
    assert failed.value.kind == "OutputShape"


def test_one_item_that_is_not_finite_says_so_and_takes_the_largest_losses() -> None:
    columns = [Column(Kind.BRIER), Column(Kind.LOG_LOSS)]
    one = scorer(CLASSIFICATION, [scores(2)], ["0", "0"], columns, scores=Scores.PROBABILITIES)
    seen = score(one, probable([0.5, 0.5], [1, 0]), probable([np.nan, 0.5], [1, 0]))
    assert seen.candidate_finite.tolist() == [False, True]
    assert [seen.columns[column].tolist() for column in columns] == [[SCALE, 0], [SCALE, 0]]


@pytest.mark.parametrize("given_as", [Scores.PROBABILITIES, Scores.LOGITS])
@pytest.mark.parametrize("classes", [2, 10, 37, 1000])
def test_an_items_scores_depend_on_that_item_alone(classes: int, given_as: Scores) -> None:
    columns = [Column(Kind.BRIER), Column(Kind.LOG_LOSS), Column(Kind.ABSTENTION, "0.5")]
    rng = np.random.default_rng(4)
    one = scorer(
        CLASSIFICATION, [scores(classes)], [str(k) for k in rng.integers(0, classes, 300)], columns, scores=given_as
    )
    raw = rng.normal(0, 2, (2, 300, classes))
    first, second = (raw if given_as is Scores.LOGITS else softmax(raw, 2)).astype(np.float32)
    whole = score(one, first, second)
    for start in (0, 1, 7, 100, 299):  # as a faster machine cuts chunks
        for end in (start + 1, start + 129, 300):
            chunk = np.arange(start, min(end, 300))
            part = one.score(chunk, [first[chunk]], [second[chunk]])
            assert all((part.columns[column] == whole.columns[column][chunk]).all() for column in columns)


def test_cells_say_label_baseline_and_candidate_of_one_class() -> None:
    one = scorer(CLASSIFICATION, [NAMES], ["cat", "cat", "dog", "cow"])
    baseline, candidate = np.array(["cat", "dog", "cat", "cow"]), np.array(["dog", "cat", "cat", "cow"])
    seen = score(one, baseline, candidate)
    cells = one.cells(Column(Kind.CELL, "cat"), np.arange(4), seen.baseline, seen.candidate)
    assert cells.tolist() == [4 + 2, 4 + 1, 2 + 1, 0]
    assert one.cells(Column(Kind.CELL, "emu"), np.arange(4), seen.baseline, seen.candidate).tolist() == [0] * 4
    assert one.classes == ("cat", "cow", "dog")


def test_classes_are_numbers_in_their_order() -> None:
    one = scorer(CLASSIFICATION, [scores(11)], ["10", "2", "2"])
    assert one.classes == ("2", "10")
    cells = one.cells(Column(Kind.CELL, "2"), np.arange(3), np.array([2, 2, 10]), np.array([10, 2, 2]))
    assert cells.tolist() == [2, 7, 5]
    assert one.right(np.arange(3)).tolist() == [10, 2, 2]


def test_answers_may_be_numbers_the_model_names() -> None:
    seen = score(scorer(CLASSIFICATION, [NUMBERS], ["0", "1"]), np.array([0, 0]), np.array([0, 1]))
    assert seen.outcomes.tolist() == [BOTH_RIGHT, WON]


def test_scores_are_taken_before_the_class_that_the_model_names() -> None:
    one = scorer(CLASSIFICATION, [NUMBERS, scores(2)], ["0", "1"])
    seen = one.score(np.arange(2), [np.array([0, 0]), np.eye(2)], [np.array([0, 0]), np.eye(2)])
    assert seen.outcomes.tolist() == [BOTH_RIGHT, BOTH_RIGHT]


def test_a_name_that_a_model_makes_up_is_fit_for_a_record() -> None:
    one = scorer(CLASSIFICATION, [NAMES], ["cat"])
    seen = score(one, np.array(["cat"]), np.array(["\x1b[31m" + "x" * 500]))
    assert one.text(int(seen.candidate[0])) == "?[31m" + "x" * 123


HEADS = [scores(3, "main"), scores(3, "auxiliary")]


def test_of_several_outputs_the_pack_names_one() -> None:
    with refused("several outputs", "main float32[?, 3], auxiliary float32[?, 3]", "output: main"):
        scorer(CLASSIFICATION, HEADS, ["0", "1"])
    one = scorer(CLASSIFICATION, HEADS, ["0", "1"], output="auxiliary")
    right, wrong = np.eye(3)[[0, 1]], np.eye(3)[[1, 2]]
    assert one.score(np.arange(2), [wrong, right], [wrong, right]).outcomes.tolist() == [BOTH_RIGHT, BOTH_RIGHT]


REFUSED: list[tuple[str, list[Port], list[str], dict[str, object], tuple[str, ...]]] = [
    ("names with scores", [scores(3)], ["0", "cat"], {}, ("'cat'", "label is not a class number", "class numbers 0")),
    ("names and scores asked", [NAMES, scores(3)], ["cat"], {"scores": Scores.LOGITS}, ("not a class number",)),
    ("too few scores", [scores(3)], ["0", "3"], {}, ("the largest label is 3", "[3]")),
    ("a large number", [scores(3)], ["0", "99999999999"], {}, ("not a class number",)),
    ("one score", [SIGMOID], ["0", "1"], {}, ("one number an item", "scores: Probabilities")),
    ("one score, three classes", [SIGMOID], ["0", "2"], {"scores": Scores.LOGITS}, ("largest label is 2",)),
    ("no such output", [scores(3)], ["0"], {"output": "p"}, ("output 'p'", "scores float32[?, 3]")),
    ("no output for it", [Port("map", "float32", (None, 3, 8, 8))], ["0"], {}, ("map float32", "no output is")),
    ("named, but no scores", [Port("map", "float32", (None, 3, 8, 8)), scores(3)], ["0"], {"output": "map"}, ("map",)),
    ("no scores said", [scores(3)], ["0"], {"columns": [Column(Kind.BRIER)]}, ("brier", "scores: Probabilities")),
    ("another task's", [scores(3)], ["0"], {"columns": [Column(Kind.LABEL_ERROR)]}, ("labelError", "this task")),
]


@pytest.mark.parametrize(("what", "ports", "cells", "more", "said"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_can_not_be_compared_is_refused_before_an_item(
    what: str, ports: list[Port], cells: list[str], more: dict[str, object], said: tuple[str, ...]
) -> None:
    with refused("core: ", *said):
        scorer(CLASSIFICATION, ports, cells, **more)  # type: ignore[arg-type]


def test_a_column_of_changed_inputs_is_filled_as_any_other_and_what_follows_from_answers_is_not() -> None:
    columns = [Column(Kind.DIFFERS, perturbation="noise"), Column(Kind.OUTCOME), Column(Kind.CELL, "1")]
    seen = score(scorer(CLASSIFICATION, [scores(2)], ["0"], columns), np.eye(2)[[0]], np.eye(2)[[1]])
    assert list(seen.columns) == [Column(Kind.DIFFERS)]
