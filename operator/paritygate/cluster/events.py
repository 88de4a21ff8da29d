"""Events for people: one object a transition, repeated ones as a series, and never a flood."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from paritygate.engine import Conflict, RetryLater, TokenBucket
from paritygate.lifecycle.model import RecordEvent

from .client import Client, Manifest
from .errors import AlreadyExists, NotFound, Refused
from .kinds import EVENT

logger = logging.getLogger(__name__)

V = TypeVar("V")

CONTROLLER = "paritygate.io/operator"
_REMEMBERED = 4096
_BURST, _EVERY = 25, 30.0


class EventRecorder:
    """Writes events about validations. An event that cannot be written is logged and let go: it decides nothing."""

    def __init__(self, client: Client, identity: str, now: Callable[[], datetime]) -> None:
        self._client, self._identity, self._now = client, identity[:128], now
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    async def record(self, about: Manifest, event: RecordEvent) -> None:
        """Tell of an event. Its name is a function of object, reason and note: told twice, it is a series."""
        metadata = about["metadata"]
        if not _remember(self._buckets, metadata["uid"], TokenBucket(1 / _EVERY, _BURST)).try_take():
            logger.warning("event dropped: too many about one object", extra={"reason": event.reason})
            return
        told = f"{metadata['uid']}|{event.reason}|{event.message}".encode()
        name = f"{metadata['name'][:200]}.{hashlib.sha256(told).hexdigest()[:16]}"
        try:
            if name in self._counts:
                await self._repeat(metadata["namespace"], name)
            else:
                await self._first(about, event, name)
        except (NotFound, Refused, Conflict, RetryLater) as error:
            logger.warning("event not written: %s", error, extra={"reason": event.reason})

    async def _first(self, about: Manifest, event: RecordEvent, name: str) -> None:
        metadata = about["metadata"]
        manifest = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "eventTime": micro_time(self._now()),
            "reportingController": CONTROLLER,
            "reportingInstance": self._identity,
            "action": "Reconcile",
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason[:128],
            "note": event.message[:1024],
            "regarding": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
        }
        _remember(self._counts, name, 1)
        try:
            await self._client.create(EVENT, manifest)
        except AlreadyExists:
            await self._repeat(metadata["namespace"], name)

    async def _repeat(self, namespace: str, name: str) -> None:
        count = self._counts[name] = self._counts[name] + 1
        series = {"count": count, "lastObservedTime": micro_time(self._now())}
        try:
            await self._client.patch(EVENT, namespace, name, {"series": series})
        except NotFound:
            del self._counts[name]  # it expired: the next time is a first time again


def micro_time(at: datetime) -> str:
    """A time as Kubernetes' MicroTime."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _remember(memory: OrderedDict[str, V], name: str, value: V) -> V:
    kept = memory.setdefault(name, value)
    memory.move_to_end(name)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
    return kept
