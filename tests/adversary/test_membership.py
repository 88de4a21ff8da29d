"""A result can't leave out, exchange or shrink what would have failed the candidate."""

from functools import cache

import numpy as np
import pytest
from paritygate.api import Decision, EvaluationPlan, EvaluationResult, Outcome, Technique
from paritygate.judge import ResultRefused, recompute

from .case import World, a_pack, a_plan, changed, excluded, gate, retold

ITEMS = 4000
F_BETA = {"name": "f", "metric": "FBeta", "margin": "0.08", "underpowered": "HarmOnly"}
CRITICAL = {"name": "critical-2", "metric": "Recall", "value": "2", "margin": "0.05"}
LAX = (
    {"name": "accuracy", "metric": "Accuracy", "margin": "0.15"},
    {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.20"},
)


def two_classes(losing: float = 0.0) -> World:
    """One item in ten is of class 1; of these the candidate loses a share."""
    world = World((np.arange(ITEMS) % 10 == 0).astype(np.int64))
    lost = np.flatnonzero(world.right == 1)[: round(losing * ITEMS / 10)]
    world.candidate[lost] = 0
    return world


@cache
def undecided() -> tuple[EvaluationPlan, EvaluationResult]:
    """F1 of class 1 is neither proved nor refuted: it lost about as much as its margin."""
    plan = a_plan(*LAX, F_BETA)
    world = two_classes(losing=0.12)
    np.random.default_rng(0).shuffle(world.right)
    world.baseline, world.candidate = world.right.copy(), world.right.copy()
    rare = np.flatnonzero(world.right == 1)
    world.candidate[rare[:50]] = 0
    result = world.judged(plan)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert gate(result, "f/1").decision is Decision.OPEN
    assert recompute(plan, result).outcome is Outcome.INCONCLUSIVE
    return plan, result


def test_gates_of_a_class_are_believed_when_they_are_honest() -> None:
    world = World(np.arange(ITEMS) % 4)
    for plan in (
        a_plan({"name": "precision", "metric": "Precision", "margin": "0.05"}),
        a_plan(*LAX, technique=Technique.PRUNED),
        a_plan(*LAX, CRITICAL, packs=[a_pack(critical_classes=("2",))]),
    ):
        result = world.judged(plan)
        assert any(record.slice for record in result.gates)
        assert recompute(plan, result).outcome is Outcome.PASSED


@pytest.mark.parametrize("share", [0.0001, 0.0, 7.0, -1.0, None])
def test_a_class_can_not_be_made_so_rare_that_nothing_had_to_be_proved(share: float | None) -> None:
    plan, result = undecided()
    forged = [excluded(record, share=share) if record.name == "f/1" else record for record in result.gates]
    if share is None:
        bare = forged[-1].planned.model_copy(update={"share": None})
        forged[-1] = forged[-1].model_copy(update={"planned": bare})
    with pytest.raises(ResultRefused, match=r"a share of|None is none"):
        recompute(plan, retold(plan, result, forged))


def test_a_class_can_not_be_left_out() -> None:
    plan, result = undecided()
    forged = retold(plan, result, [record for record in result.gates if record.name != "f/1"])
    assert forged.outcome is Outcome.PASSED
    with pytest.raises(ResultRefused, match="one is left"):
        recompute(plan, forged)


def test_another_class_does_not_stand_in_for_a_critical_one() -> None:
    plan = a_plan(*LAX, packs=[a_pack(critical_classes=("1",))])
    other = a_plan(*LAX, packs=[a_pack(critical_classes=("0",))])
    world = two_classes(losing=0.5)
    result, instead = world.judged(plan), gate(world.judged(other), "critical-0/0")
    assert result.outcome is Outcome.FAILED
    put = [
        instead.model_copy(update={"name": "critical-1/0", "claim": "critical-1"}) if r.name == "critical-1/1" else r
        for r in result.gates
    ]
    with pytest.raises(ResultRefused, match="not one of the plan's"):
        recompute(plan, retold(plan, result, put))


@cache
def of_groups() -> tuple[EvaluationPlan, EvaluationResult]:
    """C is worse off than A and B."""
    plan = a_plan(
        *LAX,
        {"name": "by-group", "metric": "Accuracy", "margin": "0.30", "sliceBy": "group"},
        {"name": "gap", "metric": "FairnessGap", "margin": "0.05", "sliceBy": "group", "underpowered": "HarmOnly"},
        packs=[a_pack(slices=("group",))],
    )
    world = World(np.zeros(ITEMS, np.int64), {"group": [("A", "B", "C")[k % 3] for k in range(ITEMS)]})
    world.candidate[(np.arange(ITEMS) % 3 == 2) & (np.arange(ITEMS) % 7 == 0)] = 1
    result = world.judged(plan)
    assert result.outcome is Outcome.FAILED
    assert recompute(plan, result).outcome is Outcome.FAILED
    return plan, result


@pytest.mark.parametrize("left", [("gap/B | C",), ("gap/A | C", "gap/B | C")])
def test_pairs_can_not_be_left_out(left: tuple[str, ...]) -> None:
    plan, result = of_groups()
    forged = retold(plan, result, [record for record in result.gates if record.name not in left])
    with pytest.raises(ResultRefused, match="gap: "):
        recompute(plan, forged)


def test_a_group_can_not_be_made_small() -> None:
    plan, result = of_groups()
    forged = [
        excluded(r, share=0.0005, harm_at=None) if r.name in ("gap/B | C", "gap/A | C") else r for r in result.gates
    ]
    with pytest.raises(ResultRefused, match="a share of"):
        recompute(plan, retold(plan, result, forged))


def test_sizes_are_those_that_the_packs_declare() -> None:
    world = two_classes()
    plan, more = (a_plan(packs=[a_pack(items=items)]) for items in (ITEMS, ITEMS + 1))
    assert recompute(plan, world.judged(plan)).outcome is Outcome.PASSED
    with pytest.raises(ResultRefused, match="4,000 items, the packs declare 4,001"):
        recompute(more, world.judged(more))


def test_a_must_pass_pack_is_judged_whole() -> None:
    packs = [a_pack("core", items=ITEMS - 400), a_pack("golden", items=400, must_pass=True)]
    plan = a_plan(*LAX, packs=packs)
    world = World(np.zeros(ITEMS, np.int64), {"pack": ["core"] * (ITEMS - 400) + ["golden"] * 400})
    lost = ITEMS - 1
    world.candidate[lost] = 1
    result = world.judged(plan)
    name = "must-pass-golden/golden"
    assert gate(result, name).decision is Decision.HARM
    whole = gate(result, name)
    n = 8 * (whole.harm_at // 8 - 1) if whole.harm_at > 8 else 392
    kept = {"n": n, "n10": 0, "n11": n, "batch_log": f"0,0*{n // 8}", "harm_at": None, "pass_at": n, "estimate": 0.0}
    forged = [changed(r, have=n, decision=Decision.PROVED, **kept) if r.name == name else r for r in result.gates]
    told = retold(plan, result, forged).model_copy(update={"culprits": ()})
    assert told.outcome is Outcome.PASSED
    with pytest.raises(ResultRefused, match="the packs declare 400"):
        recompute(plan, told)
