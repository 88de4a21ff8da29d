"""The composition root: what is made of what, in which order it starts and in which it ends."""

import asyncio
import logging
import os
import signal
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from paritygate.cluster import (
    Elector,
    EventRecorder,
    Executor,
    Gatherer,
    Key,
    KubernetesClient,
    LeaseLost,
    RefereeLogs,
    Refused,
    Resync,
    Store,
    configuration,
)
from paritygate.engine import TokenBucket, Workers, WorkQueue
from paritygate.lifecycle import plan
from paritygate.lifecycle.model import Settings

from .feed import Feed, WatchDeaf
from .health import Health, HealthServer
from .metrics import Metrics
from .race import first, unless
from .reconcile import Planner, Reconciler
from .settings import OperatorSettings
from .watch import WatchEnded

logger = logging.getLogger(__name__)


class Operator:
    """One operator process, as a value: `run` it once."""

    def __init__(self, settings: OperatorSettings, planner: Planner = plan) -> None:
        self._settings, self._planner = settings, planner
        self._metrics = Metrics()
        self._health = Health()
        self.port = 0
        """Where probes and metrics are served, once `run` has begun."""

    async def run(self, stop: asyncio.Event) -> None:
        """Wait to lead, work until `stop`, finish what is in flight, let go of the Lease.

        Raises LeaseLost, WatchEnded or WatchDeaf where only a fresh process can go on safely.
        """
        settings = self._settings
        async with AsyncExitStack() as stack:
            server = HealthServer(self._health, self._metrics.render, settings.bind_address, settings.bind_port)
            stack.push_async_callback(server.stop)
            self.port = await server.start()
            elector = await self._elector(stack)
            stack.push_async_callback(elector.release)
            if await unless(stop, elector.acquire()):
                self._health.leading = True
                self._metrics.leader.set(1)
                await self._lead(stop, elector)

    async def _elector(self, stack: AsyncExitStack) -> Elector:
        settings, duration = self._settings, self._settings.lease_duration.total_seconds()
        # A client of its own: neither the bucket nor a retry may stand between the leader and its renewal.
        client = await stack.enter_async_context(
            KubernetesClient(
                await configuration(settings.kubeconfig),
                attempts=1,
                timeout=duration / 5,
                observe=self._metrics.requested,
            )
        )
        return Elector(
            client,
            settings.namespace,
            settings.lease,
            settings.identity,
            _now,
            duration=duration,
            deadline=duration * 2 / 3,
            pause=duration / 7.5,
        )

    async def _lead(self, stop: asyncio.Event, elector: Elector) -> None:
        settings = self._settings
        client = KubernetesClient(
            await configuration(settings.kubeconfig),
            bucket=TokenBucket(settings.write_rate, settings.write_burst),
            observe=self._metrics.requested,
        )
        store, queue = Store(), WorkQueue[Key]()
        feed = self._feed(client, store, queue)
        self._metrics.watch(queue, store)
        async with client:
            lease = asyncio.create_task(elector.hold(), name="lease")
            working = asyncio.create_task(self._workers(client, store, queue).run(), name="workers")
            try:
                await first(lease, working, _closed(stop, queue), self._feed_queue(feed, queue))
            finally:
                self._health.stopping = True
                queue.close()
                # Without the Lease another replica works already: what is in flight is cut short.
                await self._drain(working, 0.0 if lease.done() else settings.grace.total_seconds())
                lease.cancel()
                await asyncio.wait([lease])

    async def _feed_queue(self, feed: Feed, queue: WorkQueue[Key]) -> None:
        self._health.oldest_in_flight = lambda: queue.oldest_in_flight
        self._health.seconds_since_list = lambda: feed.seconds_since_list
        self._health.longest_without_list = 4 * self._settings.resync.total_seconds()
        self._health.serves_targets = lambda: feed.serves_targets
        await feed.fill()
        self._health.synced = True
        await first(feed.run(), self._measure_lag())

    def _feed(self, client: KubernetesClient, store: Store, queue: WorkQueue[Key]) -> Feed:
        return Feed(
            Resync(client, store, self._settings.watch_namespaces),
            store,
            queue,
            kubeconfig=self._settings.kubeconfig,
            namespaces=self._settings.watch_namespaces,
            every=self._settings.resync.total_seconds(),
            missed=self._metrics.watch_missed.inc,
        )

    def _workers(self, client: KubernetesClient, store: Store, queue: WorkQueue[Key]) -> Workers[Key]:
        settings = self._settings
        logs = RefereeLogs(client, store)
        executor = Executor(client, store, logs, EventRecorder(client, settings.identity, _now))
        rules = Settings(
            evaluator_image=settings.evaluator_image,
            torch_evaluator_image=settings.torch_evaluator_image,
            image_pull_policy=settings.image_pull_policy,
            retry_delay=settings.retry_delay,
            log_patience=settings.log_patience,
            release_poll=settings.release_poll,
        )
        gatherer = Gatherer(client, store, logs, rules, _now)
        reconciler = Reconciler(gatherer, self._planner, executor, store, self._metrics)
        return Workers(queue, reconciler.reconcile, count=settings.workers, observe=self._metrics.reconciled)

    async def _drain(self, working: asyncio.Task[None], grace: float) -> None:
        done, _ = await asyncio.wait([working], timeout=grace)
        if not done:
            logger.warning("work in flight is cut short; it is repeated by the next leader")
            working.cancel()
            await asyncio.wait([working])

    async def _measure_lag(self) -> None:
        clock, pause = asyncio.get_running_loop().time, 1.0
        while True:
            before = clock()
            await asyncio.sleep(pause)
            self._metrics.loop_lag.set(max(0.0, clock() - before - pause))


async def serve(settings: OperatorSettings) -> int:
    """Run until SIGTERM or SIGINT; the exit code. A second signal ends the process at once."""
    stop = asyncio.Event()

    def signalled() -> None:
        if stop.is_set():
            os._exit(1)
        logger.info("stopping: what is in flight may finish")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled)
    try:
        await Operator(settings).run(stop)
    except (LeaseLost, WatchEnded, WatchDeaf, Refused) as error:
        logger.error("cannot go on, a fresh process can: %s", error)
        return 1
    logger.info("stopped")
    return 0


async def _closed(stop: asyncio.Event, queue: WorkQueue[Key]) -> None:
    await stop.wait()
    queue.close()


def _now() -> datetime:
    return datetime.now(UTC)
