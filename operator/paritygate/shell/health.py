"""Probes and metrics over HTTP."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

logger = logging.getLogger(__name__)

LONGEST_RECONCILE = 600.0
"""Seconds after which work in flight counts as hung: every call to the API server ends long before."""


@dataclass(slots=True)
class Health:
    """What the probes report; set by the composition root as it goes."""

    leading: bool = False
    synced: bool = False
    stopping: bool = False
    oldest_in_flight: Callable[[], float] = lambda: 0.0
    seconds_since_list: Callable[[], float] = lambda: 0.0
    serves_targets: Callable[[], bool] = lambda: False
    longest_without_list: float = float("inf")

    def alive(self) -> tuple[bool, dict[str, Any]]:
        """Not hung: work in flight ends, and lists are still answered."""
        oldest, list_age = self.oldest_in_flight(), self.seconds_since_list()
        ok = oldest < LONGEST_RECONCILE and list_age < self.longest_without_list
        return ok, {"oldestInFlightSeconds": round(oldest, 1), "secondsSinceList": round(list_age, 1)}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Leading with a full store, or standing by to lead: both are as they should be."""
        ok = not self.stopping and (self.synced or not self.leading)
        facts: dict[str, Any] = {"leading": self.leading, "synced": self.synced}
        if self.synced:
            facts["kserve"] = "served" if self.serves_targets() else "absent: verdicts only, no traffic is moved"
        return ok, facts


class HealthServer:
    """`/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, health: Health, render: Callable[[], bytes], host: str, port: int) -> None:
        self._host, self._port = host, port
        application = web.Application()
        application.router.add_get("/healthz", _probe(health.alive))
        application.router.add_get("/readyz", _probe(health.ready))
        application.router.add_get("/metrics", _metrics(render))
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> int:
        """Listen; returns the port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        port: int = self._runner.addresses[0][1]
        logger.info("probes and metrics", extra={"port": port})
        return port

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()


def _probe(check: Callable[[], tuple[bool, dict[str, Any]]]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        ok, facts = check()
        return web.json_response({"ok": ok, **facts}, status=200 if ok else 503)

    return handle


def _metrics(render: Callable[[], bytes]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=render(), content_type="text/plain", charset="utf-8")

    return handle
