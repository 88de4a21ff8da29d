"""Can the candidate hold its traffic? Judged from its serving pods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from . import instants

Manifest = Mapping[str, Any]

REVISION_LABEL = "serving.knative.dev/revision"
UNREADY_PATIENCE = timedelta(seconds=20)
RESTARTS_WHILE_STARTING = 2
"""A first start may lose a race; the second failure is a pattern. Once live, one crash is enough."""


@dataclass(frozen=True, slots=True)
class Breach:
    """What the candidate's pods did. `message` names pod, container, exit code, reason and restarts."""

    message: str


def breach(pods: Iterable[Manifest], revision: str, *, live: bool, now: datetime) -> Breach | None:
    """The first breach among the pods of `revision`, or None.

    `live`: the revision was seen ready, so that a crash or 20 s without any ready pod counts; before, only a pod that
    keeps crashing does. Pods that are being deleted (scale-down, drain) never count.
    """
    own = [pod for pod in pods if _belongs(pod, revision)]
    for pod in own:
        for container in pod.get("status", {}).get("containerStatuses") or ():
            if said := _crash(pod, container, live):
                return Breach(said)
    return _all_unready(own, now) if live else None


def _belongs(pod: Manifest, revision: str) -> bool:
    metadata = pod.get("metadata", {})
    return bool(
        revision
        and (metadata.get("labels") or {}).get(REVISION_LABEL) == revision
        and not metadata.get("deletionTimestamp")
    )


def _crash(pod: Manifest, container: Manifest, live: bool) -> str:
    restarts = int(container.get("restartCount") or 0)
    ended = (container.get("lastState") or {}).get("terminated") or {}
    now_ended = (container.get("state") or {}).get("terminated") or {}
    waiting = (container.get("state") or {}).get("waiting") or {}
    failed = now_ended if now_ended.get("exitCode") else ended
    looping = waiting.get("reason") == "CrashLoopBackOff"
    enough = restarts >= (1 if live else RESTARTS_WHILE_STARTING) and bool(failed.get("exitCode"))
    if not (looping or enough or (live and now_ended.get("exitCode"))):
        return ""
    said = f"container {container.get('name')} of pod {pod['metadata'].get('name')}"
    if failed:
        said += f" ended with exit code {failed.get('exitCode')} ({failed.get('reason', 'Error')})"
    return f"{said}, {restarts} restarts" + (", CrashLoopBackOff" if looping else "")


def _all_unready(pods: Sequence[Manifest], now: datetime) -> Breach | None:
    # One pod of several that starts or drains is everyday life; none that answers is not.
    since: list[datetime] = []
    for pod in pods:
        ready: Manifest = next(
            (c for c in pod.get("status", {}).get("conditions") or () if c.get("type") == "Ready"), {}
        )
        if ready.get("status") == "True" or not ready.get("lastTransitionTime"):
            return None
        since.append(instants.read(ready["lastTransitionTime"]))
    if not since or now - max(since) <= UNREADY_PATIENCE:
        return None
    names = ", ".join(sorted(pod["metadata"].get("name", "") for pod in pods)[:3])
    return Breach(f"no serving pod ready for more than {UNREADY_PATIENCE.seconds} s ({names})")
