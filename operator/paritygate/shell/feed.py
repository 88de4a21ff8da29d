"""What keeps the store true and the queue fed: watch streams, re-lists, and a watch on the watch."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from paritygate.cluster import (
    TARGET,
    Key,
    Kind,
    ListExpired,
    Manifest,
    NotFound,
    Refused,
    Resync,
    Store,
    Watchdog,
)
from paritygate.engine import RetryLater, WorkQueue

from .race import first
from .watch import Watch

logger = logging.getLogger(__name__)

_KSERVE_EVERY = 30.0
_WATCHDOG_EVERY = 30.0


class WatchDeaf(Exception):
    """The re-list found what no watch ever announced: only a fresh process is sure to hear again."""


class Feed:
    """Fills the store and says which validations have to look again. `fill` once, then `run`."""

    def __init__(
        self,
        resync: Resync,
        store: Store,
        queue: WorkQueue[Key],
        *,
        kubeconfig: str | None,
        namespaces: Sequence[str],
        every: float,
        missed: Callable[[int], None],
    ) -> None:
        """`every` is the pause between re-lists in seconds; `missed` is told what the watchdog counts."""
        self._resync, self._store, self._queue = resync, store, queue
        self._kubeconfig, self._namespaces, self._every, self._missed = kubeconfig, namespaces, every, missed
        self._watchdog = Watchdog()
        self._served: frozenset[Kind] = frozenset()
        self._listed_at = _clock()

    @property
    def serves_targets(self) -> bool:
        """Whether KServe is in the cluster, as of the last re-list."""
        return TARGET in self._served

    @property
    def seconds_since_list(self) -> float:
        """Age of the last complete re-list."""
        return _clock() - self._listed_at

    async def fill(self) -> None:
        """List everything, however long it takes the API server to let us, and have every validation looked at."""
        while True:
            try:
                found = await self._resync.run()
                break
            except (RetryLater, ListExpired, NotFound, Refused) as error:
                logger.warning("re-list failed, tried again soon; are CRDs and RBAC installed? %s", error)
                await asyncio.sleep(random.uniform(2, 4))
        if self._served:  # the very first list has nothing to expect of a watch that is not open yet
            self._watchdog.expect(found.missed)
        self._served, self._listed_at = found.served, _clock()
        for key in self._store.validations():
            self._queue.add(key)
        logger.info(
            "listed",
            extra={"objects": dict(self._store.count()), "news": len(found.missed), "kserve": self.serves_targets},
        )

    async def run(self) -> None:
        """Feed for ever. Raises WatchEnded or WatchDeaf."""
        await first(self._stream(), self._relist(), self._watch_the_watch())

    async def _stream(self) -> None:
        while True:
            watch = Watch(self._kubeconfig, self._namespaces, self._served, self.announce)
            streaming = asyncio.create_task(watch.run(), name="watch")
            try:
                await first(streaming, self._kserve_appears())
            finally:
                watch.stop()
                await asyncio.wait([streaming])
            # kopf looks for kinds only when it starts, so it starts anew.
            logger.info("KServe appeared: InferenceServices are watched from now on")
            await self.fill()

    async def _kserve_appears(self) -> None:
        if self.serves_targets:
            await asyncio.Event().wait()
        logger.warning("KServe is not in this cluster: verdicts only, no traffic is moved; looked for again and again")
        while True:
            await asyncio.sleep(_KSERVE_EVERY)
            try:
                if await self._resync.serves_targets():
                    return
            except (RetryLater, Refused) as error:
                logger.warning("could not look for KServe: %s", error)

    async def _relist(self) -> None:
        while True:
            await asyncio.sleep(self._every * random.uniform(0.9, 1.1))
            await self.fill()

    async def _watch_the_watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCHDOG_EVERY)
            if overdue := self._watchdog.overdue():
                self._missed(overdue)
                raise WatchDeaf(f"{overdue} objects were listed and never announced")

    def announce(self, kind: Kind, type_: str | None, manifest: Manifest) -> None:
        """What a watch tells: keep it, and let everybody look again whom the object concerned or concerns now."""
        metadata = manifest["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        self._watchdog.announced(kind, (namespace, name))
        before = self._store.get(kind, namespace, name)
        if type_ == "DELETED":
            self._store.drop(kind, manifest)
        else:
            self._store.put(kind, manifest)
        for seen in (before, manifest):
            for key in self._store.concerned(kind, seen) if seen is not None else ():
                self._queue.add(key)


def _clock() -> float:
    return asyncio.get_running_loop().time()
