"""How far an evaluation goes: every item where the policy wants it, no more than it allows; what a clean run says."""

import numpy as np
import pytest
from paritygate.api import Check, Decision, EvaluationPlan, EvaluationResult, Outcome, Reason, Tier
from paritygate.api.policy import EvaluationLimits
from paritygate.judge import (
    BOTH_RIGHT,
    LOST,
    UNKNOWN,
    WON,
    Column,
    InOrder,
    Items,
    Kind,
    ResultRefused,
    conclude,
    culprits,
    expand,
    finite_record,
    hard_gates,
    plan_digest,
    recompute,
)
from paritygate.judge.schedule import STEP, ItemGates
from paritygate.judge.wording import underpowered
from paritygate.stats.order import item_order

from tests.adversary.case import BASELINE, CANDIDATE, CHECKED, a_pack, a_plan

SIZE = 6000
IDS = [f"i{k}" for k in range(SIZE)]
COLUMNS = {"site": ["x", "y", "z"] * (SIZE // 3)}


class Answers:
    """Every item's outcome, known once it is revealed."""

    def __init__(self, outcomes: np.ndarray) -> None:
        self.outcomes, self.revealed = outcomes, np.zeros(len(outcomes), np.bool_)

    def view(self, name: str) -> "Answers":
        assert not name
        return self

    def read(self, column: Column, indices: np.ndarray) -> np.ndarray:
        assert column.kind is Kind.OUTCOME
        return np.where(self.revealed[indices], self.outcomes[indices], UNKNOWN)


def plan_of(*gates: dict[str, str], pack: dict[str, object] | None = None, **limits: object) -> EvaluationPlan:
    """A plan of these gates beside one on all items."""
    whole = {"name": "accuracy", "metric": "Accuracy", "margin": "0.02"}
    quiet = {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.03", "enforcement": "DryRun"}
    packs = [a_pack(**pack or {})]
    return a_plan(whole, quiet, *gates, packs=packs, evaluation=EvaluationLimits.model_validate(limits))


def flips(lost: int, won: int) -> np.ndarray:
    """Outcomes with so many flips, spread over the items."""
    outcomes = np.full(SIZE, BOTH_RIGHT)
    places = np.random.default_rng(5).permutation(SIZE)
    outcomes[places[:lost]], outcomes[places[lost : lost + won]] = LOST, WON
    return outcomes


def run(plan: EvaluationPlan, outcomes: np.ndarray, columns: dict[str, list[str]] = COLUMNS) -> EvaluationResult:
    """What the referee would print: items by the real schedule."""
    from paritygate.judge import order_seed

    items = Items(IDS, columns, order=item_order(order_seed(plan), IDS))
    gates = expand(plan, items)
    answers, judged = Answers(outcomes), ItemGates.of(plan, gates, items.judged_order)
    while step := judged.next(answers, STEP):
        answers.revealed[step[""]] = True
        judged.count(answers)
        if judged.failed():
            break
    seen, count = InOrder.of(gates, items, answers.revealed), int(answers.revealed.sum())
    clean = finite_record(plan, count, SIZE, seen.units)
    checks = (*(check for check in CHECKED if check.name is not Check.FINITE), clean)
    records = tuple(tally.record() for tally in judged.tallies)
    verdict = conclude(plan, records, checks, None)
    return EvaluationResult(
        input_digest=plan_digest(plan),
        outcome=verdict.outcome,
        reason=verdict.reason,
        message=verdict.message,
        gates=records,
        checks=checks,
        culprits=culprits(plan, judged.tallies, hard_gates(gates)),
        items=count,
        judged=count,
        items_in_order=seen.units,
        harmful_flips=int((outcomes[answers.revealed] == LOST).sum()),
        beneficial_flips=int((outcomes[answers.revealed] == WON).sum()),
        baseline_digest=BASELINE,
        candidate_digest=CANDIDATE,
    )


def test_a_clean_run_says_what_it_did_not_look_at() -> None:
    plan = a_plan()
    said = "no NaN or infinity in 576 of 10,000 items: with 95 % confidence fewer than 0.52 % give one"
    assert finite_record(plan, 576, 10_000, 576).message == said
    assert finite_record(plan, 900, 10_000, 576).message == f"{said.replace('576', '900')} (by the 576 drawn in order)"
    of_documents = a_plan(packs=[a_pack(cluster="document")])
    assert finite_record(of_documents, 900, 10_000, 576).message.endswith("(by the 576 clusters drawn in order)")
    whole = finite_record(plan, 10_000, 10_000, 10_000)
    assert whole.message == "no NaN or infinity in all 10,000 items: with 95 % confidence fewer than 0.03 % give one"
    assert finite_record(plan, 5, 10, 0).message == "no NaN or infinity in 5 of 10 items"


def test_every_item_is_run_where_the_policy_wants_it_and_no_gate_counts_more() -> None:
    some, every = (run(plan_of(everyItem=value), flips(0, 0)) for value in (False, True))
    assert (some.items, every.items) == (some.items_in_order, SIZE)
    assert some.items < SIZE
    assert every.items_in_order == SIZE
    assert [record.pass_at for record in every.gates] == [record.pass_at for record in some.gates]
    assert recompute(plan_of(everyItem=True), every).outcome is Outcome.PASSED


def test_a_broken_candidate_is_stopped_although_every_item_is_wanted() -> None:
    result = run(plan_of(everyItem=True), flips(3000, 0))
    assert (result.outcome, result.items < SIZE) == (Outcome.FAILED, True)
    assert recompute(plan_of(everyItem=True), result).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("tier", "limits", "every"),
    [
        (Tier.STANDARD, {}, False),
        (Tier.HIGH, {}, False),
        (Tier.SAFETY_CRITICAL, {}, True),
        (Tier.SAFETY_CRITICAL, {"everyItem": False}, False),
        (Tier.SAFETY_CRITICAL, {"maxItems": 5000}, False),
        (Tier.LOW, {"everyItem": True}, True),
    ],
)
def test_which_tier_runs_every_item(tier: Tier, limits: dict[str, object], every: bool) -> None:
    assert a_plan(tier=tier, evaluation=EvaluationLimits.model_validate(limits)).every_item is every


BY_SITE = {"name": "by-site", "metric": "Accuracy", "sliceBy": "site", "margin": "0.02", "enforcement": "Hard"}


@pytest.mark.parametrize("cap", [1200, 1400])
def test_the_cap_ends_an_open_evaluation_with_what_each_gate_lacks(cap: int) -> None:
    plan = plan_of(BY_SITE, pack={"slices": ("site",)}, maxItems=cap)
    result = run(plan, flips(60, 60))
    assert (result.outcome, result.reason) == (Outcome.INCONCLUSIVE, Reason.ITEMS_EXHAUSTED)
    assert result.judged == cap
    still_open = [
        record for record in result.gates if record.decision is Decision.OPEN and record.name != "harmful-flips"
    ]
    assert still_open
    for record in still_open[:3]:
        assert f"{record.name}: accuracy lost" in result.message
        assert record.missing is not None
    assert f"the {cap:,} items that evaluation.maxItems allows" in result.message
    assert "log evidence" in result.message
    assert recompute(plan, result).message == result.message


def test_a_cap_that_is_not_reached_changes_nothing() -> None:
    capped, free = run(plan_of(maxItems=4000), flips(5, 5)), run(plan_of(), flips(5, 5))
    assert capped.items == free.items < 4000
    assert [one.batch_log for one in capped.gates] == [one.batch_log for one in free.gates]
    assert recompute(plan_of(maxItems=4000), capped).outcome is Outcome.PASSED


def test_must_pass_items_come_before_all_others_under_a_cap() -> None:
    columns = {"pack": ["golden"] * 50 + ["core"] * (SIZE - 50)}
    gate = {"name": "golden", "metric": "MustPass", "sliceBy": "pack", "value": "golden", "underpowered": "Refuse"}
    plan = plan_of(gate, maxItems=1200)
    result = run(plan, flips(0, 0), columns)
    assert next(record for record in result.gates if record.name == "golden/golden").n == 50
    refused = expand(plan_of(gate, maxItems=64), Items(IDS, {"pack": ["golden"] * 100 + ["core"] * (SIZE - 100)}))[-1]
    assert refused.refused
    assert refused.power is not None
    assert (refused.power.needed, refused.power.have, refused.power.within) == (100, 100, 64)
    assert underpowered(refused.name, refused.claim, refused.power).endswith("allows 64: raise it")


def test_a_gate_that_the_cap_leaves_too_few_items_is_refused_before_a_device_is_taken() -> None:
    whole = expand(plan_of(maxItems=200), Items(IDS, {}))[0]
    assert whole.refused
    assert whole.power is not None
    assert (whole.power.have, whole.power.within) == (SIZE, 200)
    said = underpowered(whole.name, whole.claim, whole.power)
    assert said.startswith("accuracy: 200 of 6,000 items, which evaluation.maxItems allows, can't prove 2.00 points")
    assert "raise evaluation.maxItems" in said
    assert not expand(plan_of(maxItems=3000), Items(IDS, {}))[0].underpowered


def test_a_capped_locked_set_is_no_longer_certain_at_its_end() -> None:
    locked = {"inference": "LockedSet", "maxItems": 300}
    assert expand(plan_of(**locked), Items(IDS, {}))[0].refused
    assert not expand(plan_of(inference="LockedSet"), Items(IDS, {}))[0].refused


@pytest.mark.parametrize(
    ("limits", "change", "said"),
    [
        ({"maxItems": 1400}, {"judged": 1401}, "the plan allows 1,400"),
        ({"maxItems": 1400}, {"judged": 1000}, "are said to be judged|the rest was left out"),
        ({"maxItems": 1400}, {"items": 1395}, "are said to be judged"),
        ({"maxItems": 1400}, {"judged": 1399, "items": 1399}, "the rest was left out"),
        ({"everyItem": True}, {"items": 2000, "judged": 2000, "items_in_order": 2000}, "every item is to be run"),
        ({}, {"items_in_order": 8}, "a gate counted"),
    ],
)
def test_a_result_that_went_another_way_is_refused(
    limits: dict[str, object], change: dict[str, object], said: str
) -> None:
    plan = plan_of(BY_SITE, pack={"slices": ("site",)}, **limits)
    result = run(plan, flips(60, 60))
    with pytest.raises(ResultRefused, match=said):
        recompute(plan, result.model_copy(update=change))


@pytest.mark.parametrize(
    "change",
    [
        {"share_below": 0.0001},
        {"items": 6000},
        {"of_items": 10},
        {"message": "no NaN anywhere"},
        {"items": None},
        {"items": None, "message": ""},
    ],
)
def test_a_clean_run_can_not_say_more_than_it_looked_at(change: dict[str, object]) -> None:
    plan = plan_of()
    result = run(plan, flips(0, 0))
    forged = tuple(c.model_copy(update=change) if c.name is Check.FINITE else c for c in result.checks)
    with pytest.raises(ResultRefused, match="Finite"):
        recompute(plan, result.model_copy(update={"checks": forged}))
