"""The table: shares, medians, and nothing hidden."""

import numpy as np
import pytest

from tests.peers.adapters.batch import Variant, judged
from tests.peers.adapters.outcomes import ERROR, FAIL, LOST, PASS, UNDECIDED
from tests.peers.scenarios import Scenario, Truth, Urn, urn_of
from tests.peers.table import BEGIN, END, REFUSED, insert, missing, render, row

BOUNDARY = Scenario("at the margin", Truth.BOUNDARY, urn_of("0.01", "0.01"))


def cell(verdicts: str, items: list[int], n: int = 100, **more: object) -> dict[str, object]:
    return {"n": n, "verdicts": verdicts, "items": items, "calls": 0, "checked": 0, "differed": 0, "error": ""} | more


def test_a_row_says_what_share_passed_and_how_many_items_it_took():
    made = row("peer", "1.0", BOUNDARY, cell("PPFU", [10, 20, 40, 100]))
    assert made["falsePass"] == 0.5
    assert "pass" not in made
    assert (made["fail"], made["undecided"], made["error"]) == (0.25, 0.25, 0)
    assert (made["itemsMedian"], made["paths"], made["trueLoss"]) == (30, 4, 0.01)


@pytest.mark.parametrize(
    ("truth", "named"),
    [(Truth.BOUNDARY, "falsePass"), (Truth.BROKEN, "falsePass"), (Truth.UNKNOWN, "falsePass"), (Truth.WITHIN, "pass")],
)
def test_a_pass_is_called_false_wherever_it_is(truth, named):
    made = row("peer", "1.0", Scenario("x", truth, Urn(0, 0, 1, 0)), cell("P", [100]))
    assert made[named] == 1


@pytest.mark.parametrize(("verdicts", "items"), [("", []), ("PF", [1]), ("PX", [1, 2])])
def test_verdicts_that_do_not_fit_their_data_sets_are_refused(verdicts, items):
    with pytest.raises(ValueError, match="at the margin"):
        row("peer", "1.0", BOUNDARY, cell(verdicts, items))


def test_what_a_plan_refused_is_not_shown_as_a_measured_zero():
    made = row("ParityGate", "1.0", BOUNDARY, cell("UU", [0, 0]))
    assert made["note"] == REFUSED
    assert "| refused |" in render([made])


def test_a_peer_that_could_not_be_asked_is_named_with_its_error():
    assert "Not asked: nemo: no such Python" in render([missing("nemo", "no such Python")])


def test_an_exception_of_a_peer_is_its_answer():
    def broken(_: np.ndarray) -> tuple[str, int]:
        raise KeyError("no items")

    told = judged(Variant("x", broken), np.zeros((2, 5), np.int8), {"n": 5, "paths": 2, "looks": None})
    assert told["verdicts"] == 2 * ERROR
    assert "no items" in row("peer", "1.0", BOUNDARY, cell("EE", [5, 5], error=told["error"]))["note"]


def test_one_who_looks_again_and_again_stops_at_the_first_pass():
    seen = []

    def patient(outcomes: np.ndarray) -> tuple[str, int]:
        seen.append(len(outcomes))
        return (PASS if len(outcomes) >= 30 else FAIL), len(outcomes)

    told = judged(Variant("x", patient), np.zeros((1, 100), np.int8), {"n": 100, "paths": 1, "looks": [10, 30, 100]})
    assert (told["verdicts"], told["items"], seen) == (PASS, [30], [10, 30])


def test_equal_counts_are_asked_once_and_some_are_asked_again_to_see_that_they_agree():
    calls = []

    def by_first(outcomes: np.ndarray) -> tuple[str, int]:
        calls.append(1)
        return (PASS if outcomes[0] == LOST else UNDECIDED), len(outcomes)

    data = np.zeros((101, 5), np.int8)
    data[0, 0] = LOST
    data[1:, 1] = LOST
    told = judged(Variant("x", by_first, by_counts=True), data, {"n": 5, "paths": 101, "looks": None})
    assert (told["verdicts"], told["calls"], len(calls)) == (101 * PASS, 3, 3)
    assert (told["checked"], told["differed"]) == (2, 2)


def test_tables_go_between_the_marks_of_the_page():
    page = f"before\n{BEGIN}\nold\n{END}\nafter"
    assert insert(page, "new") == f"before\n{BEGIN}\nnew\n\n{END}\nafter"
    with pytest.raises(ValueError, match="no"):
        insert("no marks", "new")
