"""The paged re-list that nothing may replace: it forgets ghosts, and catches a watch that has gone deaf."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from .client import Client
from .errors import NotFound
from .kinds import TARGET, WATCHED, Kind
from .store import Place, Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resynced:
    """What a resync found: the kinds that are served, and what the list knew better than the store."""

    served: frozenset[Kind]
    missed: dict[tuple[Kind, Place], str]


class Resync:
    """Reads every watched kind whole and replaces the store's content by it.

    `namespaces` narrows the namespaced kinds; empty means all of them.
    """

    def __init__(self, client: Client, store: Store, namespaces: Sequence[str] = ()) -> None:
        self._client, self._store, self._namespaces = client, store, namespaces

    async def run(self) -> Resynced:
        """One pass over all kinds. KServe may be missing; any other kind that is not served raises NotFound."""
        served: set[Kind] = set()
        missed: dict[tuple[Kind, Place], str] = {}
        for kind in WATCHED:
            self._store.begin_relist(kind)
            try:
                missed |= await self._list(kind)
            except NotFound:
                if kind is not TARGET:
                    raise
            else:
                served.add(kind)
            self._store.end_relist(kind)
        return Resynced(frozenset(served), missed)

    async def serves_targets(self) -> bool:
        """Whether KServe's InferenceServices are served now."""
        try:
            async for _ in self._client.list_pages(TARGET, next(iter(self._namespaces), None)):
                break
        except NotFound:
            return False
        return True

    async def _list(self, kind: Kind) -> dict[tuple[Kind, Place], str]:
        missed: dict[tuple[Kind, Place], str] = {}
        for namespace in (self._namespaces if kind.namespaced else ()) or (None,):
            async for page in self._client.list_pages(kind, namespace):
                news = self._store.relist(kind, page)
                missed |= {(kind, place): version for place, version in news.items()}
        return missed


class Watchdog:
    """Expects of the watch what a resync found first. What it does not announce in time, it will never announce."""

    def __init__(self, patience: float = 120.0) -> None:
        self._patience = patience
        self._expected: dict[tuple[Kind, Place], float] = {}

    def expect(self, missed: dict[tuple[Kind, Place], str]) -> None:
        """A resync found these before the watch told of them."""
        now = asyncio.get_running_loop().time()
        for place in missed:
            self._expected.setdefault(place, now)

    def announced(self, kind: Kind, place: Place) -> None:
        """The watch told of this object."""
        self._expected.pop((kind, place), None)

    def overdue(self) -> int:
        """How many objects the watch should have told of by now."""
        now = asyncio.get_running_loop().time()
        return sum(now - since > self._patience for since in self._expected.values())
