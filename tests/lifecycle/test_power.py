"""Power by the sizes that packs declare: said in figures, and refused before a device is taken."""

from typing import Any

import pytest
from paritygate.api import Outcome

from . import builders
from .world import World


def _languages(**sizes: int) -> dict[str, Any]:
    """A pack of these many items a language."""
    values = [{"value": language, "items": items} for language, items in sizes.items()]
    return {"items": sum(sizes.values()), "slices": [{"column": "language", "items": values}]}


def _world(spec: dict[str, Any], **policy: Any) -> World:
    return World(packs={"core": builders.pack(spec=spec)}, policy=builders.policy(**policy))


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "too-few-items-in-all": (
        {"items": 300},
        {},
        ("accuracy: 300 items can't prove 1.00 points; about 4,120 items are needed, or a margin of",),
    ),
    "a-locked-set-would-do": (
        {"items": 1200},
        {},
        ("evaluation.inference: LockedSet (a claim about these items only, under which 1 of 1 gates can be proved)",),
    ),
    "a-locked-set-is-judged-already": (
        {"items": 50},
        {"evaluation": {"inference": "LockedSet"}},
        ("harmful-flips: 50 items can't prove 3.00 points", "Add items, widen the margin, or write underpowered"),
    ),
    "a-slice-that-must-be-proved": (
        _languages(en=9000, sw=40),
        {"gates": [{"name": "by-language", "metric": "Accuracy", "underpowered": "Refuse"}]},
        ("by-language/sw: 40 items can't prove 3.00 points",),
    ),
    "many-gates": (
        _languages(**{f"l{i}": 60 for i in range(8)}),
        {"tier": "High"},
        ("(and ", " more gates)"),
    ),
}


@pytest.mark.parametrize(("spec", "policy", "said"), REFUSED.values(), ids=REFUSED)
def test_what_can_not_be_proved_is_inconclusive_before_a_device_is_taken(
    spec: dict[str, Any], policy: dict[str, Any], said: tuple[str, ...]
) -> None:
    world = _world(spec, **policy)
    world.rest()
    assert world.standing() == ("False", "Underpowered")
    assert world.status.verdict.outcome is Outcome.INCONCLUSIVE
    assert world.jobs == {}
    assert world.patches == []
    planned = world.condition("Planned")
    assert (planned.status, planned.reason, planned.message) == ("False", "Underpowered", world.message())
    for part in (*said, "No device was taken"):
        assert part in world.message()
    assert "AttemptStarted" not in world.event_reasons()
    assert world.event_reasons() == ["Inconclusive"]


def test_the_report_of_a_refusal_says_what_each_gate_needs_and_has() -> None:
    world = _world(_languages(en=300, sw=40))
    world.rest()
    (report,) = world.reports.values()
    assert (report.spec.attempts, report.spec.items, report.spec.result_digest) == (0, 0, None)
    needs = {gate.name: (gate.decision, gate.planned.have, gate.missing) for gate in report.spec.gates}
    assert needs["accuracy"] == ("Open", 340, 3780)
    assert needs["by-language/sw"][:2] == ("NotProven", 40)
    assert {gate.slice.value for gate in report.spec.gates if gate.slice} == {"en", "sw"}
    assert any("not started, 340 items of about 4,120 needed" in gate.message for gate in world.status.gates)


STARTED: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "plenty": ({"items": 200_000}, {}, ("weakest: ", "accuracy: 200,000 items, about 4,120 needed (", "% power)")),
    "a-small-slice-that-may-be-left-out": (
        _languages(en=9000, sw=40),
        {},
        ("weakest (1 too small to be proved: they can only fail the candidate): by-language/sw: 40 items can't",),
    ),
    "sizes-unknown": ({}, {}, ("the packs declare the items of no hard gate: power is planned when the labels",)),
    "a-corpus-of-unknown-size": (
        {
            "task": "Embedding",
            "items": 50,
            "slices": [{"column": "role"}],
            "corpus": {"column": "role", "value": "corpus"},
        },
        {},
        ("the packs declare the items of no hard gate",),
    ),
}


@pytest.mark.parametrize(("spec", "policy", "said"), STARTED.values(), ids=STARTED)
def test_what_can_be_proved_starts_and_planned_says_with_how_much_power(
    spec: dict[str, Any], policy: dict[str, Any], said: tuple[str, ...]
) -> None:
    world = _world(spec, **policy)
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")
    assert len(world.jobs) == 1
    planned = world.condition("Planned")
    assert (planned.status, planned.reason) == ("True", "Planned")
    for part in said:
        assert part in planned.message


def test_power_is_planned_once_for_the_same_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    world = _world({"items": 200_000})
    world.rest()
    told = world.condition("Planned").message
    monkeypatch.setattr("paritygate.lifecycle.conditions.weakest", lambda plan: pytest.fail("simulated again"))
    world.rest()
    assert world.condition("Planned").message == told


def test_a_wider_pack_is_a_new_plan_and_goes_on() -> None:
    world = _world({"items": 300})
    world.rest()
    assert world.standing() == ("False", "Underpowered")
    world.packs = {"core": builders.pack(), "more": builders.pack("more", {"items": 200_000})}
    world.edit(packs=[{"name": "more"}])
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")


@pytest.mark.parametrize("kill_after", range(3))
def test_killed_between_any_two_writes_a_refusal_is_written_once(kill_after: int) -> None:
    world = _world({"items": 300})
    world.kill_after = kill_after
    world.rest()
    assert world.standing() == ("False", "Underpowered")
    assert len(world.reports) == 1
    assert world.jobs == {}


def test_an_evaluation_that_runs_already_is_not_ended_by_another_plan_of_its_power(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = _world({"items": 300})
    with monkeypatch.context() as patched:
        patched.setattr("paritygate.lifecycle.stages.refused_gates", lambda plan: ())
        world.rest()
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")
    assert len(world.jobs) == 1
