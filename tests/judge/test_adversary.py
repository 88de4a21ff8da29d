"""Results that somebody shaped to pass: every one is refused, whatever verdict it states."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from paritygate.api import Check, CheckRecord, Decision, EvaluationPlan, EvaluationResult, GateRecord, Outcome, Reason
from paritygate.judge import (
    BOTH_RIGHT,
    LOST,
    ControlTally,
    Items,
    LatencyTally,
    ResultRefused,
    conclude,
    encode_blocks,
    expand,
    hard_gates,
    plan_digest,
    recompute,
    strict_json,
)
from paritygate.judge.gates import planned

from .conftest import CHECKED, a_plan, evaluate

ITEMS = 5000
IDS = [f"item-{i}" for i in range(ITEMS)]
SCANNERS = {"scanner": ["A"] * 4500 + ["B"] * 480 + ["C"] * 20}
"""C is too small to be proved: it can only fail the candidate."""

OVERALL, A, B, C, HARMFUL = range(5)

SLOW = {"name": "p95", "metric": "LatencyRatio", "limit": "1.10"}


@cache
def honest() -> tuple[EvaluationPlan, EvaluationResult]:
    """A candidate that passes; nothing is proved of C."""
    plan = a_plan()
    result = evaluate(plan, IDS, SCANNERS, np.full(ITEMS, BOTH_RIGHT))
    assert recompute(plan, result).outcome is Outcome.PASSED
    return plan, result


@dataclass(frozen=True)
class Forgery:
    """The gates of the honest result, to be changed."""

    gates: list[GateRecord]

    def change(self, index: int, **update: Any) -> "Forgery":
        gates = list(self.gates)
        gates[index] = gates[index].model_copy(update=update)
        return Forgery(gates)

    def have(self, index: int, items: int) -> "Forgery":
        planned = self.gates[index].planned
        assert planned is not None
        return self.change(index, planned=planned.model_copy(update={"have": items}))

    def without(self, index: int) -> "Forgery":
        return Forgery(self.gates[:index] + self.gates[index + 1 :])


def renamed(forgery: Forgery, index: int, value: str) -> Forgery:
    slice_ = forgery.gates[index].slice
    assert slice_ is not None
    return forgery.change(index, name=f"by-scanner/{value}", slice=slice_.model_copy(update={"value": value}))


GATES: dict[str, tuple[Callable[[Forgery], Forgery], str]] = {
    "a-slice-left-out": (lambda f: f.without(B), "missing or made up"),
    "a-slice-made-small-to-be-excluded": (lambda f: f.have(B, 20), "does not fit|missing or made up"),
    "a-slice-invented": (
        lambda f: Forgery([*f.gates, renamed(f, A, "D").gates[A]]),
        "missing or made up",
    ),
    "everything-made-large": (lambda f: f.have(OVERALL, 1_000_000), "missing or made up"),
    "an-excluded-slice-not-judged": (
        lambda f: f.change(C, n=0, n11=0, batch_log="", log_e=0.0, log_e_harm=0.0, estimate=None, interval=None),
        "the rest was left out",
    ),
    "items-that-ask-for-all-memory": (lambda f: f.have(OVERALL, 10**12), "at most"),
    "a-count-beyond-numbers": (lambda f: f.change(OVERALL, n10=10**400), "out of range"),
    "a-negative-count": (lambda f: f.change(OVERALL, n00=-1), "never negative"),
    "an-estimate-that-flatters": (lambda f: f.change(OVERALL, estimate=-0.05), "estimate -0.05 said"),
    "an-interval-that-flatters": (lambda f: f.change(OVERALL, interval=(-0.001, 0.0)), "no interval as narrow"),
    "an-interval-of-nothing": (lambda f: f.change(OVERALL, interval=(3.0, -3.0)), "no interval as narrow"),
    "a-margin-that-flatters": (lambda f: f.change(OVERALL, proven_margin=0.0001), "no margin as small"),
    "no-harm-shown": (lambda f: f.change(OVERALL, log_e_harm=-99.0), "log e harm -99.0 said"),
    "an-infinite-figure": (lambda f: f.change(OVERALL, estimate=float("inf")), "out of range"),
    "two-gates-that-saw-different-items": (
        lambda f: f.change(OVERALL, n10=1, n11=ITEMS - 1, batch_log="1,0 0,0*624"),
        "differ in what they saw",
    ),
    "a-soft-look-at-the-same-items-left-out": (lambda f: f.without(HARMFUL), "no gate is reported for harmful-flips"),
}


@pytest.mark.parametrize(("forge", "said"), GATES.values(), ids=GATES)
def test_gates_shaped_to_pass_are_refused(forge: Callable[[Forgery], Forgery], said: str) -> None:
    plan, result = honest()
    forged = result.model_copy(update={"gates": tuple(forge(Forgery(list(result.gates))).gates)})
    with pytest.raises(ResultRefused, match=said):
        recompute(plan, forged)


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"checks": ()}, "counts say Inconclusive"),
        ({"checks": tuple(c for c in CHECKED if c.name is not Check.FINITE)}, "counts say Inconclusive"),
        ({"checks": (*CHECKED, CheckRecord(name=Check.FINITE, ok=False))}, "counts say Failed"),
        ({"candidate_digest": None}, "digest of the candidate"),
        ({"baseline_digest": None}, "digest of the baseline"),
        ({"candidate_digest": "sha256:" + "f" * 64}, "ran a candidate of digest"),
        ({"items": 8}, "in the whole evaluation"),
        ({"items": 10**18}, "out of range"),
        ({"items": ITEMS + 1}, "the packs hold 5,000"),
        ({"harmful_flips": ITEMS + 1}, "more flips than"),
        ({"neutral_flips": -1}, "never negative"),
        ({"latency_blocks": encode_blocks(np.full((60, 4), 1000, np.int64))}, "without a quiet A/A control"),
        ({"outcome": Outcome.INCONCLUSIVE, "reason": Reason.UNDERPOWERED}, "nothing was judged"),
        ({"outcome": Outcome.ERROR, "reason": Reason.RUNNER_LOST}, "nothing was judged"),
    ],
)
def test_what_contradicts_the_gates_is_refused(update: dict[str, Any], said: str) -> None:
    plan, result = honest()
    with pytest.raises(ResultRefused, match=said):
        recompute(plan, result.model_copy(update=update))


def test_flips_that_the_gates_counted_can_not_be_left_out() -> None:
    plan, outcomes = a_plan(), np.full(ITEMS, BOTH_RIGHT)
    outcomes[::50] = LOST
    result = evaluate(plan, IDS, SCANNERS, outcomes)
    recompute(plan, result)
    with pytest.raises(ResultRefused, match="harmful flips counted, 0 in the whole"):
        recompute(plan, result.model_copy(update={"harmful_flips": 0}))


def test_an_evaluation_that_stopped_before_its_items_ended_is_not_inconclusive() -> None:
    plan = a_plan()
    result = evaluate(plan, IDS, SCANNERS, np.where(np.arange(ITEMS) % 100 == 0, LOST, BOTH_RIGHT))
    assert (result.outcome, result.reason) == (Outcome.INCONCLUSIVE, Reason.ITEMS_EXHAUSTED)
    overall = result.gates[OVERALL]
    cut = overall.model_copy(update={"planned": overall.planned.model_copy(update={"have": ITEMS + 8})})
    with pytest.raises(ResultRefused):
        recompute(plan, result.model_copy(update={"gates": (cut, *result.gates[1:])}))


def test_a_batch_that_ends_early_is_a_chosen_moment() -> None:
    plan, result = honest()
    overall = result.gates[OVERALL]
    assert overall.n % 8 == 0 or overall.n == ITEMS
    cut = overall.model_copy(update={"n": 13, "n11": 13, "batch_log": "0,0*2"})
    with pytest.raises(ResultRefused, match="ends within a batch"):
        recompute(plan, result.model_copy(update={"gates": (cut, *result.gates[1:])}))


def test_a_plan_with_two_claims_of_one_name_decides_nothing() -> None:
    plan = a_plan()
    soft = plan.claims[0].model_copy(update={"enforcement": "Soft"})
    twice = plan.model_copy(update={"claims": (*plan.claims, soft)})
    result = evaluate(plan, IDS, SCANNERS, np.full(ITEMS, BOTH_RIGHT))
    with pytest.raises(ResultRefused, match="two claims of one name"):
        recompute(twice, result.model_copy(update={"input_digest": plan_digest(twice)}))


@cache
def timed() -> tuple[EvaluationPlan, EvaluationResult]:
    """An honest result with a latency gate; the candidate is as fast."""
    plan = a_plan(SLOW, latency=True)
    draw = np.random.default_rng(3)
    blocks, aa = (draw.lognormal(13, 0.02, (600, 4)).astype(np.int64) for _ in range(2))
    gates = expand(plan, Items(IDS, SCANNERS))
    control, tally = ControlTally(plan), LatencyTally(next(g for g in gates if not g.power), plan, hard_gates(gates))
    control.add(aa)
    tally.add(blocks)
    items = evaluate(plan, IDS, SCANNERS, np.full(ITEMS, BOTH_RIGHT))
    records = (*items.gates, tally.record())
    verdict = conclude(plan, records, CHECKED, control.record())
    result = items.model_copy(
        update={
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "gates": records,
            "control": control.record(),
            "latency_blocks": encode_blocks(blocks),
            "control_blocks": encode_blocks(aa),
        }
    )
    assert recompute(plan, result).outcome is Outcome.PASSED
    return plan, result


def _timed(**update: Any) -> Callable[[EvaluationResult], dict[str, Any]]:
    return lambda r: {"gates": (*r.gates[:-1], r.gates[-1].model_copy(update=update))}


TIMES: dict[str, tuple[Callable[[EvaluationResult], dict[str, Any]], str]] = {
    "no-control": (lambda r: {"control": None}, "without a quiet A/A control"),
    "a-control-without-times": (lambda r: {"control_blocks": ""}, "its times say Noisy"),
    "a-control-of-other-figures": (
        lambda r: {"control": r.control.model_copy(update={"ratio": 0.5})},
        "ratio 0.5",
    ),
    "the-control-as-the-candidate": (lambda r: {"latency_blocks": r.control_blocks}, "those of the A/A control"),
    "times-of-nothing": (lambda r: {"latency_blocks": encode_blocks(np.zeros((600, 4), np.int64))}, "no time at all"),
    "more-times-than-planned": (
        lambda r: {"latency_blocks": encode_blocks(np.full((2001, 4), 9, np.int64))},
        "the plan allows 2,000",
    ),
    "a-look-out-of-turn": (_timed(pass_at=599), "do not prove"),
    "some-times-left-out": (_timed(n=550), "550 blocks claimed, 600 sent"),
    "a-ratio-that-flatters": (_timed(estimate=0.5), "estimate 0.5 said"),
    "an-interval-that-flatters": (_timed(interval=(0.49, 0.51)), "do not exclude"),
    "an-interval-upside-down": (_timed(interval=(2.0, 0.1)), "do not exclude"),
}


@pytest.mark.parametrize(("forge", "said"), TIMES.values(), ids=TIMES)
def test_times_shaped_to_pass_are_refused(forge: Callable[[EvaluationResult], dict[str, Any]], said: str) -> None:
    plan, result = timed()
    with pytest.raises(ResultRefused, match=said):
        recompute(plan, result.model_copy(update=forge(result)))


@pytest.mark.whole
def test_a_candidate_that_was_fast_and_then_slow_can_not_hide_the_harm() -> None:
    plan, result = timed()
    draw = np.random.default_rng(5)
    plan = plan.model_copy(update={"latency_blocks": 8000, "alpha_fail": "0.1"})
    blocks = draw.lognormal(13, 0.02, (8000, 4)).astype(np.int64)
    blocks[250:, 2:] *= 2
    gate = next(g for g in expand(plan, Items(IDS, SCANNERS)) if not g.power)
    tally = LatencyTally(gate, plan, 5)
    tally.add(blocks)
    record = tally.record()
    assert record.decision is Decision.HARM
    assert record.pass_at is not None
    as_passed, as_open = {"decision": Decision.PROVED}, {"decision": Decision.OPEN, "pass_at": None}
    for told in (as_passed, as_open):
        forged = record.model_copy(update={"harm_at": None, **told})
        update = {
            "input_digest": plan_digest(plan),
            "gates": (*result.gates[:-1], forged),
            "latency_blocks": encode_blocks(blocks),
        }
        with pytest.raises(ResultRefused, match="do not prove"):
            recompute(plan, result.model_copy(update=update))


def test_a_ratio_over_infinity_is_no_ratio() -> None:
    plan = a_plan({"name": "size", "metric": "SizeRatio", "limit": "0.5"})
    record = GateRecord(
        name="size",
        claim="size",
        decision="Proved",
        n=1,
        baseline_value=float("inf"),
        candidate_value=1.0,
        estimate=0.0,
    )
    result = evaluate(plan, IDS, SCANNERS, np.full(ITEMS, BOTH_RIGHT))
    forged = result.model_copy(
        update={"gates": (*result.gates, record), "outcome": Outcome.PASSED, "reason": Reason.ALL_GATES_PROVED}
    )
    with pytest.raises(ResultRefused, match="out of range"):
        recompute(plan, forged)


@pytest.mark.parametrize("missing", Check)
def test_passed_needs_every_check(missing: Check) -> None:
    plan, result = honest()
    checks = [check for check in CHECKED if check.name is not missing]
    verdict = conclude(plan, result.gates, checks, None)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert missing in verdict.message


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("enforcement", ["Soft", "DryRun"])
def test_what_does_not_decide_neither_fails_nor_passes_in_any_order(enforcement: str, reverse: bool) -> None:
    plan = a_plan({"name": "extra", "metric": "Accuracy", "margin": "0.001", "enforcement": enforcement})
    _, result = honest()
    lost = result.gates[OVERALL].model_copy(update={"name": "extra", "claim": "extra", "decision": Decision.HARM})
    records = [lost, *result.gates] if reverse else [*result.gates, lost]
    verdict = conclude(plan, records, CHECKED, None)
    assert verdict.outcome is Outcome.PASSED
    assert ("warning, Soft and worse than allowed: extra" in verdict.message) is (enforcement == "Soft")
    proved = lost.model_copy(update={"decision": Decision.PROVED})
    open_ = [gate.model_copy(update={"decision": Decision.OPEN}) for gate in result.gates]
    assert conclude(plan, [proved, *open_], CHECKED, None).outcome is Outcome.INCONCLUSIVE


def test_a_policy_of_soft_gates_only_passes_nothing() -> None:
    plan = a_plan()
    soft = plan.model_copy(
        update={"claims": tuple(claim.model_copy(update={"enforcement": "Soft"}) for claim in plan.claims)}
    )
    _, result = honest()
    verdict = conclude(soft, result.gates, CHECKED, None)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCONCLUSIVE, Reason.NO_HARD_GATE)


def test_power_for_more_items_than_there_can_be_takes_no_memory() -> None:
    plan = a_plan()
    for claim in plan.claims:
        assert planned(plan, claim, 1 << 24).power > 0.9


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1, "a": 2}', "{"])
def test_what_two_readers_would_read_differently_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"no number|twice|Expecting"):
        strict_json(text)
