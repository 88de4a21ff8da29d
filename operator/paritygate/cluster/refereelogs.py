"""Referees' logs as read through the API: kept while a decision may need them, bounded in bytes."""

from collections import OrderedDict

from paritygate.lifecycle.model import ReadLog, RefereeLog

from .client import Client, Manifest
from .errors import NotFound, Refused
from .kinds import POD
from .store import Store

REFEREE = "referee"
"""The container whose log carries the result."""

LIMIT = 8 << 20
"""Most bytes of one log that are read. A longer log is cut and says so: its result is refused, never guessed."""


class RefereeLogs:
    """The logs read last, by namespace and Job. The oldest go first; a decision asks again for what went."""

    def __init__(self, client: Client, store: Store, *, capacity: int = 16 * LIMIT) -> None:
        self._client, self._store, self._capacity = client, store, capacity
        self._logs: OrderedDict[tuple[str, str], RefereeLog] = OrderedDict()

    def of(self, namespace: str, job: str) -> RefereeLog | None:
        """The log of a Job's pod, if it has been read."""
        return self._logs.get((namespace, job))

    async def read(self, namespace: str, wanted: ReadLog) -> bool:
        """Read a log. True if it is complete and was not known so before: a decision can be made at once.

        The termination message is taken first: once it is there, the log cannot grow any more.
        """
        pod = self._store.get(POD, namespace, wanted.pod)
        message = _termination_message(pod) if pod and pod["metadata"]["uid"] == wanted.pod_uid else ""
        try:
            raw = await self._client.pod_log(namespace, wanted.pod, REFEREE, LIMIT)
        except NotFound:
            raw = b""
        except Refused as refused:
            # The container is not up yet or never will be (its fetch failed): the server says 400 to both.
            if refused.status != 400:
                raise
            raw = b""
        log = RefereeLog(wanted.pod_uid, raw.decode(errors="replace"), len(raw) >= LIMIT, message)
        known = self._logs.get((namespace, wanted.job))
        self._keep((namespace, wanted.job), log)
        return bool(message) and log != known

    def forget(self, namespace: str, job: str) -> None:
        """The decision is made, or the Job is gone."""
        self._logs.pop((namespace, job), None)

    def _keep(self, place: tuple[str, str], log: RefereeLog) -> None:
        self._logs[place] = log
        self._logs.move_to_end(place)
        while len(self._logs) > 1 and sum(len(log.text) for log in self._logs.values()) > self._capacity:
            self._logs.popitem(last=False)


def _termination_message(pod: Manifest) -> str:
    for status in pod.get("status", {}).get("containerStatuses", ()):
        if status["name"] == REFEREE:
            return str(status.get("state", {}).get("terminated", {}).get("message", ""))
    return ""
