"""kopf, used for one thing: to keep watch streams open and hand over what they say.

It runs in a thread with an event loop of its own. At its end it cancels every task of its loop that it did not start
before, whosever it is; so ours live elsewhere, and signals stay ours. Only low-level event handlers are registered:
they write no annotation, no finalizer, no event, and make no patch.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
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

    def __init__(self, kubeconfig: str | None, kinds: frozenset[Kind], announce: Announce) -> None:
        self._kubeconfig, self._kinds, self._announce = kubeconfig, kinds, announce
        self._stop = threading.Event()

    async def run(self) -> None:
        """Stream until `stop`; `announce` is called on the loop that awaits this. Raises WatchEnded if kopf gives up."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def body() -> None:
            failure: BaseException | None = None
            try:
                asyncio.run(self._kopf(loop))
            except BaseException as error:
                failure = error
            loop.call_soon_threadsafe(ended.set_result, failure)

        thread = threading.Thread(target=body, name="kopf", daemon=True)
        thread.start()
        try:
            failure = await asyncio.shield(ended)
        except asyncio.CancelledError:
            self.stop()
            await ended
            raise
        if failure is not None:
            raise WatchEnded(f"the watch streams failed: {failure!r}") from failure
        if not self._stop.is_set():
            raise WatchEnded("the watch streams ended by themselves")

    def stop(self) -> None:
        """End the streams; `run` returns within a few seconds."""
        self._stop.set()

    async def _kopf(self, loop: asyncio.AbstractEventLoop) -> None:
        await kopf.operator(
            registry=self._registry(loop),
            settings=_settings(self._kinds),
            clusterwide=True,
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
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.5  # our handlers take microseconds
    settings.watching.chunk_size = 500
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
