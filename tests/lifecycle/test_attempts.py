"""What becomes of an evaluator: what is retried, what ends the validation, and what people read meanwhile."""

from typing import Any

import pytest
from paritygate.api import Outcome, Reason
from paritygate.lifecycle.model import CreateJob, DeleteJob

from . import builders
from .world import SETTINGS, World


def _terminated(name: str, code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}}


def _waiting(reason: str, message: str) -> dict[str, Any]:
    waiting = {"name": "runner", "state": {"waiting": {"reason": reason, "message": message}}}
    return {"phase": "Pending", "containerStatuses": [waiting]}


def _fetch(reason: str, message: str = "baseline: pvc://models/a is not there") -> dict[str, Any]:
    told = f'{{"reason": "{reason}", "message": "{message}"}}'
    return {"phase": "Failed", "initContainerStatuses": [_terminated("fetch", 4, message=told)]}


def _disrupted(reason: str) -> dict[str, Any]:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "no room"}
    return {"phase": "Failed", "conditions": [condition]}


OOM = {"phase": "Failed", "containerStatuses": [_terminated("runner", 137, "OOMKilled"), _terminated("referee", 4)]}

FINAL: dict[str, tuple[dict[str, Any], str, str]] = {
    "out-of-memory": (OOM, "OOMKilled", "container runner used more memory than its limit of 1Gi: raise"),
    "digest-mismatch": (_fetch("DigestMismatch"), "DigestMismatch", "pvc://models/a"),
    "artefact-not-found": (_fetch("ArtefactNotFound"), "ArtefactNotFound", "is not there"),
    "artefact-unreadable": (_fetch("ArtefactUnreadable"), "ArtefactUnreadable", "is not there"),
}


@pytest.mark.parametrize(("pod", "reason", "said"), FINAL.values(), ids=FINAL)
def test_a_fault_of_the_artefacts_or_the_pool_ends_it_at_once(pod: dict[str, Any], reason: str, said: str) -> None:
    world = World()
    world.rest()
    world.pod_status(**pod)
    world.rest()
    assert world.standing() == ("False", reason)
    assert said in world.message()
    assert world.status.verdict.outcome is Outcome.ERROR
    assert len(world.jobs) == 1
    assert world.status.attempts[0].outcome == "Failed"


def test_a_deadline_ends_it_at_once() -> None:
    world = World()
    world.rest()
    world.job_failed("DeadlineExceeded")
    world.pods.clear()
    world.rest()
    assert world.standing() == ("False", "DeadlineExceeded")


LOST: dict[str, tuple[dict[str, Any], str]] = {
    "evicted": ({"phase": "Failed", "reason": "Evicted", "message": "disk pressure"}, "Evicted"),
    "preempted": (_disrupted("PreemptionByScheduler"), "Preempted"),
    "node-gone": (_disrupted("DeletionByTaintManager"), "NodeLost"),
    "node-shut-down": ({"phase": "Failed", "reason": "Terminated", "message": "node is shutting down"}, "NodeLost"),
    "crashed": ({"phase": "Failed", "containerStatuses": [_terminated("referee", 139)]}, "EvaluatorCrashed"),
    "nonsense-message": (
        {"phase": "Failed", "containerStatuses": [_terminated("referee", 1, message='{"reason": "Passed"}')]},
        "EvaluatorCrashed",
    ),
}


@pytest.mark.parametrize(("pod", "reason"), LOST.values(), ids=LOST)
def test_what_the_infrastructure_lost_is_tried_again_and_stays_on_record(pod: dict[str, Any], reason: str) -> None:
    world = World()
    world.rest()
    first = world.job()
    world.pod_status(**pod)
    decided = world.rest()
    assert world.standing() == ("Unknown", "Retrying")
    assert reason in world.message()
    assert decided.requeue_after == SETTINGS.retry_delay
    world.pass_time(seconds=10)
    world.evaluated()
    assert world.job() != first
    assert [(a.number, a.outcome, a.reason) for a in world.status.attempts] == [
        (1, "Failed", reason),
        (2, "Succeeded", ""),
    ]
    assert world.status.verdict.outcome is Outcome.PASSED


def test_a_pod_that_was_deleted_is_tried_again() -> None:
    world = World()
    world.rest()
    world.job_failed()
    world.pods.clear()
    world.rest()
    assert world.status.attempts[0].reason == "PodDeleted"


def test_attempts_are_bounded_and_listed_in_the_end() -> None:
    world = World(policy=builders.policy(evaluation={"attempts": 2}))
    for _ in range(2):
        world.rest()
        world.pod_status(phase="Failed", reason="Evicted", message="disk pressure")
        world.rest()
        world.pass_time(minutes=1)
    world.rest()
    assert world.standing() == ("False", "AttemptsExhausted")
    assert "1: Evicted, pod" in world.message()
    assert "2: Evicted, pod" in world.message()
    assert len(world.jobs) == 2


def test_a_pool_that_no_node_satisfies_says_what_the_scheduler_says_and_ends_with_it() -> None:
    world = World()
    world.rest()
    said = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector"
    world.pod_status(
        phase="Pending",
        conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}],
    )
    world.rest()
    assert world.standing() == ("Unknown", "Unschedulable")
    assert said in world.message()
    world.pods.clear()  # the Job controller takes the pod away before it writes why, in two watches
    world.rest()
    assert world.standing() == ("Unknown", "Unschedulable")
    world.job_failed("DeadlineExceeded")
    world.rest()
    assert world.standing() == ("False", "Unschedulable")
    assert said in world.message()
    assert "nodeSelector, tolerations and resources" in world.message()


def test_a_claim_that_is_not_there_is_told_of_with_where_it_is_named() -> None:
    world = World()
    world.rest()
    said = '0/2 nodes are available: persistentvolumeclaim "answers" not found.'
    world.pod_status(
        phase="Pending",
        conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}],
    )
    world.rest()
    assert world.standing() == ("Unknown", "Unschedulable")
    assert said in world.message()
    assert "Create it in the validation's namespace: a pvc:// URI or the pool's answerCache names it" in world.message()


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [("ImagePullBackOff", "ImagePullFailed"), ("CreateContainerConfigError", "ContainerConfigFailed")],
)
def test_a_container_that_cannot_be_set_up_is_told_of_at_once_and_given_up_in_time(waiting: str, reason: str) -> None:
    world = World()
    world.rest()
    world.pod_status(**_waiting(waiting, "no such image evaluator"))
    decided = world.rest()
    assert world.standing() == ("Unknown", reason)
    assert "no such image evaluator" in world.message()
    assert decided.requeue_after is not None
    world.pass_time(minutes=2)
    decided = world.step()
    assert [type(a) for a in decided.actions] == [DeleteJob]
    assert world.status.attempts[0].reason == reason


def test_trouble_that_passes_is_forgotten() -> None:
    world = World()
    world.rest()
    world.pod_status(**_waiting("ErrImagePull", "timeout"))
    world.rest()
    world.pod_status(phase="Running")
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")
    assert world.status.attempts[0].reason == ""


def test_a_job_that_is_gone_is_made_again_at_once_and_later_counted_as_lost() -> None:
    world = World()
    world.rest()
    world.jobs.clear()
    assert [type(a) for a in world.step().actions] == [CreateJob]
    assert len(world.status.attempts) == 1
    world.jobs.clear()
    world.pass_time(minutes=1)
    world.rest()
    assert world.status.attempts[0].reason == "JobDeleted"


def test_a_job_that_a_kill_left_unrecorded_is_found_again() -> None:
    world = World()
    world.rest()
    (job,) = world.jobs
    world._put(status=world.validation.status.model_copy(update={"attempts": ()}))
    world.evaluated()
    assert list(world.jobs) == [job]


def test_attempts_that_a_kill_left_unrecorded_are_counted() -> None:
    world = World(policy=builders.policy(evaluation={"attempts": 2}))
    world.rest()
    world.pod_status(phase="Failed", reason="Evicted")
    world.rest()
    world.pass_time(minutes=1)
    world.rest()
    world._put(status=world.validation.status.model_copy(update={"attempts": ()}))
    world.pod_status(phase="Failed", reason="Evicted")
    world.rest()
    assert world.standing() == ("False", "AttemptsExhausted")
    assert len(world.jobs) == 2


def test_a_result_stands_whatever_becomes_of_the_pod_afterwards() -> None:
    world = World()
    world.rest()
    world.report_result(builders.result(world.evaluator_plan()))
    status = world.pods[world.job()]["status"]
    status.update(phase="Failed", reason="Evicted")
    status["containerStatuses"].append(_terminated("runner", 137, "OOMKilled"))
    world.job_failed()
    world.rest()
    assert world.status.verdict.outcome is Outcome.PASSED


def test_progress_moves_in_quarters() -> None:
    world = World()
    world.rest()
    world.pod_status(phase="Running")
    before = world.status_writes
    for items in (10, 20, 260, 270, 510):
        world.texts[world.job()] = f'noise\n{{"type":"progress","stage":"Evaluating","items":{items},"planned":1000}}\n'
        world.rest()
    assert world.status.progress.percent == 50
    assert world.status_writes - before <= 3


def test_with_a_verdict_the_progress_tells_what_was_used() -> None:
    world = World()
    world.rest()
    world.texts[world.job()] = '{"type":"progress","stage":"Evaluating","items":64,"planned":1000}\n'
    world.rest()
    world.evaluated()
    world.rest()
    progress = world.status.progress
    (report,) = world.reports.values()
    assert (progress.items, progress.percent, progress.stage) == (report.spec.items, 100, "Judged")


def test_an_error_of_the_evaluator_is_the_verdict() -> None:
    world = World()
    world.rest()
    told = builders.error_result(world.evaluator_plan(), Reason.PACK_INVALID, "labels.csv: id 7 is given twice")
    world.report_result(told)
    world.rest()
    assert world.standing() == ("False", "PackInvalid")
    assert "id 7 is given twice" in world.message()


def test_a_runner_that_was_lost_to_memory_is_told_as_that() -> None:
    world = World()
    world.rest()
    world.report_result(builders.error_result(world.evaluator_plan(), Reason.RUNNER_LOST, "the runner is gone"))
    status = world.pods[world.job()]["status"]
    status["containerStatuses"].append(_terminated("runner", 137, "OOMKilled"))
    world.rest()
    assert world.standing() == ("False", "OOMKilled")
