"""kopf, used for one thing: to keep watch streams open and hand over what they say.

It runs in a thread with an event loop of its own. At its end it cancels every task of its loop that it did not start
before, whosever it is; so ours live elsewhere, and signals stay ours. Only low-level event handlers are registered:
they write no annotation, no finalizer, no event, and make no patch.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import kopf

from paritygate.cluster import Kind, Manifest, access

logger = logging.getLogger(__name__)

Announce = Callable[[Kind, str | None, Manifest], None]
"""Told of (kind, ADDED | MODIFIED | DELETED | None for an initial listing, object)."""


class WatchEnded(Exception):
    """kopf ended although nobody asked it to."""


class Watch:
    """Streams of some kinds, from `run` to `stop`."""

    def __init__(
        self, kubeconfig: str | None, namespaces: Sequence[str], kinds: frozenset[Kind], announce: Announce
    ) -> None:
        """`namespaces` narrows the namespaced kinds; empty means all of them."""
        self._kubeconfig, self._namespaces, self._kinds, self._announce = kubeconfig, namespaces, kinds, announce
        self._stop = threading.Event()

    async def run(self) -> None:
        """Stream until `stop`. `announce` is called on the loop that awaits this. Raises WatchEnded if kopf ends."""
        streams = self._kopf(asyncio.get_running_loop())
        running = asyncio.create_task(asyncio.to_thread(asyncio.run, streams), name="kopf")
        try:
            await asyncio.wait([running])
            asked = self._stop.is_set()
        finally:
            self.stop()
            await asyncio.wait([running])
        if (failure := running.exception()) is not None:
            raise WatchEnded(f"the watch streams failed: {failure!r}") from failure
        if not asked:
            raise WatchEnded("the watch streams ended by themselves")

    def stop(self) -> None:
        """End the streams; `run` returns within a few seconds."""
        self._stop.set()

    async def _kopf(self, loop: asyncio.AbstractEventLoop) -> None:
        await kopf.operator(
            registry=self._registry(loop),
            settings=_settings(self._kinds),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=self._stop,
        )

    def _registry(self, loop: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)
        for kind in self._kinds:
            kopf.on.event(kind.group, kind.version, kind.plural, id=kind.plural, registry=registry)(
                self._handler(kind, loop)
            )
        return registry

    def _handler(self, kind: Kind, loop: asyncio.AbstractEventLoop) -> Callable[..., Awaitable[None]]:
        async def handle(event: Any, **_: Any) -> None:
            body = {"apiVersion": kind.api_version, "kind": kind.name, **event["object"]}
            loop.call_soon_threadsafe(self._announce, kind, event["type"], body)

        return handle

    async def _login(self, **_: Any) -> kopf.ConnectionInfo:
        found = await access(self._kubeconfig)
        return kopf.ConnectionInfo(
            server=found.server,
            ca_path=found.ca_path,
            insecure=found.insecure,
            scheme="Bearer" if found.token else None,
            token=found.token,
            certificate_path=found.certificate_path,
            private_key_path=found.private_key_path,
        )


class _Jittered:
    """kopf's delays between tries of a failed request, never in step with other replicas'. Iterated anew each time."""

    def __iter__(self) -> Iterator[float]:
        return (base * random.uniform(0.5, 1.5) for base in (1, 1, 2, 3, 5, 8, 13, 21))


def _settings(kinds: frozenset[Kind]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.queueing.worker_limit = None  # it limits living per-object workers, not work: ten objects a second
    settings.queueing.idle_timeout = 0.1  # a worker keeps its object's raw body as long as it idles
    settings.queueing.exit_timeout = 0.5  # our handlers take microseconds
    settings.watching.chunk_size = 250
    settings.watching.label_selectors = _selectors(kinds, settings.watching.label_selectors)
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = _Jittered()
    # Unused by event handlers. Set all the same: nothing of kopf's may ever appear on a user's object.
    settings.persistence.finalizer = "paritygate.io/unused"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="paritygate.io")
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix="paritygate.io")
    return settings


def _selectors(kinds: frozenset[Kind], selectors: Any) -> Any:
    for kind in kinds:
        if kind.selector:
            selectors[kind.group, kind.version, kind.plural] = kind.selector
    return selectors
