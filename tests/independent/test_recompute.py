"""What the product's judge prints is what a second judge, written from the statistics document alone, derives."""

import json
import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate.api import CheckRecord, Claim, Enforcement, EvaluationPlan, EvaluationResult

from .evaluations import CHECKED, Behaviour, a_plan, claim, evaluate
from .recompute import Again, recompute

CERTAIN = 1e6
"""How a record writes infinite log wealth: JSON has none."""

ACCURACY = claim("accuracy", "Accuracy")
BY_ITEM = (
    ACCURACY,
    claim("by-group", "Accuracy", "0.08", sliceBy="group"),
    claim("recall", "Recall", "0.1"),
    claim("abstention", "AbstentionRate", "0.06", confidence="0.5"),
    claim("harmful", "HarmfulFlipRate", "0.04"),
    claim("differs", "DisagreementRate", "0.03"),
    claim("must-pass", "MustPass", None),
    claim("brier", "Brier", "0.01"),
    claim("log-loss", "LogLoss", "0.02"),
    claim("label-error", "LabelError", "0.0125"),
    claim("error", "AbsoluteError", "0.03", cap="25.0"),
    claim("neighbours", "NeighbourPrecision", "0.05"),
    claim("neighbours-changed", "NeighbourChange", "0.05"),
    claim("cosine", "CosineChange", "0.02"),
)
OF_ONE_CLASS = (
    claim("precision", "Precision"),
    claim("f1", "FBeta", "0.06"),
    claim("f-half", "FBeta", "0.07", beta="0.5"),
    claim("jaccard", "Jaccard", "0.09"),
)
FIGURES = (
    claim("size", "SizeRatio", None, limit="1.10"),
    claim("memory", "PeakMemoryRatio", None, limit="1.0"),
    claim("calibration", "CalibrationError", "0.02", enforcement="Soft"),
    claim("stability", "PopulationStability", None, limit="0.1", enforcement="Soft"),
)
LATENCY = claim("p50", "LatencyRatio", None, limit="1.25", quantile="0.5")


def judged_again(plan: EvaluationPlan, result: EvaluationResult) -> Again:
    """Both as JSON, as a record holds them; raises where the second judge says something else."""
    printed = json.loads(json.dumps(result.dump(), allow_nan=False))
    again = recompute(json.loads(json.dumps(plan.dump())), printed)
    assert again.input_digest == printed["inputDigest"]
    assert list(again.gates) == [gate["name"] for gate in printed["gates"]]
    for gate in printed["gates"]:
        _same_gate(gate, again)
    named = {one["gate"]: one["adjusted"] for one in printed["culprits"]}
    assert named == pytest.approx(dict(again.culprits), rel=1e-9, abs=1e-300)
    assert again.control == printed.get("control", {}).get("state")
    assert (printed["outcome"], printed["reason"]) == (again.outcome, again.reason), printed["message"]
    return again


def _same_gate(gate: dict[str, Any], again: Again) -> None:
    other = again.gates[gate["name"]]
    said = (gate["name"], gate["decision"], gate.get("passAt"), gate.get("harmAt"))
    assert said == (other.name, other.decision, other.pass_at, other.harm_at)
    for key, wealth in (("logE", other.log_e), ("logEHarm", other.log_e_harm)):
        assert (key in gate) == (wealth is not None)
        if wealth is not None:
            expected = CERTAIN if math.isinf(wealth) else wealth
            # A gap's bet is a billionth where a guess IS the mean believed: which of two bets is rounding alone.
            rounding = 1e-6 if gate["bet"].startswith("gap/") else 1e-9
            assert gate[key] == pytest.approx(expected, rel=1e-9, abs=rounding), f"{gate['name']} {key}"
    if other.estimate is not None:
        assert gate["estimate"] == pytest.approx(other.estimate, rel=1e-9, abs=1e-12)


SEEDS = st.integers(0, 2**32 - 1)
EQUAL = Behaviour(items=500, harmful=0.004, beneficial=0.004, differs=0.002, shift=-0.001)
WORSE = Behaviour(items=400, harmful=0.3, beneficial=0.01, differs=0.2, shift=0.1, spread=0.05)
UNCLEAR = Behaviour(items=90, harmful=0.04, beneficial=0.01, differs=0.03, shift=0.005, spread=0.1)


def test_every_kind_of_evidence_is_judged_twice_alike_in_all_three_outcomes():
    decided: dict[str, set[str]] = defaultdict(set)
    for one in (*BY_ITEM, *OF_ONE_CLASS, *FIGURES):
        for seed, how in enumerate((EQUAL, WORSE, UNCLEAR)):
            if one.metric == "MustPass" and how is EQUAL:
                how = replace(EQUAL, harmful=0.0)
            plan = a_plan([one] if one is ACCURACY else [ACCURACY, one])
            figures = {one.name: (1000.0, 1300.0 if how is WORSE else 1000.0)}
            again = judged_again(plan, evaluate(plan, replace(how, figures=figures), seed))
            decided["outcome"].add(again.outcome)
            decided[one.name] |= {gate.decision for gate in again.gates.values() if gate.name.startswith(one.name)}
    assert decided.pop("outcome") == {"Passed", "Failed", "Inconclusive"}
    assert [name for name, both in decided.items() if not {"Proved", "Harm"} <= both] == []


@pytest.mark.parametrize("inference", ["Superpopulation", "LockedSet"])
@pytest.mark.parametrize("how", [EQUAL, WORSE, UNCLEAR], ids=["equal", "worse", "unclear"])
def test_a_policy_with_many_gates_is_judged_twice_alike(how, inference):
    mixed = [one.model_copy(update={"enforcement": Enforcement.SOFT}) for one in BY_ITEM[::5]]
    plan = a_plan(
        [*mixed, *(one for one in BY_ITEM if one.name not in {soft.name for soft in mixed})], inference=inference
    )
    for seed in range(3):
        judged_again(plan, evaluate(plan, how, seed))


@pytest.mark.parametrize("inference", ["Superpopulation", "LockedSet"])
@pytest.mark.parametrize("how", [EQUAL, WORSE, UNCLEAR], ids=["equal", "worse", "unclear"])
def test_clusters_of_items_are_judged_twice_alike(how, inference):
    for one in BY_ITEM:
        plan = in_clusters(a_plan([ACCURACY, one] if one is not ACCURACY else [one], inference=inference))
        again = judged_again(plan, evaluate(plan, replace(how, items=4 * how.items), seed=5))
        if how is WORSE:
            assert again.gates["accuracy"].decision == "Harm"


def in_clusters(plan: EvaluationPlan) -> EvaluationPlan:
    pack = plan.packs[0].model_copy(update={"cluster": "document"})
    return plan.model_copy(update={"packs": (pack,)})


@pytest.mark.parametrize("inference", ["Superpopulation", "LockedSet"])
def test_harm_counts_when_both_sides_have_closed(inference):
    plan = a_plan([ACCURACY, claim("harmful", "HarmfulFlipRate", "0.04")], inference=inference)
    again = judged_again(plan, evaluate(plan, replace(EQUAL, turn=0.8)))
    assert all(gate.pass_at < gate.harm_at for gate in again.gates.values())
    assert (again.outcome, again.reason) == ("Failed", "HarmProved")


def test_gates_that_counted_nothing_yet_are_of_the_family_too():
    """Slices that are looked at one after another until one is named: 20 at the margin name one in 6.4 %, not 5 %."""
    plan = a_plan([claim("by-group", "Accuracy", "0.05", sliceBy="group")], alphaFail="0.2")
    result = evaluate(plan, replace(EQUAL, items=100, harmful=0.25, beneficial=0.01, stop=0.2), seed=9)
    assert [gate.n for gate in result.gates] == [16, 0]
    judged_again(plan, result)


@pytest.mark.parametrize(("candidate", "alpha"), [(1, "0.030396355"), (2, "0.007599089")])
def test_candidates_tried_on_one_set_share_alpha(candidate, alpha):
    """Candidates that share alpha need more: the second judge sees the latch move."""
    plan = a_plan([ACCURACY], alphaBudget=True, candidateNumber=candidate)
    again = judged_again(plan, evaluate(plan, EQUAL))
    alone = a_plan([ACCURACY], alpha=alpha)
    assert again.gates["accuracy"].pass_at == judged_again(alone, evaluate(alone, EQUAL)).gates["accuracy"].pass_at


BEHAVIOURS = st.builds(
    Behaviour,
    items=st.sampled_from([400, 200, 60, 8, 7, 1]),
    right=st.sampled_from([0.95, 0.6, 0.4]),
    harmful=st.sampled_from([0.0, 0.005, 0.02, 0.06, 0.2, 0.6]),
    beneficial=st.sampled_from([0.0, 0.01, 0.05, 0.2]),
    differs=st.sampled_from([0.0, 0.01, 0.06, 1.0]),
    shift=st.sampled_from([-0.3, 0.0, 0.004, 0.02, 0.1, 0.5]),
    spread=st.sampled_from([0.0, 0.01, 0.1, 0.6]),
    stop=st.sampled_from([1.0, 1.0, 0.7, 0.1]),
    power=st.sampled_from([0.95, 0.6, 0.3]),
)
ENFORCEMENTS = st.sampled_from([*[Enforcement.HARD] * 3, Enforcement.SOFT, Enforcement.DRY_RUN])


@st.composite
def plans(draw: st.DrawFn, claims: tuple[Claim, ...], most: int) -> EvaluationPlan:
    """Some of these claims, under a policy that somebody might write."""
    chosen = draw(st.lists(st.sampled_from(claims), min_size=1, max_size=most, unique_by=lambda one: one.name))
    return a_plan(
        [
            one.model_copy(update={"enforcement": draw(ENFORCEMENTS)}) if one.enforcement is Enforcement.HARD else one
            for one in chosen
        ],
        alpha=draw(st.sampled_from(["0.5", "0.1", "0.05", "0.01", "0.001"])),
        alphaFail=draw(st.sampled_from(["0.05", "0.2"])),
        flipRate=draw(st.sampled_from(["0.03", "0.015", "0.12"])),
        alphaBudget=draw(st.booleans()),
        candidateNumber=draw(st.sampled_from([1, 2, 5])),
        inference=draw(st.sampled_from(["Superpopulation", "LockedSet"])),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(plan=plans(BY_ITEM, 5), how=BEHAVIOURS, seed=SEEDS)
def test_items_of_any_kind_are_judged_twice_alike(plan, how, seed):
    judged_again(plan, evaluate(plan, how, seed))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(plan=plans(OF_ONE_CLASS, 1), how=BEHAVIOURS, seed=SEEDS)
def test_ratios_of_one_class_are_judged_twice_alike(plan, how, seed):
    judged_again(plan, evaluate(plan, how, seed))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    plan=plans((ACCURACY, *FIGURES), 5),
    how=BEHAVIOURS,
    candidate=st.sampled_from([1.0, 0.9, 1.05, 1.1, 1.1000001, 1.3]),
    seed=SEEDS,
)
def test_figures_are_judged_twice_alike(plan, how, candidate, seed):
    figures = {"size": (1e9, 1e9 * candidate), "memory": (3.0, 3 * candidate), "calibration": (1.0, candidate)}
    judged_again(plan, evaluate(plan, replace(how, figures=figures), seed))


FAIRNESS = claim("gap", "FairnessGap", "0.08", sliceBy="group")


@pytest.mark.parametrize(
    ("how", "decision"),
    [
        (replace(EQUAL, items=700), "Proved"),
        (replace(EQUAL, items=700, harmful=0.5, unfair=True), "Harm"),
        (replace(EQUAL, items=700, harmful=0.4), "Open"),
        (replace(EQUAL, items=60, power=0.2), "NotProven"),
        (replace(EQUAL, items=700, turn=0.6, unfair=True), "Proved"),
        (replace(EQUAL, items=700, stop=0.02), "Open"),
    ],
)
def test_the_gap_between_two_groups_is_judged_twice_alike(how, decision):
    plan = a_plan([ACCURACY, FAIRNESS], flipRate="0.06", alpha="0.1")
    for seed in range(2):
        again = judged_again(plan, evaluate(plan, how, seed))
        assert again.gates["gap/a | b"].decision == decision


@settings(max_examples=8, deadline=None, derandomize=True)
@given(plan=plans((FAIRNESS, ACCURACY), 2), how=BEHAVIOURS, unfair=st.booleans(), seed=SEEDS)
def test_gaps_of_any_size_are_judged_twice_alike(plan, how, unfair, seed):
    judged_again(plan, evaluate(plan, replace(how, unfair=unfair), seed))


TIMED = a_plan([ACCURACY, LATENCY], latencyBlocks=380)
QUIET = replace(EQUAL, blocks=380, control_blocks=380)


@pytest.mark.parametrize(
    ("how", "outcome", "reason"),
    [
        (QUIET, "Passed", "AllGatesProved"),
        (replace(QUIET, slowdown=1.5), "Failed", "HarmProved"),
        (replace(QUIET, slowdown=1.25), "Inconclusive", "ItemsExhausted"),
        (replace(QUIET, blocks=0), "Inconclusive", "ItemsExhausted"),
        (replace(QUIET, control_blocks=0), "Inconclusive", "NoisyNode"),
        (replace(QUIET, slowdown=1.5, control_blocks=9), "Inconclusive", "NoisyNode"),
        (replace(QUIET, control_slowdown=1.3), "Error", "BiasedHarness"),
        (replace(QUIET, control_slowdown=1 / 1.3), "Error", "BiasedHarness"),
        (replace(QUIET, control_blocks=9, harmful=0.4), "Failed", "HarmProved"),
        (replace(QUIET, control_blocks=9, items=30, power=0.1), "Inconclusive", "NoHardGate"),
    ],
)
def test_latency_is_judged_twice_alike_and_believed_beside_a_quiet_control_only(how, outcome, reason):
    again = judged_again(TIMED, evaluate(TIMED, how))
    assert (again.outcome, again.reason) == (outcome, reason)


def test_tails_and_several_limits_are_judged_twice_alike():
    tails = [claim(f"p{q}", "LatencyRatio", None, limit="1.10", quantile=f"0.{q}") for q in (50, 95, 99)]
    plan = a_plan([ACCURACY, *tails, claim("wide", "LatencyRatio", None, limit="1.30", quantile="0.9")])
    again = judged_again(plan, evaluate(plan, replace(QUIET, blocks=300, control_blocks=50)))
    assert {gate.decision for gate in again.gates.values()} == {"Proved", "Open"}


BROKEN = (*CHECKED[1:], CheckRecord(name=CHECKED[0].name, ok=False, message="it does not load"))


@pytest.mark.parametrize(
    ("how", "checks", "left_out", "reason"),
    [
        (EQUAL, CHECKED, (), "AllGatesProved"),
        (EQUAL, BROKEN, (), "CheckFailed"),
        (WORSE, BROKEN, (), "CheckFailed"),
        (EQUAL, CHECKED[:5], (), "ItemsExhausted"),
        (WORSE, CHECKED[:5], (), "HarmProved"),
        (EQUAL, (), (), "ItemsExhausted"),
        (EQUAL, CHECKED, ("accuracy",), "ItemsExhausted"),
        (WORSE, CHECKED, ("accuracy",), "HarmProved"),
        (EQUAL, CHECKED, ("accuracy", "harmful"), "NoHardGate"),
        (replace(UNCLEAR, items=10, power=0.2), CHECKED, (), "NoHardGate"),
        (replace(UNCLEAR, items=10), CHECKED, (), "ItemsExhausted"),
    ],
)
def test_checks_and_what_was_not_measured_are_judged_twice_alike(how, checks, left_out, reason):
    plan = a_plan([ACCURACY, claim("harmful", "HarmfulFlipRate", "0.05")])
    again = judged_again(plan, evaluate(plan, how, checks=checks, left_out=left_out))
    assert again.reason == reason


@pytest.mark.parametrize(
    "one",
    [
        claim("must-pass", "MustPass", None),
        claim("abstention", "AbstentionRate", "0.06", confidence="0.5"),
        claim("size", "SizeRatio", None, limit="1.0"),
        claim("noisy", "Accuracy", "0.05", perturbation="noise"),
    ],
    ids=lambda one: one.name,
)
def test_nothing_passes_without_a_proof_about_the_answers(one):
    plan = a_plan([one])
    again = judged_again(plan, evaluate(plan, replace(EQUAL, harmful=0.0)))
    assert {gate.decision for gate in again.gates.values()} == {"Proved"}
    assert (again.outcome, again.reason) == ("Inconclusive", "NoHardGate")


def test_a_long_log_is_unpacked():
    plan = a_plan([claim("brier", "Brier", "0.01")])
    result = evaluate(plan, replace(UNCLEAR, items=6000))
    assert result.gates[0].batch_log.startswith("z:")
    judged_again(plan, result)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("outcome",), "Passed"),
        (("gates", 0, "decision"), "Proved"),
        (("gates", 0, "logE"), 9.0),
        (("gates", 0, "passAt"), 80),
        (("gates", 0, "harmAt"), 8),
        (("inputDigest",), "sha256:" + "1" * 64),
        (("culprits",), []),
    ],
)
def test_a_forged_record_is_seen(path, value):
    plan = a_plan([ACCURACY])
    honest = evaluate(plan, WORSE)
    judged_again(plan, honest)
    forged = json.loads(json.dumps(honest.dump()))
    *way, last = path
    place = forged
    for step in way:
        place = place[step]
    place[last] = value
    with pytest.raises(AssertionError):
        judged_again(plan, EvaluationResult.model_validate(forged))
