"""Can the candidate hold its traffic? Judged from its serving pods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from . import instants

Manifest = Mapping[str, Any]

REVISION_LABEL = "serving.knative.dev/revision"
UNREADY_PATIENCE = timedelta(seconds=20)
CRASHES_WHILE_STARTING = 2
"""A first start may lose a race; the second failure is a pattern. Once live, one crash is enough."""


@dataclass(frozen=True, slots=True)
class Breach:
    """What the candidate's pods did. `message` names pod, container, exit code, reason and restarts."""

    message: str


def breach(pods: Iterable[Manifest], revision: str, *, live_since: datetime | None, now: datetime) -> Breach | None:
    """The first breach among the pods of `revision`, or None.

    `live_since`: when the revision was seen ready at its present share. Since then one crash counts, or 20 s without
    any ready pod; before (None), only a pod that keeps crashing does. Pods that are being deleted never count.
    """
    own = [pod for pod in pods if _belongs(pod, revision)]
    for pod in own:
        for container in pod.get("status", {}).get("containerStatuses") or ():
            if said := _crash(pod, container, live_since):
                return Breach(said)
    return _all_unready(own, now) if live_since is not None else None


def _belongs(pod: Manifest, revision: str) -> bool:
    metadata = pod.get("metadata", {})
    return bool(
        revision
        and (metadata.get("labels") or {}).get(REVISION_LABEL) == revision
        and not metadata.get("deletionTimestamp")
    )


def _crash(pod: Manifest, container: Manifest, live_since: datetime | None) -> str:
    restarts = int(container.get("restartCount") or 0)
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    looping = (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    crashes = restarts + (1 if state.get("terminated") else 0) if ended.get("exitCode") else 0
    if live_since is None:
        counts = crashes >= CRASHES_WHILE_STARTING
    else:
        counts = crashes > 0 and _after(ended.get("finishedAt"), live_since)
    if not (looping or counts):
        return ""
    said = f"container {container.get('name')} of pod {pod['metadata'].get('name')}"
    if ended:
        said += f" ended with exit code {ended.get('exitCode')} ({ended.get('reason', 'Error')})"
    return f"{said}, {restarts} restarts" + (", CrashLoopBackOff" if looping else "")


def _after(finished: Any, live_since: datetime) -> bool:
    """A crash without a time counts: it may not be explained away."""
    return not finished or instants.read(str(finished)) >= live_since.replace(microsecond=0)


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
