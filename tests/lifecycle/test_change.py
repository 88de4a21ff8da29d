"""What changes under way: an edited spec, a deletion, a rival, a policy; and a kill at every write."""

from typing import Any

import pytest
from paritygate.api import CompressionValidation, ReleaseOutcome, ReleaseStatus
from paritygate.lifecycle import plan
from paritygate.lifecycle.model import CreateJob, DeleteJob

from ..serving.kserve_model import A, B, C, crashed, settled
from . import builders
from .world import FINALIZER, KilledError, World

OTHER = {"uri": C, "digest": builders.SHA[C], "technique": "Int8Static"}


def test_a_spec_edited_during_the_evaluation_starts_a_fresh_run_and_the_old_result_never_counts() -> None:
    world = World()
    world.rest()
    old, old_plan = world.job(), world.evaluator_plan()
    world.edit(candidate=OTHER)
    decided = world.step()
    assert [type(a) for a in decided.actions] == [DeleteJob, CreateJob]
    assert old not in world.jobs
    world.report_result(builders.result(old_plan))
    world.rest()
    assert world.standing() == ("False", "ResultRefused")


def test_a_spec_edited_mid_canary_goes_back_first_and_then_runs_afresh() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.edit(candidate=OTHER)
    world.step()
    assert world.standing() == ("Unknown", "RollingBack")
    assert world.status.verdict is None
    assert world.settle().reason == "Superseded"
    assert world.kserve.users() == {A: 100}
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")
    assert world.evaluator_plan().candidate.uri == C
    assert world.evaluator_plan().baseline.uri == A
    assert world.status.release is None
    world.evaluated()
    assert world.settle().outcome is ReleaseOutcome.PROMOTED
    assert world.kserve.users() == {C: 100}


def test_a_spec_edited_to_something_unknown_mid_canary_goes_back_too() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.edit(policy="none-such")
    world.policy = None
    assert world.settle().reason == "Superseded"
    world.rest()
    assert world.standing() == ("False", "PolicyNotFound")
    assert world.kserve.users() == {A: 100}


@pytest.mark.parametrize(
    "edit",
    [
        {"owner": {"team": "t", "contact": "c"}},
        {"release": {"mode": "Canary", "steps": [{"percent": 10}, {"percent": 100}]}},
    ],
    ids=["owner", "steps"],
)
def test_an_edit_that_changes_no_input_keeps_verdict_and_release(edit: dict[str, Any]) -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.edit(**edit)
    assert world.settle().outcome is ReleaseOutcome.PROMOTED
    assert len(world.jobs) == 1
    world.edit(owner={"team": "x", "contact": "y"})
    world.rest()
    assert world.standing() == ("True", "Promoted")
    assert len(world.reports) == 1


def test_a_release_no_longer_wanted_is_taken_back() -> None:
    world = World()
    world.evaluated()
    world.until_share(50)
    world.edit(release=builders.VERDICT_ONLY)
    assert world.settle().reason == "Withdrawn"
    assert world.kserve.users() == {A: 100}
    world.rest()
    assert world.standing() == ("True", "Passed")


def test_a_policy_edited_after_the_verdict_changes_nothing() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.policy = builders.policy(tier="High")
    assert world.settle().outcome is ReleaseOutcome.PROMOTED
    world.policy = world.pool = None
    world.rest()
    assert world.standing() == ("True", "Promoted")
    assert plan(world.observe()).actions == ()


def test_a_policy_edited_during_the_evaluation_asks_for_a_fresh_run() -> None:
    world = World()
    world.rest()
    world.policy = builders.policy(alpha="0.01")
    assert [type(a) for a in world.step().actions] == [DeleteJob, CreateJob]
    assert world.evaluator_plan().alpha == "0.01"


def test_a_report_that_is_taken_away_takes_the_traffic_with_it() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.reports.clear()
    assert world.settle().reason == "EvidenceMissing"
    assert world.kserve.users() == {A: 100}


@pytest.mark.parametrize("share", [0, 10, 50])
def test_a_validation_deleted_mid_canary_goes_back_before_it_goes(share: int) -> None:
    world = World()
    world.evaluated()
    world.until_share(share)
    world.delete()
    assert not world.gone
    world.settle()
    world.rest()
    assert world.gone
    assert world.kserve.users() == {A: 100}
    assert (world.kserve.uri, world.kserve.percent) == (A, None)


@pytest.mark.parametrize("when", ["new", "evaluating", "failed", "promoted"])
def test_a_validation_that_has_nothing_to_move_back_goes_at_once(when: str) -> None:
    world = World()
    if when != "new":
        world.rest()
    if when == "failed":
        world.evaluated("fails")
    if when == "promoted":
        world.evaluated()
        world.settle()
        world.rest()
    world.delete()
    assert world.gone
    assert plan(world.observe()).actions == ()


def test_a_deleted_validation_starts_nothing() -> None:
    world = World()
    metadata = world.validation.metadata.model_copy(update={"finalizers": ("somebody.example/hold",)})
    world._put(metadata=metadata)
    world.delete()
    decided = plan(world.observe())
    assert (decided.actions, decided.status) == ((), world.status)


def test_a_held_release_is_taken_back_when_its_validation_is_deleted() -> None:
    steps = [{"percent": 10, "hold": "30s"}, {"percent": 100}]
    world = World(builders.validation(release={"mode": "Canary", "steps": steps, "onFailed": "Hold"}))
    world.evaluated()
    world.until_share(10)
    world.serving_pods = [crashed(world.status.release.candidate_revision)]
    assert world.settle().outcome is ReleaseOutcome.HELD
    world.rest()
    assert world.standing() == ("False", "CandidatePodsFailing")
    assert world.kserve.users() == {A: 90, B: 10}
    assert FINALIZER in world.validation.metadata.finalizers
    world.delete()
    world.settle()
    world.rest()
    assert world.gone
    assert world.kserve.users() == {A: 100}


def test_a_release_frozen_by_a_stranger_is_reported_and_lets_go() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.kserve.change(percent=60)
    assert world.settle().outcome is ReleaseOutcome.HELD
    world.rest()
    assert world.standing() == ("False", "ForeignChange")
    assert "canaryTrafficPercent" in world.message()
    world.delete()
    assert world.gone


def test_without_its_finalizer_no_further_write_is_made_until_it_is_back() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world._put(metadata=world.validation.metadata.model_copy(update={"finalizers": ()}))
    assert world.settle().outcome is ReleaseOutcome.PROMOTED  # the World refuses a patch without it


def test_a_spec_that_names_another_target_waits_to_see_the_old_one() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.edit(target={"inferenceService": "other"})
    decided = world.step()
    assert decided.actions == ()
    assert world.standing() == ("Unknown", "RollingBack")
    assert "waiting to see InferenceService fraud" in world.message()
    assert world.status.release.outcome is None


def _rival(name: str, created: str, **update: Any) -> CompressionValidation:
    made = builders.validation()
    metadata = made.metadata.model_copy(update={"name": name, "uid": f"uid-{name}", "creation_timestamp": created})
    return made.model_copy(update={"metadata": metadata, **update})


EARLIER, LATER = "2026-11-21T10:00:00Z", "2026-11-21T11:30:00Z"


def _with_release(rival: CompressionValidation, outcome: ReleaseOutcome | None) -> CompressionValidation:
    release = ReleaseStatus(input_digest=builders.SHA[A], target="fraud", outcome=outcome)
    return rival.model_copy(update={"status": rival.status.model_copy(update={"release": release})})


def _ended(rival: CompressionValidation, kind: str) -> CompressionValidation:
    world = World()
    world.evaluated("fails")
    world.rest()
    assert world.condition(kind) is not None
    return rival.model_copy(update={"status": world.status})


def test_of_two_validations_the_older_goes_first_and_the_other_says_for_whom_it_waits() -> None:
    world = World(rivals=[_rival("older", EARLIER)])
    world.rest()
    assert world.standing() == ("Unknown", "WaitingForTarget")
    assert "taken by CompressionValidation older: it was created first" in world.message()
    assert world.jobs == {}
    world.rivals = [_ended(world.rivals[0], "Stalled")]
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")


def test_a_rival_that_was_edited_after_its_end_competes_again() -> None:
    rival = _ended(_rival("older", EARLIER), "Stalled")
    edited = rival.model_copy(update={"metadata": rival.metadata.model_copy(update={"generation": 2})})
    world = World(rivals=[edited])
    world.rest()
    assert world.standing() == ("Unknown", "WaitingForTarget")


def test_equal_ages_are_told_apart_by_name() -> None:
    same = builders.validation().metadata.creation_timestamp
    first, last = World(rivals=[_rival("zebra", same)]), World(rivals=[_rival("ape", same)])
    first.rest()
    last.rest()
    assert (first.standing()[1], last.standing()[1]) == ("Evaluating", "WaitingForTarget")


def test_a_release_in_flight_goes_first_whatever_its_age() -> None:
    world = World(rivals=[_with_release(_rival("younger", LATER), None)])
    world.rest()
    assert world.standing() == ("Unknown", "WaitingForTarget")
    assert "its release is in flight" in world.message()
    world.rivals = [_with_release(_rival("younger", LATER), ReleaseOutcome.PROMOTED)]
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")


def test_a_release_of_our_own_in_flight_waits_for_nobody() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.rivals = [_rival("older", EARLIER)]
    assert world.settle().outcome is ReleaseOutcome.PROMOTED


def test_a_verdict_only_waits_just_while_somebody_moves_the_target() -> None:
    release = builders.VERDICT_ONLY
    world = World(builders.validation(release=release), rivals=[_rival("older", EARLIER)])
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")
    world = World(builders.validation(release=release), rivals=[_with_release(_rival("older", EARLIER), None)])
    world.rest()
    assert world.standing() == ("Unknown", "WaitingForTarget")


def test_an_evaluation_that_runs_is_not_interrupted_but_its_release_waits() -> None:
    world = World()
    world.rest()
    world.rivals = [_with_release(_rival("younger", LATER), None)]
    world.evaluated()
    world.rest()
    assert world.standing() == ("Unknown", "WaitingForTarget")
    assert world.message().startswith("Passed, and not released")
    assert world.patches == []


def _tell(world: World, kind: str) -> None:
    """A whole life, whoever dies on the way."""
    for _ in range(400):
        try:
            world.step()
        except KilledError:
            continue
        running = [job for job in world.jobs if "containerStatuses" not in world.pods[job]["status"]]
        if running and world.status.attempts:
            world.report_result(builders.result(world.evaluator_plan(), kind))
        if world.kserve is not None:
            world.kserve.settle()
        world.pass_time(seconds=2)
        ready = world.condition("Ready")
        if ready and ready.status != "Unknown" and world.status.verdict:
            world.rest()
            return
    raise AssertionError(world.status)


@pytest.mark.parametrize("kind", ["passes", "fails"])
def test_killed_before_any_of_its_writes_the_end_is_the_same(kind: str) -> None:
    whole = World(kserve=settled(before=C))
    _tell(whole, kind)
    for write in range(whole.writes):
        world = World(kserve=settled(before=C), kill_after=write)
        _tell(world, kind)
        assert world.kill_after is None or world.kill_after >= 0
        assert world.standing() == whole.standing()
        assert world.patches == whole.patches
        assert list(world.jobs) == list(whole.jobs)
        assert list(world.reports) == list(whole.reports)
        assert world.kserve.users() == whole.kserve.users()
        assert world.validation.metadata.finalizers == ()


def test_killed_before_any_write_of_a_roll_back_the_way_is_the_same() -> None:
    def tell(world: World) -> None:
        for _ in range(300):
            try:
                world.step()
            except KilledError:
                continue
            world.kserve.settle()
            world.pass_time(seconds=2)
            if world.status.release.outcome is not None:
                world.rest()
                return
        raise AssertionError(world.status.release)

    def crash() -> World:
        world = World(kserve=settled(before=C))
        world.evaluated()
        world.until_share(50)
        world.patches.clear()
        world.writes = 0
        world.serving_pods = [crashed(world.status.release.candidate_revision)]
        return world

    whole = crash()
    tell(whole)
    for write in range(whole.writes):
        world = crash()
        world.kill_after = write
        tell(world)
        assert world.patches == whole.patches
        assert world.standing() == ("False", "RolledBack")
        assert world.kserve.users() == {A: 100}
