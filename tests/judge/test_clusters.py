"""Items that belong together, or repeat each other, are one piece of evidence."""

import numpy as np
import pytest
from paritygate.api import EvaluationPlan, GateRecord, Inference, Metric, Power
from paritygate.judge import BOTH_RIGHT, LOST, UNKNOWN, WON, Gate, Items, ItemTally, expand
from paritygate.judge.units import cluster_ends, cluster_losses
from paritygate.stats.bounded import SCALE

from tests.bench.together import at_the_margin, repeats_at_the_margin

from .conftest import a_plan

ALLOWED = 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
IDS = [f"i{k}" for k in range(12)]
DOCUMENTS = np.array([2, 2, 2, 0, 0, 1, 1, 1, 1, 3, 3, 3])
"""The place of each item's document in the plan's order of documents."""


def clustered(*gates: dict[str, object], inference: Inference = Inference.SUPERPOPULATION) -> EvaluationPlan:
    plan = a_plan(*gates)
    packs = tuple(pack.model_copy(update={"cluster": "document"}) for pack in plan.packs)
    return plan.model_copy(update={"packs": packs, "inference": inference})


def gates_of(plan: EvaluationPlan, **known: object) -> dict[str, Gate]:
    scanners = ["A" if k % 2 else "B" for k in range(12)]
    items = Items(IDS, {"scanner": scanners, "pack": ["core"] * 12}, clusters=DOCUMENTS, **known)  # type: ignore[arg-type]
    return {gate.name: gate for gate in expand(plan, items, with_margins=False) if gate.power}


def test_a_gate_takes_its_items_document_by_document_in_the_documents_order() -> None:
    gate = gates_of(clustered())["accuracy"]
    assert DOCUMENTS[gate.sequence].tolist() == sorted(DOCUMENTS.tolist())
    assert gate.ends is not None
    assert gate.ends.tolist() == [2, 6, 9, 12]
    assert gate.power is not None
    assert (gate.power.have, gate.power.items) == (4, 12)


def test_a_slice_has_the_documents_that_have_an_item_in_it() -> None:
    gates = gates_of(clustered())
    for value in "AB":
        gate = gates[f"by-scanner/{value}"]
        inside = DOCUMENTS[[k for k in range(12) if ("A" if k % 2 else "B") == value]]
        assert gate.power is not None
        assert (gate.power.have, gate.power.items) == (len(set(inside.tolist())), len(inside))


def test_where_kinds_of_items_are_counted_the_first_of_a_document_stands_for_it() -> None:
    plan = clustered({"name": "gap", "metric": "FairnessGap", "sliceBy": "scanner", "margin": "0.5"})
    gates = gates_of(plan)
    whole, gap = gates["accuracy"], gates["gap/A | B"]
    assert whole.ends is not None
    assert gap.sequence.tolist() == whole.sequence[[0, *whole.ends[:-1]]].tolist()
    assert gap.ends is None
    assert gap.power is not None
    assert (gap.power.have, gap.power.items) == (4, 12)


@pytest.mark.parametrize("repeated", [None, np.arange(12) < 6])
def test_claims_about_these_very_items_take_all_of_them_in_the_items_own_order(repeated: np.ndarray | None) -> None:
    must_pass = {"name": "kept", "metric": "MustPass", "sliceBy": "pack"}
    alone = gates_of(clustered(must_pass))["kept/core"].sequence.tolist()
    gates = gates_of(clustered(must_pass, inference=Inference.LOCKED_SET), repeated=repeated)
    for name in ("accuracy", "kept/core"):
        assert gates[name].ends is None
        assert gates[name].sequence.tolist() == alone
    left = 12 if repeated is None else 6
    assert gates["harmful-flips"].power is not None
    assert gates["harmful-flips"].power.items == left  # its claim stays one about where the items come from


def test_a_repetition_is_no_evidence_and_an_empty_document_is_none() -> None:
    repeated = np.isin(DOCUMENTS, [0])
    repeated[9] = True
    gate = gates_of(clustered(), repeated=repeated)["accuracy"]
    assert gate.power is not None
    assert (gate.power.have, gate.power.items) == (3, 9)
    assert not repeated[gate.sequence].any()


@pytest.mark.parametrize(
    ("metric", "values", "units"),
    [
        (Metric.ACCURACY, [LOST, BOTH_RIGHT, WON, WON, WON, LOST], [SCALE // 2, -SCALE, SCALE]),
        (Metric.HARMFUL_FLIP_RATE, [LOST, BOTH_RIGHT, WON, WON, WON, LOST], [SCALE // 2, 0, SCALE]),
        (Metric.DISAGREEMENT_RATE, [1, 1, 1, 0, 0, 0], [SCALE, 5462, 0]),
        (Metric.BRIER, [3, -2, -5, 2, 2, 7], [1, 0, 7]),
    ],
)
def test_a_document_counts_as_the_mean_of_its_items_rounded_against_the_candidate(
    metric: Metric, values: list[int], units: list[int]
) -> None:
    assert cluster_losses(metric, np.array(values), np.array([2, 5, 6])).tolist() == units
    assert cluster_losses(metric, np.array([], np.int64), np.array([], np.int64)).tolist() == []


def test_ends_of_no_items() -> None:
    assert cluster_ends(np.array([], np.int64)).tolist() == []
    assert cluster_ends(np.array([4, 4, 1])).tolist() == [2, 3]


def counted(plan: EvaluationPlan, documents: int, known: np.ndarray) -> GateRecord:
    """Documents of three items, all of them lost; `known` items are judged."""
    ends = 3 * np.arange(1, documents + 1)
    claim = next(claim for claim in plan.claims if claim.name == "accuracy")
    power = Power(needed=10, have=documents, items=3 * documents, power=0.9)
    tally = ItemTally(Gate(claim, None, np.arange(3 * documents), power, ends=ends), plan, 1)
    tally.count(lambda indices: np.where(known[indices], LOST, UNKNOWN))
    assert tally.wanted(4).tolist() == list(range(3 * tally.n, min(3 * (tally.n + 8) + 4, 3 * documents)))
    return tally.figures()


def test_a_document_is_counted_when_all_of_its_items_are_known() -> None:
    known = np.ones(60, bool)
    known[3 * 17 + 1] = False
    assert counted(clustered(), 20, known).n == 16
    assert counted(clustered(), 20, known | True).n == 20


def test_a_document_larger_than_a_look_is_counted() -> None:
    plan = clustered()
    claim = next(claim for claim in plan.claims if claim.name == "accuracy")
    ends = np.array([9000, 9001])
    tally = ItemTally(Gate(claim, None, np.arange(9001), Power(needed=9, have=2, power=0.1), ends=ends), plan, 1)
    tally.count(lambda indices: np.full(len(indices), BOTH_RIGHT))
    assert tally.n == 2


@pytest.mark.parametrize("alike", [1.0, 0.5])
@pytest.mark.whole
def test_documents_at_the_margin_pass_no_more_often_than_alpha(alike: float) -> None:
    assert at_the_margin(alike, paths=400) <= ALLOWED


def test_repeats_at_the_margin_pass_no_more_often_than_alpha() -> None:
    assert repeats_at_the_margin(paths=400) <= ALLOWED


@pytest.mark.whole
def test_counted_as_items_they_would() -> None:
    """What the two tests above see."""
    assert at_the_margin(1.0, 400, margin=0.03, count=400, clusters=False) > 0.1
    assert at_the_margin(1.0, 400, margin=0.03, count=400) <= ALLOWED
    assert repeats_at_the_margin(400, margin=0.05, left_out=False) > 0.1
    assert repeats_at_the_margin(400, margin=0.05) <= ALLOWED
