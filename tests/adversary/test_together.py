"""What a result says of clusters and of repeated items must fit its sizes, or gates could be made small unseen."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
from paritygate.api import (
    DataFile,
    EvaluationPlan,
    EvaluationResult,
    GateRecord,
    Inference,
    Outcome,
    SliceColumn,
    SliceItems,
)
from paritygate.api.policy import EvaluationLimits
from paritygate.judge import ResultRefused, expand, recompute
from paritygate.judge.recheck.membership import LEAST_CAP

from .case import World, a_pack, a_plan, excluded, gate, retold

ITEMS = 4000
GATES = (
    {"name": "accuracy", "metric": "Accuracy", "margin": "0.15"},
    {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.20"},
    {"name": "by-group", "metric": "Accuracy", "margin": "0.30", "sliceBy": "group"},
    {"name": "f", "metric": "FBeta", "margin": "0.20", "value": "1", "underpowered": "HarmOnly"},
    {"name": "gap", "metric": "FairnessGap", "margin": "0.30", "sliceBy": "group", "underpowered": "HarmOnly"},
)
GROUPS = [("A", "B", "B", "B")[k % 4] for k in range(ITEMS)]
DECLARED = SliceColumn(column="group", items=(SliceItems(value="A", items=1000), SliceItems(value="B", items=3000)))


def a_world(**together: np.ndarray) -> World:
    world = World((np.arange(ITEMS) // 3 % 2).astype(np.int64), {"group": GROUPS, "pack": ["core"] * ITEMS}, **together)
    world.candidate[::50] += 1
    return world


@cache
def of_documents() -> tuple[EvaluationPlan, EvaluationResult]:
    """Documents of five items, which the groups cut through."""
    plan = a_plan(*GATES, packs=[a_pack(slices=("group",), items=ITEMS, declared=(DECLARED,), cluster="document")])
    return plan, a_world(clusters=np.arange(ITEMS) // 5).judged(plan)


@cache
def with_repeats() -> tuple[EvaluationPlan, EvaluationResult]:
    """Every eighth item repeats another."""
    plan = a_plan(*GATES, packs=[a_pack(slices=("group",), items=ITEMS, declared=(DECLARED,))])
    return plan, a_world(repeated=np.arange(ITEMS) % 8 == 3).judged(plan)


@pytest.mark.parametrize("case", [of_documents, with_repeats])
def test_what_is_honest_is_believed(case: Callable[[], tuple[EvaluationPlan, EvaluationResult]]) -> None:
    plan, result = case()
    assert recompute(plan, result).outcome is Outcome.PASSED


def test_a_locked_set_and_must_pass_items_have_all_items() -> None:
    kept = {"name": "kept", "metric": "MustPass", "sliceBy": "pack"}
    pack = a_pack(slices=("group",), items=ITEMS, declared=(DECLARED,), cluster="document")
    plan = a_plan(*GATES, kept, packs=[pack])
    plan = plan.model_copy(update={"inference": Inference.LOCKED_SET})
    world = a_world(clusters=np.arange(ITEMS) // 5, repeated=np.arange(ITEMS) % 8 == 3)
    world.candidate[:] = world.right
    result = world.judged(plan)
    assert gate(result, "accuracy").n == gate(result, "kept/core").n == ITEMS
    assert gate(result, "harmful-flips").n == ITEMS / 5
    assert recompute(plan, result).outcome is Outcome.PASSED


def test_clusters_are_bet_on_as_bounded_losses() -> None:
    _, result = of_documents()
    assert gate(result, "accuracy").bet.startswith("bounded/1")
    assert gate(result, "harmful-flips").bet.startswith("rate/1 unit")
    assert gate(result, "accuracy").n10 == 0


Forge = Callable[[GateRecord], GateRecord]


def on(name: str, change: Forge) -> Callable[[Sequence[GateRecord]], list[GateRecord]]:
    return lambda gates: [change(record) if record.name == name else record for record in gates]


def planned(record: GateRecord, **told: object) -> GateRecord:
    assert record.planned is not None
    return record.model_copy(update={"planned": record.planned.model_copy(update=told)})


OF_DOCUMENTS: dict[str, tuple[Callable[[Sequence[GateRecord]], list[GateRecord]], str]] = {
    "a slice of fewer items": (on("by-group/A", lambda r: planned(r, items=900)), "do not add up|declare"),
    "a slice of fewer clusters": (on("by-group/A", lambda r: excluded(r, have=3)), "does not fit"),
    "more clusters than items": (on("by-group/A", lambda r: planned(r, have=1100)), "can't make up|left out"),
    "items where clusters are counted": (on("accuracy", lambda r: planned(r, items=None)), "do not add up"),
    "other clusters in all": (on("harmful-flips", lambda r: planned(r, have=900)), "same clusters|left out"),
    "slices with too few clusters": (
        lambda gates: [excluded(r, have=300, n=300) if r.name.startswith("by-group") else r for r in gates],
        "clusters in all slices|batch",
    ),
    "a gap of other groups": (on("gap/A | B", lambda r: planned(r, items=3900)), "in other gates"),
}


@pytest.mark.parametrize(("forge", "said"), OF_DOCUMENTS.values(), ids=OF_DOCUMENTS)
def test_sizes_of_clusters_can_not_be_made_up(
    forge: Callable[[Sequence[GateRecord]], list[GateRecord]], said: str
) -> None:
    plan, result = of_documents()
    with pytest.raises(ResultRefused, match=said):
        recompute(plan, retold(plan, result, forge(result.gates)))


def test_a_plan_without_clusters_counts_none() -> None:
    plan, result = with_repeats()
    forged = [planned(r, items=r.planned.have) if r.planned and r.name == "accuracy" else r for r in result.gates]
    with pytest.raises(ResultRefused, match="it counts clusters"):
        recompute(plan, retold(plan, result, forged))


@pytest.mark.parametrize("repeats", [0, 499, 501, 2000, -1])
def test_other_repeats_than_the_sizes_fall_short_by_are_refused(repeats: int) -> None:
    plan, result = with_repeats()
    with pytest.raises(ResultRefused, match=r"the packs declare|never negative"):
        recompute(plan, result.model_copy(update={"repeated_items": repeats}))


def test_a_slice_can_not_be_shrunk_by_more_than_the_repeats() -> None:
    plan, result = with_repeats()
    forged = on("by-group/A", lambda r: excluded(r, have=400, n=400))(result.gates)
    with pytest.raises(ResultRefused, match=r"add up|declare"):
        recompute(plan, retold(plan, result, forged))


def test_where_nothing_is_declared_gates_about_these_items_tell_how_many_there_are() -> None:
    kept = {"name": "kept", "metric": "MustPass", "sliceBy": "pack"}
    plan = a_plan(*GATES, kept, packs=[a_pack(slices=("group",), inputs=DataFile(uri="core.npz"))])
    world = a_world(repeated=np.arange(ITEMS) % 8 == 3)
    world.candidate[:] = world.right
    result = world.judged(plan)
    assert recompute(plan, result).outcome is Outcome.PASSED
    for repeats in (0, 499, 600):
        with pytest.raises(ResultRefused, match="do not add up"):
            recompute(plan, result.model_copy(update={"repeated_items": repeats}))


@pytest.mark.parametrize("kind", ["Accuracy", "DisagreementRate", "FairnessGap"])
def test_a_slice_of_nothing_but_copies_is_told_to_be_too_small(kind: str) -> None:
    """Otherwise who copies all its items into another slice would make its gate go, and nobody would see it."""
    cut = {"name": "cut", "metric": kind, "margin": "0.30", "sliceBy": "group", "underpowered": "HarmOnly"}
    plan = a_plan(GATES[0], cut, packs=[a_pack(slices=("group",), items=ITEMS, declared=(DECLARED,))])
    result = a_world(repeated=np.array(GROUPS) == "A").judged(plan)
    said = "cut/A | B" if kind == "FairnessGap" else "cut/A"
    assert result.outcome is Outcome.PASSED
    assert said in result.message.partition("left out of the promise: ")[2]
    assert recompute(plan, result).message == result.message


def test_a_slice_of_nothing_but_copies_is_refused_where_it_may_not_be_left_out() -> None:
    cut = {"name": "cut", "metric": "Accuracy", "margin": "0.30", "sliceBy": "group", "value": "A"}
    plan = a_plan(GATES[0], {**cut, "underpowered": "Refuse"}, packs=[a_pack(slices=("group",))])
    gates = expand(plan, a_world(repeated=np.array(GROUPS) == "A").items)
    assert [gate.name for gate in gates if gate.refused] == ["cut/A"]


@pytest.mark.whole
def test_more_clusters_than_a_record_holds_are_judged_on_those_it_holds() -> None:
    """And all of their items are run where the policy wants every one: that is no contradiction."""
    items = LEAST_CAP + 1000
    every = EvaluationLimits.model_validate({"everyItem": True})
    plan = a_plan(GATES[0], packs=[a_pack(cluster="document")], evaluation=every)
    result = World(np.zeros(items, np.int64), clusters=np.arange(items)).judged(plan)
    assert gate(result, "accuracy").n == LEAST_CAP
    assert recompute(plan, result).outcome is Outcome.PASSED
