"""Whole lives of a validation, from apply to rest."""

import pytest
from paritygate.api import Outcome, ReleaseOutcome
from paritygate.lifecycle import plan
from paritygate.lifecycle.model import CreateJob, PatchTarget

from ..serving.kserve_model import A, B, crashed
from . import builders
from .world import FINALIZER, World


def test_a_candidate_that_is_as_good_is_promoted() -> None:
    world = World()
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")
    assert world.condition("Planned").status == "True"
    world.evaluated("passes")
    assert world.status.verdict.outcome is Outcome.PASSED
    assert world.patches == []
    release = world.settle()
    assert release.outcome is ReleaseOutcome.PROMOTED
    world.rest()
    assert world.standing() == ("True", "Promoted")
    assert world.condition("Promoted").status == "True"
    assert world.kserve.users() == {B: 100}
    assert FINALIZER not in world.validation.metadata.finalizers
    told = ["AttemptStarted", "Passed", "ReleaseStarted", "StepLive", "StepLive", "StepLive", "Promoted"]
    assert world.event_reasons() == told


def test_a_candidate_that_is_worse_is_refused_and_the_target_never_touched() -> None:
    world = World()
    world.evaluated("fails")
    world.rest()
    assert world.standing() == ("False", "HarmProved")
    assert "accuracy lost" in world.message()
    assert "margin 1.00 points" in world.message()
    assert world.condition("Passed").status == "False"
    assert world.condition("Promoted").reason == "NotPassed"
    assert world.status.gates[0].decision == "Harm"
    assert world.patches == []
    assert world.kserve.users() == {A: 100}


def test_too_few_items_is_inconclusive_and_moves_nothing() -> None:
    world = World()
    world.evaluated("ends-open")
    world.rest()
    assert world.standing()[0] == "False"
    assert world.status.verdict.outcome is Outcome.INCONCLUSIVE
    assert world.condition("Passed").status == "Unknown"
    assert world.patches == []


def test_a_candidate_that_cannot_hold_its_traffic_is_rolled_back() -> None:
    world = World()
    world.evaluated()
    world.until_share(10)
    world.serving_pods = [crashed(world.status.release.candidate_revision)]
    world.step()
    assert world.standing() == ("Unknown", "RollingBack")
    world.settle()
    world.rest()
    assert world.standing() == ("False", "RolledBack")
    assert "OOMKilled" in world.message()
    assert "the candidate's share was 0 % 2.0 s after the breach" in world.message()
    assert "spec.candidate" in world.message()
    assert world.condition("Promoted").reason == "CandidatePodsFailing"
    assert world.kserve.users() == {A: 100}
    assert world.status.verdict.outcome is Outcome.PASSED  # the verdict is a fact; the release is another
    assert FINALIZER not in world.validation.metadata.finalizers
    assert world.event_reasons()[-3:] == ["CandidatePodsFailing", "ShareZero", "RolledBack"]


def test_a_verdict_without_release_moves_nothing_and_needs_no_target() -> None:
    release = builders.VERDICT_ONLY
    world = World(builders.validation(target=None, baseline=builders.BASELINE, release=release), kserve=None)
    world.evaluated()
    world.rest()
    assert world.standing() == ("True", "Passed")
    assert world.condition("Promoted") is None


@pytest.mark.parametrize("kind", ["passes", "fails", "ends-open"])
def test_at_rest_there_is_nothing_to_do_and_nothing_to_write(kind: str) -> None:
    world = World()
    world.evaluated(kind)
    if kind == "passes":
        world.settle()
    world.rest()
    world.pass_time(hours=5)
    decided = plan(world.observe())
    assert decided.actions == ()
    assert decided.status == world.status
    assert decided.events == ()
    assert decided.requeue_after is None


def test_a_life_without_a_release_takes_few_writes() -> None:
    world = World(builders.validation(release=builders.VERDICT_ONLY))
    world.evaluated()
    world.rest()
    assert world.writes <= 8
    assert world.status_writes <= 3


def test_a_release_writes_two_records_and_one_patch_a_step() -> None:
    world = World()
    world.evaluated()
    before = world.writes
    world.settle()
    world.rest()
    # Introduce, two shifts, promote: a record of the intent, the patch, a record of its effect; two finalizer writes.
    assert world.writes - before <= 4 * 3 + 3


def test_the_verdict_is_persisted_before_the_release_is_thought_of() -> None:
    world = World()
    world.rest()
    world.report_result(builders.result(world.evaluator_plan()))
    while world.status.verdict is None:
        assert world.status.release is None
        world.step()
    assert world.status.release is None
    assert world.reports[world.status.verdict.report].spec.outcome is Outcome.PASSED


def test_a_patch_follows_its_record_and_its_finalizer() -> None:
    world = World()
    world.evaluated()
    starts = world.step()
    assert not [a for a in starts.actions if isinstance(a, PatchTarget)]
    assert world.status.release.intent.write == "Introduce"
    assert FINALIZER in world.validation.metadata.finalizers
    assert [type(a) for a in world.step().actions] == [PatchTarget]


def test_the_report_outlives_the_validation_and_a_namesake_is_judged_anew() -> None:
    world = World()
    world.evaluated("fails")
    (name,) = world.reports
    metadata = world.validation.metadata.model_copy(update={"uid": "uid-2"})
    world.validation = builders.validation().model_copy(update={"metadata": metadata})
    world.jobs.clear()
    decided = world.step()
    assert [type(a) for a in decided.actions] == [CreateJob]
    world.evaluated()
    assert len(world.reports) == 2
    assert name in world.reports
