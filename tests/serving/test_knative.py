"""A release on KServe's Knative mode, told step by step."""

from dataclasses import replace
from datetime import timedelta

import pytest
from paritygate.api import ReleaseOutcome, TrafficWrite
from paritygate.serving import (
    Recall,
    Record,
    TargetReason,
    Wait,
    Write,
    advance,
    canary_as_left,
    instants,
    read_target,
    reopened,
)

from .harness import COURSE, NOON, Flight, at_share, intends
from .kserve_model import A, B, C, crashed, pod, settled

RECALL = Recall(TargetReason.DELETED, "the validation was deleted")
WAY_BACK = [
    {"canaryTrafficPercent": 0},
    {"canaryTrafficPercent": 0, "model": {"storageUri": A}},
    {"canaryTrafficPercent": None},
]


def test_a_candidate_that_holds_is_promoted_in_steps_and_nobody_ever_gets_a_third_model() -> None:
    flight = Flight(settled(before=C))
    assert flight.fly().outcome is ReleaseOutcome.PROMOTED
    assert flight.writes == [
        {"canaryTrafficPercent": 0, "model": {"storageUri": B}},
        {"canaryTrafficPercent": 10},
        {"canaryTrafficPercent": 50},
        {"canaryTrafficPercent": None},
    ]
    assert flight.seen == [{A: 100}, {B: 10, A: 90}, {B: 50, A: 50}, {B: 100}]
    assert flight.release.effective_percent == 100


def test_each_share_holds_for_its_time_and_the_hold_of_100_is_spent_below_it_with_the_baseline_warm() -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    live = flight.now
    flight.fly(until=at_share(50))
    assert flight.now - live >= timedelta(seconds=30)
    live = flight.now
    flight.fly(until=intends(TrafficWrite.PROMOTE))
    assert flight.now - live >= timedelta(seconds=90)


def test_without_a_step_below_100_the_candidate_is_introduced_at_zero_first() -> None:
    flight = Flight(settled(), course=replace(COURSE, steps=COURSE.steps[2:]))
    flight.fly()
    assert flight.writes[0]["canaryTrafficPercent"] == 0
    assert flight.seen == [{A: 100}, {B: 100}]


def test_steps_edited_on_the_way_are_taken_up_by_percent() -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    flight.course = replace(COURSE, steps=(replace(COURSE.steps[1], percent=80), COURSE.steps[2]))
    flight.fly()
    assert flight.seen == [{A: 100}, {B: 10, A: 90}, {B: 80, A: 20}, {B: 100}]


def test_ready_with_the_old_status_confirms_nothing() -> None:
    flight = Flight(settled())
    flight.move()
    assert flight.kserve.manifest()["status"]["conditions"][0]["status"] == "True"
    for _ in range(5):
        assert isinstance(flight.move(), Wait)


def test_the_two_entries_must_name_different_revisions() -> None:
    flight = Flight(settled(failing={B}))
    flight.move()
    flight.kserve.settle()
    assert isinstance(flight.move(), Wait)
    assert not flight.release.candidate_revision


def test_an_introduction_counts_only_when_the_route_shows_both_models() -> None:
    flight = Flight(settled())
    flight.move()
    for reconciler in ("kserve_spec", "knative_configuration", "pods", "kserve_status"):
        getattr(flight.kserve, reconciler)()
    assert flight.kserve.status["latestReadyRevision"] == flight.kserve.status["latestCreatedRevision"]
    assert isinstance(flight.move(), Wait)


def test_a_shift_counts_only_when_the_data_plane_shows_it() -> None:
    flight = Flight(settled())
    flight.fly(until=intends(TrafficWrite.SHIFT))
    assert isinstance(flight.move(), Write)
    assert isinstance(flight.move(), Wait)
    flight.kserve.settle()
    assert isinstance(flight.move(), Record)


def test_no_share_is_raised_while_the_newest_revision_is_not_ready() -> None:
    flight = Flight(settled())
    flight.fly(until=intends(TrafficWrite.SHIFT))
    sight = flight.sight()
    assert sight.target is not None
    assert isinstance(advance(flight.release, COURSE, sight), Write)
    for unready in ({"ready": False}, {"latest_ready": flight.release.baseline_revision}):
        assert isinstance(
            advance(flight.release, COURSE, replace(sight, target=replace(sight.target, **unready))), Wait
        )


def test_a_share_that_is_lost_for_too_long_is_a_failure() -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    sight = flight.sight()
    assert sight.target is not None
    unready = replace(sight, target=replace(sight.target, ready=False, trouble="RevisionFailed"))
    assert isinstance(advance(flight.release, COURSE, unready), Wait)
    move = advance(flight.release, COURSE, replace(unready, now=flight.now + timedelta(minutes=11)))
    assert isinstance(move, Record)
    assert move.release.back
    assert "RevisionFailed" in move.release.message


def test_recalled_before_the_candidates_revision_exists_it_waits_for_it() -> None:
    # The baseline's URI at percent 0 now would be a percent alone on a settled target: everybody to the model before.
    flight = Flight(settled(before=C))
    assert isinstance(flight.move(), Write)
    flight.course = replace(COURSE, recall=RECALL)
    assert isinstance(flight.move(), Record)
    for _ in range(3):
        assert isinstance(flight.move(), Wait)
    assert flight.fly().outcome is ReleaseOutcome.ROLLED_BACK
    assert flight.seen == [{A: 100}]


def test_the_percent_stays_while_the_baselines_revision_is_not_the_newest_ready_one() -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    flight.course = replace(COURSE, recall=RECALL)
    flight.fly(until=intends(TrafficWrite.SETTLE))
    flight.kserve.change(annotations={"team": "risk"})
    for reconciler in ("kserve_spec", "knative_configuration", "kserve_status"):
        getattr(flight.kserve, reconciler)()
    assert isinstance(flight.move(), Wait)
    assert flight.fly().outcome is ReleaseOutcome.ROLLED_BACK


@pytest.mark.parametrize("share", [10, 50])
@pytest.mark.parametrize("before", ["", C], ids=["first-model", "a-model-before"])
def test_a_crash_in_the_canary_takes_three_writes_back(share: int, before: str) -> None:
    flight = Flight(settled(before=before))
    flight.fly(until=at_share(share))
    flight.writes.clear()
    flight.pods = [crashed(flight.release.candidate_revision)]
    release = flight.fly()
    assert (release.outcome, release.reason) == (ReleaseOutcome.ROLLED_BACK, "CandidatePodsFailing")
    assert "exit code 137 (OOMKilled), 1 restarts" in release.message
    assert flight.writes == WAY_BACK
    assert flight.kserve.users() == {A: 100}
    assert (flight.kserve.uri, flight.kserve.percent) == (A, None)
    assert release.breached_at is not None
    assert release.zero_at is not None
    assert instants.read(release.zero_at) - instants.read(release.breached_at) < timedelta(seconds=10)


def test_on_the_way_back_nobody_gets_the_rejected_model() -> None:
    flight = Flight(settled(before=C))
    flight.fly(until=at_share(50))
    flight.pods = [crashed(flight.release.candidate_revision)]
    flight.fly(until=lambda f: f.share() == 0)
    flight.seen.clear()
    flight.fly()
    assert flight.seen == [{A: 100}]


def test_hold_keeps_the_share_and_can_be_taken_back_later() -> None:
    flight = Flight(settled(), course=replace(COURSE, hold_on_failure=True))
    flight.fly(until=at_share(10))
    flight.pods = [crashed(flight.release.candidate_revision)]
    assert flight.fly().outcome is ReleaseOutcome.HELD
    assert flight.share() == 10
    target = read_target(flight.kserve.manifest())
    assert canary_as_left(flight.release, target)
    flight.course = replace(COURSE, recall=RECALL)
    flight.release = reopened(flight.release, flight.course, flight.sight()).release
    assert flight.fly().outcome is ReleaseOutcome.ROLLED_BACK
    assert flight.kserve.users() == {A: 100}


def test_a_candidate_that_never_gets_ready_goes_back_at_the_deadline() -> None:
    flight = Flight(settled(before=C, failing={B}))
    release = flight.fly()
    assert (release.outcome, release.reason) == (ReleaseOutcome.ROLLED_BACK, "ProgressDeadlineExceeded")
    assert flight.seen == [{A: 100}]
    assert flight.now - NOON > COURSE.progress_deadline


def test_a_candidate_that_crashes_while_it_starts_goes_back_at_the_second_crash() -> None:
    flight = Flight(settled(failing={B}))
    flight.move()
    flight.kserve.settle()
    flight.pods = [crashed(flight.kserve.created)]
    assert isinstance(flight.move(), Wait)
    flight.pods = [crashed(flight.kserve.created, restarts=2)]
    assert flight.fly().reason == "CandidatePodsFailing"


@pytest.mark.parametrize("write", list(TrafficWrite)[:3])
def test_recalled_at_any_write_it_goes_back(write: TrafficWrite) -> None:
    flight = Flight(settled(before=C))
    flight.fly(until=intends(write))
    flight.course = replace(COURSE, recall=RECALL)
    assert flight.fly().outcome is ReleaseOutcome.ROLLED_BACK
    assert flight.kserve.users() == {A: 100}
    assert (flight.kserve.uri, flight.kserve.percent) == (A, None)


def test_recalled_before_the_first_write_it_waits_out_a_write_that_may_be_under_way() -> None:
    flight = Flight(settled(), course=replace(COURSE, recall=RECALL))
    assert isinstance(flight.move(), Record)
    assert isinstance(flight.move(), Wait)
    late = {"spec": {"predictor": {"canaryTrafficPercent": 0, "model": {"storageUri": B}}}}
    assert flight.kserve.patch(late, str(flight.kserve.resource_version))
    flight.kserve.settle()
    assert flight.fly().outcome is ReleaseOutcome.ROLLED_BACK
    assert (flight.kserve.uri, flight.kserve.percent) == (A, None)


def test_a_breach_between_the_promotion_and_its_confirmation_still_finds_the_way_back() -> None:
    flight = Flight(settled(before=C))
    flight.fly(until=intends(TrafficWrite.PROMOTE))
    assert isinstance(flight.move(), Write)
    flight.pods = [crashed(flight.release.candidate_revision)]
    assert isinstance(flight.move(), Record)
    assert flight.release.back
    assert flight.fly().outcome is ReleaseOutcome.ROLLED_BACK
    assert flight.kserve.users() == {A: 100}


def test_a_promotion_that_shows_is_final_even_if_recalled() -> None:
    flight = Flight(settled())
    flight.fly(until=intends(TrafficWrite.PROMOTE))
    flight.move()
    flight.kserve.settle()
    flight.course = replace(COURSE, recall=RECALL)
    flight.move()
    assert flight.release.outcome is ReleaseOutcome.PROMOTED


def _manager(name: str, field: str) -> list[dict[str, object]]:
    fields = {"f:spec": {"f:predictor": {f"f:{field}": {}}}}
    return [{"manager": name, "operation": "Apply", "time": "2026-11-21T12:00:00Z", "fieldsV1": fields}]


FOREIGN = {
    "percent": ({"percent": 60}, "canaryTrafficPercent of InferenceService fraud to 60"),
    "model": ({"uri": C}, "storageUri of InferenceService fraud to pvc://models/c"),
    "annotation": ({"annotations": {"team": "risk"}}, "revision fraud-predictor-"),
    "scale": ({"more": {"predictor": {"minReplicas": 2}}}, "changed the spec of InferenceService fraud (generation"),
}


@pytest.mark.parametrize(("change", "said"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_change_freezes_the_release_at_zero(change: dict[str, object], said: str) -> None:
    flight = Flight(settled(before=C))
    flight.fly(until=at_share(10))
    flight.writes.clear()
    flight.kserve.change(**change)
    flight.kserve.settle()
    release = flight.fly()
    assert (release.outcome, release.reason) == (ReleaseOutcome.HELD, "ForeignChange")
    assert said in release.message
    assert "to go back by hand" in release.message
    assert flight.writes == [{"canaryTrafficPercent": 0}]
    assert flight.share() == 0


def test_the_foreign_manager_is_named_where_the_object_says() -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    flight.kserve.managed_fields = _manager("argocd-controller", "canaryTrafficPercent")
    flight.kserve.change(percent=60)
    assert "argocd-controller set spec.predictor.canaryTrafficPercent" in flight.fly().message


def test_a_promotion_by_somebody_else_is_left_alone() -> None:
    flight = Flight(settled(before=C))
    flight.fly(until=at_share(10))
    flight.writes.clear()
    flight.kserve.change(percent=None)
    flight.kserve.settle()
    assert flight.fly().outcome is ReleaseOutcome.HELD
    assert flight.writes == []  # percent 0 now would go to the model before, wherever that leads


def test_a_canary_reopened_over_another_stable_revision_is_left_alone() -> None:
    flight = Flight(settled(before=C))
    flight.fly(until=at_share(10))
    flight.writes.clear()
    flight.kserve.change(percent=None)
    flight.kserve.settle()
    flight.kserve.change(percent=30)
    flight.kserve.kserve_spec()
    assert isinstance(flight.move(), Record)
    assert (flight.release.outcome, flight.writes) == (ReleaseOutcome.HELD, [])


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ("serving.kserve.io/stop", "TargetStopped"),
        ("serving.kserve.io/disable-auto-update", "TargetAutoUpdateDisabled"),
    ],
)
def test_a_target_that_no_longer_listens_is_not_written_to(annotation: str, reason: str) -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    flight.writes.clear()
    flight.kserve.change(annotations={annotation: "true"})
    release = flight.fly()
    assert (release.outcome, release.reason, flight.writes) == (ReleaseOutcome.HELD, reason, [])


def test_kserves_flip_to_the_model_before_is_undone() -> None:
    flight = Flight(settled(before=C))
    flight.move()
    flight.kserve.kserve_spec()
    flight.kserve.knative_route()  # the route is resolved before the revision is made
    flight.kserve.kserve_status()
    flight.kserve.settle()
    assert flight.kserve.users() == {C: 100}
    release = flight.fly()
    assert (release.outcome, release.reason) == (ReleaseOutcome.ROLLED_BACK, "StableShareMoved")
    assert flight.kserve.users() == {A: 100}


def test_a_target_that_is_deleted_ends_the_release() -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    move = advance(flight.release, COURSE, replace(flight.sight(), target=None))
    assert isinstance(move, Record)
    assert (move.release.outcome, move.release.reason) == (ReleaseOutcome.HELD, "TargetNotFound")


def test_a_view_older_than_our_last_write_is_not_acted_on() -> None:
    flight = Flight(settled())
    old = flight.sight()
    flight.fly(until=at_share(10))
    assert isinstance(advance(flight.release, COURSE, replace(old, now=flight.now)), Wait)


def test_a_way_back_that_takes_too_long_says_so_and_goes_on() -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    flight.pods = [crashed(flight.release.candidate_revision)]
    flight.kserve.failing = {A}  # no room for the baseline's new revision
    flight.fly(until=intends(TrafficWrite.RESTORE))
    flight.fly(until=lambda f: f.kserve.uri == A)
    flight.now += timedelta(minutes=11)
    move = flight.move()
    assert isinstance(move, Wait)
    assert move.stuck
    assert flight.kserve.users() == {A: 100}
    flight.kserve.failing = set()
    assert flight.fly().outcome is ReleaseOutcome.ROLLED_BACK


def test_a_healthy_pod_is_no_breach() -> None:
    flight = Flight(settled())
    flight.fly(until=at_share(10))
    flight.pods = [pod(flight.release.candidate_revision), crashed(flight.release.baseline_revision)]
    assert flight.fly().outcome is ReleaseOutcome.PROMOTED
