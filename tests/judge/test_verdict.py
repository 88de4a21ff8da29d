import numpy as np
import pytest
from paritygate.api import Decision, GateRecord, Outcome, Reason, Technique
from paritygate.judge import (
    BOTH_RIGHT,
    LOST,
    UNKNOWN,
    Items,
    ItemTally,
    PlanError,
    ResultRefused,
    conclude,
    expand,
    order_seed,
    plan_digest,
    recompute,
)
from paritygate.judge.defaults import FLIP_RATES
from paritygate.judge.gates import planned

from .conftest import a_plan, evaluate


def test_an_equal_candidate_passes_and_its_counts_say_so_again(ids, columns):
    plan = a_plan()
    result = evaluate(plan, ids, columns, np.full(5000, BOTH_RIGHT))
    assert result.outcome is Outcome.PASSED
    assert recompute(plan, result).outcome is Outcome.PASSED
    by_name = {g.name: g for g in result.gates}
    assert by_name["accuracy"].pass_at < 700
    assert set(by_name) == {"accuracy", "by-scanner/A", "by-scanner/B", "harmful-flips"}


def test_a_candidate_that_lost_one_segment_fails_and_the_message_names_it(ids, columns):
    outcomes = np.full(5000, BOTH_RIGHT)
    outcomes[4500:4625] = LOST  # 25 points on scanner B, 2.5 overall
    result = evaluate(a_plan(), ids, columns, outcomes)
    assert result.outcome is Outcome.FAILED
    assert "by-scanner/B: accuracy lost 25.00 points" in result.message
    assert "margin 3.00 points" in result.message
    assert "n=500" in result.message


def test_ten_clean_items_are_inconclusive(ids, columns):
    plan = a_plan({"name": "accuracy", "metric": "Accuracy", "underpowered": "HarmOnly"})
    few, scanners = ids[:10], {"scanner": columns["scanner"][:10]}
    result = evaluate(plan, few, scanners, np.full(10, BOTH_RIGHT))
    assert result.outcome is Outcome.INCONCLUSIVE


def test_a_slice_too_small_to_prove_is_left_out_of_the_promise_by_name(ids, columns):
    scanners = {"scanner": ["A"] * 4980 + ["B"] * 20}
    result = evaluate(a_plan(), ids, scanners, np.full(5000, BOTH_RIGHT))
    assert result.outcome is Outcome.PASSED
    assert "left out of the promise: by-scanner/B" in result.message


def test_a_slice_too_small_to_prove_can_still_fail_the_candidate(ids):
    scanners = {"scanner": ["A"] * 4960 + ["B"] * 40}
    outcomes = np.full(5000, BOTH_RIGHT)
    outcomes[4960:] = LOST
    result = evaluate(a_plan(), ids, scanners, outcomes)
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.HARM_PROVED)
    assert "by-scanner/B" in result.message


@pytest.mark.parametrize(
    ("records", "because"),
    [
        ((), "no gate at all"),
        ((GateRecord(name="accuracy", claim="accuracy", decision=Decision.PROVED),), "a hard claim was not measured"),
        (
            tuple(
                GateRecord(name=n, claim=n, decision=Decision.NOT_PROVEN)
                for n in ("accuracy", "by-scanner", "harmful-flips")
            ),
            "every hard gate is excluded",
        ),
        (
            tuple(
                GateRecord(name=n, claim=n, decision=Decision.OPEN) for n in ("accuracy", "by-scanner", "harmful-flips")
            ),
            "every hard gate is open",
        ),
    ],
)
def test_nothing_defaults_to_passed(records, because):
    assert conclude(a_plan(), records, (), None).outcome is Outcome.INCONCLUSIVE, because


def test_each_gate_counts_strictly_in_its_own_order(ids, columns):
    plan = a_plan()
    overall, b = [g for g in expand(plan, Items(ids, columns)) if g.name in ("accuracy", "by-scanner/B")]
    outcomes = np.full(5000, UNKNOWN, np.int32)
    outcomes[b.sequence] = BOTH_RIGHT  # the slice was pulled ahead
    tally = ItemTally(overall, plan, 4)
    tally.count(outcomes.__getitem__)
    first_unknown = next(i for i, item in enumerate(overall.sequence) if outcomes[item] == UNKNOWN)
    assert tally.n == first_unknown // 8 * 8
    pulled = ItemTally(b, plan, 4)
    pulled.count(outcomes.__getitem__)
    assert pulled.n == 500


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: {"input_digest": "sha256:" + "f" * 64}, "input digest"),
        (lambda r: {"outcome": Outcome.FAILED, "reason": Reason.CHECK_FAILED}, "its counts say Passed"),
        (lambda r: {"gates": r.gates[:1]}, "no gate is reported for by-scanner, harmful-flips"),
        (lambda r: {"gates": (r.gates[0], *r.gates)}, "reported twice"),
        (lambda r: {"gates": (r.gates[0].model_copy(update={"pass_at": 8}), *r.gates[1:])}, "do not follow"),
        (lambda r: {"gates": (r.gates[0].model_copy(update={"log_e": 99.0}), *r.gates[1:])}, "recomputed"),
        (lambda r: {"gates": (r.gates[0].model_copy(update={"n": 99999}), *r.gates[1:])}, "does not fit"),
        (lambda r: {"gates": (r.gates[0].model_copy(update={"batch_log": "0,0*3"}), *r.gates[1:])}, "batches"),
        (lambda r: {"gates": (r.gates[0].model_copy(update={"n11": 1}), *r.gates[1:])}, "differ in what they saw"),
        (lambda r: {"gates": (r.gates[0].model_copy(update={"bet": "flip/2"}), *r.gates[1:])}, "the bet was 'flip/1"),
        (lambda r: {"gates": (r.gates[0].model_copy(update={"name": "mine"}), *r.gates[1:])}, "not one of the plan's"),
        (lambda r: {"reason": Reason.UNDERPOWERED}, "can't be for the reason"),
    ],
)
def test_a_result_that_does_not_follow_from_its_counts_is_refused(ids, columns, change, said):
    plan = a_plan()
    result = evaluate(plan, ids, columns, np.full(5000, BOTH_RIGHT))
    with pytest.raises(ResultRefused, match=said):
        recompute(plan, result.model_copy(update=change(result)))


def test_a_failed_verdict_can_not_be_turned_into_passed(ids, columns):
    plan, outcomes = a_plan(), np.full(5000, BOTH_RIGHT)
    outcomes[4500:4625] = LOST
    result = evaluate(plan, ids, columns, outcomes)
    forged = result.model_copy(update={"outcome": Outcome.PASSED, "reason": Reason.ALL_GATES_PROVED})
    with pytest.raises(ResultRefused, match="its counts say Failed"):
        recompute(plan, forged)


@pytest.mark.parametrize(
    ("gate", "field"),
    [
        ({"name": "x", "metric": "Accuracy"}, r"gates\[0\] \(x\)\.margin"),
        ({"name": "accuracy", "metric": "SizeRatio", "limit": "1"}, "another name"),
        ({"name": "x", "metric": "Accuracy", "margin": "0.000000001"}, "must lie between 0.0001 and 1"),
        ({"name": "x", "metric": "SizeRatio"}, r"gates\[0\] \(x\)\.limit"),
        ({"name": "x", "metric": "Accuracy", "margin": "0.01", "sliceBy": "language"}, "declared there: scanner"),
    ],
)
def test_a_policy_that_can_not_be_judged_is_refused_before_anything_runs(gate, field):
    with pytest.raises(PlanError, match=field):
        a_plan(gate)


def test_the_digest_changes_with_what_decides_and_with_nothing_else():
    assert plan_digest(a_plan()) == plan_digest(a_plan())
    changed = a_plan({"name": "accuracy", "metric": "Accuracy", "margin": "0.02"})
    assert plan_digest(changed) != plan_digest(a_plan())


@pytest.mark.parametrize("technique", Technique)
def test_ten_thousand_items_are_enough_for_the_standard_tier_whatever_the_technique(technique):
    plan = a_plan().model_copy(update={"technique": technique, "flip_rate": FLIP_RATES[technique]})
    for claim in plan.claims:
        if claim.slice_by is None:
            assert planned(plan, claim, 10_000).power > 0.5, claim.name


def test_another_spelling_of_a_number_draws_no_other_order_of_items():
    plan = a_plan()
    spelled = plan.model_copy(update={"alpha": "0.0500"})
    assert order_seed(spelled) == order_seed(plan)
    assert order_seed(plan.model_copy(update={"alpha": "0.051"})) != order_seed(plan)


def test_a_smaller_file_alone_is_no_proof_that_the_answers_are_as_good():
    plan = a_plan({"name": "size", "metric": "SizeRatio", "limit": "1"})
    size = GateRecord(name="size", claim="size", decision=Decision.PROVED, n=1, baseline_value=2.0, candidate_value=1.0)
    excluded = tuple(
        GateRecord(name=c.name, claim=c.name, decision=Decision.NOT_PROVEN) for c in plan.claims if c.name != "size"
    )
    verdict = conclude(plan, (size, *excluded), (), None)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.NO_HARD_GATE)
