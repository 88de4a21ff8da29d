"""What people and their tools read: conditions in every state, reasons with a meaning, messages that fit."""

import pytest
from paritygate.api import Condition, ConditionType, Decision, Reason
from paritygate.lifecycle import plan
from paritygate.lifecycle.conditions import shortened
from paritygate.lifecycle.durations import parse
from paritygate.lifecycle.reasons import EVALUATION_MEANINGS, meanings
from paritygate.lifecycle.reasons import Reason as LifecycleReason
from paritygate.serving import TargetReason

from ..serving.kserve_model import crashed
from . import builders
from .world import World


def _new() -> World:
    """As the API server makes it: the defaults of the CRD say that nobody looked yet."""
    world = World()
    pending = Condition(
        type="Reconciling",
        status="True",
        reason="Pending",
        message="waiting for the operator",
        last_transition_time="2026-11-21T11:00:00Z",
    )
    world._put(status=world.status.model_copy(update={"conditions": (pending,)}))
    return world


def test_a_new_object_is_working_before_and_after_the_first_look_and_the_transition_time_stays() -> None:
    world = _new()
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")
    assert world.condition("Reconciling").last_transition_time == "2026-11-21T11:00:00Z"
    assert world.condition("Ready").last_transition_time == "2026-11-21T12:00:00Z"


def test_every_condition_is_of_the_generation_that_was_looked_at() -> None:
    world = World()
    world.evaluated("fails")
    world.edit(owner={"team": "x", "contact": "y"})
    world.rest()
    assert {c.observed_generation for c in world.status.conditions} == {2}
    assert world.status.observed_generation == 2


def _lives() -> list[World]:
    """Worlds in many states."""
    lives = []
    for kind in ("passes", "fails", "ends-open"):
        world = World()
        world.evaluated(kind)
        lives.append(world)
    for share in (0, 10, 50):
        world = World()
        world.evaluated()
        world.until_share(share)
        lives.append(world)
        world = World()
        world.evaluated()
        world.until_share(share)
        world.serving_pods = [crashed(world.status.release.candidate_revision)]
        world.step()
        lives.append(world)
    lives += [World(policy=None), World(kserve=None), World()]
    return lives


def test_every_reason_that_shows_is_documented() -> None:
    known = meanings()
    for world in _lives():
        world.rest() if world.status.release is None else world.step()
        for condition in world.status.conditions:
            assert condition.reason in known
            assert len(condition.message) <= 1024
        world.standing()


def test_every_reason_has_a_meaning_and_one_only() -> None:
    assert set(EVALUATION_MEANINGS) == set(Reason)
    names = [reason.value for reason in (*LifecycleReason, *TargetReason, *Reason)]
    assert len(names) == len(set(names))
    assert all(meaning.endswith(".") for meaning in meanings().values())


def test_conditions_are_of_positive_polarity_and_known_types() -> None:
    for world in _lives():
        world.step()
        kinds = [condition.type for condition in world.status.conditions]
        assert len(kinds) == len(set(kinds))
        assert set(kinds) <= set(ConditionType)


def test_gates_are_told_worst_first_with_value_margin_interval_and_n() -> None:
    world = World()
    world.evaluated("fails")
    decisions = [gate.decision for gate in world.status.gates]
    assert decisions == sorted(decisions, key=[Decision.HARM, Decision.OPEN, Decision.PROVED].index)
    worst = world.status.gates[0]
    for part in ("accuracy lost", "[", "margin", "n=", "worse than allowed"):
        assert part in worst.message


def test_planned_says_what_has_to_be_proved() -> None:
    world = World()
    world.rest()
    assert world.condition("Planned").message == (
        "5 gates (3 hard) on core 1; alpha 0.05; the packs declare the items of no hard gate: power is planned "
        "when the labels are read"
    )


def test_the_subject_and_the_digests_are_told() -> None:
    world = World()
    world.rest()
    assert world.status.subject.baseline.uri == builders.A
    assert world.status.subject.candidate.digest == builders.SHA[builders.B]
    assert world.status.policy_digest
    digest = world.status.input_digest
    world.evaluated()
    assert world.status.verdict.input_digest == digest
    assert world.reports[world.status.verdict.report].spec.input_digest == digest


def test_the_report_holds_the_evidence_but_not_the_raw_times() -> None:
    world = World()
    world.evaluated()
    (report,) = world.reports.values()
    assert report.spec.gates == builders.gates("passes")
    assert report.spec.result_digest
    assert report.metadata.labels["paritygate.io/validation-uid"] == "uid-1"
    assert "latencyBlocks" not in report.dump()["spec"]


def test_the_same_observation_gives_the_same_plan_and_the_same_status_object() -> None:
    for world in _lives():
        assert plan(world.observe()) == plan(world.observe())


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("10m", 600), ("1.5h", 5400), ("500ms", 0.5), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "1d", "-5m"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse(text)


def test_a_message_that_is_too_long_says_that_it_was_cut() -> None:
    assert shortened("x" * 2000).endswith("…")
    assert len(shortened("x" * 2000)) == 1024
