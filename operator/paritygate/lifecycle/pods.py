"""One attempt as its Job and its pod show it: where it is, or what ended it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from paritygate.api import Reason as EvaluationReason
from paritygate.serving import instants

from .model import Manifest
from .reasons import Reason

CONTAINERS = ("fetch", "runner", "referee")
PATIENCE = timedelta(minutes=2)
"""How long a container may fail to be set up before the attempt is given up."""

_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")

_SETUP_FAULTS = {
    "ErrImagePull": Reason.IMAGE_PULL_FAILED,
    "ImagePullBackOff": Reason.IMAGE_PULL_FAILED,
    "InvalidImageName": Reason.IMAGE_PULL_FAILED,
    "ErrImageNeverPull": Reason.IMAGE_PULL_FAILED,
    "CreateContainerConfigError": Reason.CONTAINER_CONFIG_FAILED,
    "CreateContainerError": Reason.CONTAINER_CONFIG_FAILED,
    "RunContainerError": Reason.CONTAINER_CONFIG_FAILED,
}

_DISRUPTIONS = {
    "PreemptionByScheduler": Reason.PREEMPTED,
    "DeletionByTaintManager": Reason.NODE_LOST,
    "DeletionByPodGC": Reason.NODE_LOST,
    "EvictionByEvictionAPI": Reason.EVICTED,
    "TerminationByKubelet": Reason.EVICTED,
}
"""Reasons of the pod condition DisruptionTarget."""

_POD_REASONS = {
    "Evicted": Reason.EVICTED,
    "Preempting": Reason.PREEMPTED,
    "NodeLost": Reason.NODE_LOST,
    "NodeShutdown": Reason.NODE_LOST,
    "Terminated": Reason.NODE_LOST,
    "NodeAffinity": Reason.NODE_LOST,
}
"""`status.reason` of a failed pod."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Not running yet. `reason` is None while nothing is wrong; `since`: for how long something is."""

    reason: Reason | None
    message: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unseen:
    """No pod of the Job is there: not made yet, or taken away a moment before the Job says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """At work."""

    pod: str
    pod_uid: str


@dataclass(frozen=True, slots=True)
class Reported:
    """The referee left the digest of a result, at `ended`. `fault`: what else went wrong in the pod."""

    pod: str
    pod_uid: str
    termination: str
    ended: datetime | None
    fault: "Broken | None"


@dataclass(frozen=True, slots=True)
class Broken:
    """It ended without a result."""

    reason: Reason | EvaluationReason
    message: str


Sight = Unseen | Pending | Running | Reported | Broken


def look(job: Manifest, pods: Iterable[Manifest]) -> Sight:
    """What an attempt's Job and pods show. The Job is there; its pod may not be, yet or any more."""
    uid = job["metadata"].get("uid")
    own = [pod for pod in pods if uid in {o.get("uid") for o in pod["metadata"].get("ownerReferences") or ()}]
    pod = max(own, key=lambda p: str(p["metadata"].get("creationTimestamp", "")), default=None)
    if pod is not None and (result := _result(pod)):
        termination, at = result
        metadata = pod["metadata"]
        return Reported(str(metadata.get("name")), str(metadata.get("uid")), termination, at, _facts(pod))
    if ended := _job_failure(job):
        return _why_failed(ended, pod)
    if pod is None:
        return Unseen()
    return _of_pod(pod)


def finished(job: Manifest) -> bool:
    """Whether a Job is over, one way or the other."""
    return any(
        c.get("type") in ("Complete", "Failed") and c.get("status") == "True"
        for c in job.get("status", {}).get("conditions") or ()
    )


def _of_pod(pod: Manifest) -> Sight:
    phase = pod.get("status", {}).get("phase")
    if phase in ("Failed", "Succeeded"):
        return _facts(pod) or _said(pod) or _crashed(pod)
    if fault := _setup_fault(pod):
        return fault
    if phase == "Running":
        return Running(str(pod["metadata"].get("name")), str(pod["metadata"].get("uid")))
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            said = str(condition.get("message") or "no node fits")
            if re.search('persistentvolumeclaim "[^"]*" not found', said):
                said = (
                    f"{said} Create it in the validation's namespace: a pvc:// URI or the pool's answerCache names it"
                )
            return Pending(Reason.UNSCHEDULABLE, said, _instant(condition.get("lastTransitionTime")))
    return Pending(None, "the evaluator's pod is being set up")


def _why_failed(ended: Manifest, pod: Manifest | None) -> Broken:
    if ended.get("reason") == "DeadlineExceeded":
        return Broken(Reason.DEADLINE_EXCEEDED, "the attempt took longer than the policy's evaluation.deadline")
    if pod is None:
        return Broken(Reason.POD_DELETED, "the evaluator's pod was deleted")
    if pod.get("status", {}).get("phase") == "Running" and pod["metadata"].get("deletionTimestamp"):
        return Broken(Reason.POD_DELETED, f"pod {pod['metadata'].get('name')} was deleted")
    return _facts(pod) or _said(pod) or _crashed(pod)


def _facts(pod: Manifest) -> Broken | None:
    """What the kubelet and the control plane say: it outranks what a container says of itself."""
    status, name = pod.get("status", {}), pod["metadata"].get("name")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            reason = _DISRUPTIONS.get(str(condition.get("reason")), Reason.EVICTED)
            return Broken(reason, f"pod {name}: {condition.get('message') or condition.get('reason')}")
    if gone := _POD_REASONS.get(str(status.get("reason"))):
        return Broken(gone, f"pod {name}: {status.get('message') or status.get('reason')}")
    for container, ended in _ended(pod):
        if ended.get("reason") == "OOMKilled":
            return Broken(
                Reason.OOM_KILLED,
                f"container {container} used more memory than its limit{_limit(pod, container)}: raise "
                "spec.resources.limits.memory of the AcceleratorPool, or take smaller packs",
            )
    return None


def _said(pod: Manifest) -> Broken | None:
    """What a container left as its termination message: {"reason", "message"}."""
    for _, ended in _ended(pod):
        if not ended.get("exitCode"):
            continue
        try:
            told = json.loads(str(ended.get("message") or ""))
            return Broken(EvaluationReason(told["reason"]), str(told["message"])[:900])
        except (ValueError, KeyError, TypeError):
            continue  # not ours: `_crashed` shows it as it is
    return None


def _crashed(pod: Manifest) -> Broken:
    ends = [
        f"{container} ended with exit code {ended.get('exitCode')} ({ended.get('reason', 'Error')})"
        for container, ended in _ended(pod)
        if ended.get("exitCode")
    ]
    said = "; ".join(ends) or "no container says why"
    return Broken(Reason.EVALUATOR_CRASHED, f"pod {pod['metadata'].get('name')}: {said}")


def _setup_fault(pod: Manifest) -> Pending | None:
    created = _instant(pod["metadata"].get("creationTimestamp"))
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if reason := _SETUP_FAULTS.get(str(waiting.get("reason"))):
            said = waiting.get("message") or waiting.get("reason")
            return Pending(reason, f"container {container.get('name')}: {said}"[:900], created)
    return None


def _result(pod: Manifest) -> tuple[str, datetime | None] | None:
    for container, ended in _ended(pod):
        message = str(ended.get("message") or "").strip()
        if container == "referee" and _DIGEST.fullmatch(message):
            return message, _instant(ended.get("finishedAt"))
    return None


def _ended(pod: Manifest) -> list[tuple[str, Mapping[str, Any]]]:
    """(container, its `terminated` state) of those that ended, in the order in which one failure explains the next."""
    by_name = {str(c.get("name")): (c.get("state") or {}).get("terminated") for c in _containers(pod)}
    return [(name, ended) for name in CONTAINERS if (ended := by_name.get(name))]


def _containers(pod: Manifest) -> list[Mapping[str, Any]]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _limit(pod: Manifest, container: str) -> str:
    spec = pod.get("spec", {})
    for known in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        if known.get("name") == container:
            limit = ((known.get("resources") or {}).get("limits") or {}).get("memory")
            return f" of {limit}" if limit else ""
    return ""


def _job_failure(job: Manifest) -> Manifest | None:
    conditions = job.get("status", {}).get("conditions") or ()
    failed = [c for c in conditions if c.get("type") in ("Failed", "FailureTarget") and c.get("status") == "True"]
    return failed[0] if failed else None


def _instant(text: Any) -> datetime | None:
    return instants.read(str(text)) if text else None
