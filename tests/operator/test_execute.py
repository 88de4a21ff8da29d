"""How a plan is carried out: in order, stopping at the first error, with preconditions, events last."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from paritygate.api import ValidationStatus
from paritygate.cluster import (
    JOB,
    POD,
    VALIDATION,
    AlreadyExists,
    Client,
    EventRecorder,
    Executor,
    Key,
    Kind,
    NotFound,
    RefereeLogs,
    Refused,
    Store,
)
from paritygate.cluster.kinds import EVENT, TARGET
from paritygate.engine import Conflict
from paritygate.lifecycle.model import CreateJob, DeleteJob, PatchTarget, Plan, ReadLog, RecordEvent, SetFinalizer

from tests.operator.world import validation

KEY = Key("ns", "v")
EVENTS = (RecordEvent("Decided", "said"),)


class Recorder(Client):
    """A server that takes everything and remembers the order; `fails` maps (verb, kind) to what it raises instead."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.fails: dict[tuple[str, Kind], Exception] = {}
        self.found: dict[str, Any] = {}
        self.log: bytes | Exception = b""

    def _call(self, verb: str, kind: Kind, what: Any) -> None:
        self.calls.append((verb, kind.plural, what))
        if (verb, kind) in self.fails:
            raise self.fails[verb, kind]

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any]:
        return dict(self.found[name])

    async def list_pages(
        self, kind: Kind, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[list[dict[str, Any]]]:
        yield []

    async def create(self, kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        self._call("create", kind, manifest["metadata"]["name"])
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "made", "resourceVersion": "2"}}

    async def replace(self, kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    async def patch(self, kind: Kind, namespace: str | None, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        self._call("patch", kind, patch)
        metadata = {**kept()["metadata"], **patch.get("metadata", {}), "resourceVersion": "3"}
        return {**kept(), **patch, "metadata": metadata}

    async def patch_status(
        self, kind: Kind, namespace: str | None, name: str, patch: Mapping[str, Any]
    ) -> dict[str, Any]:
        self._call("patch status", kind, patch)
        return {**kept("4"), "status": patch["status"]}

    async def delete(self, kind: Kind, namespace: str | None, name: str, uid: str) -> None:
        self._call("delete", kind, (name, uid))

    async def pod_log(self, namespace: str, pod: str, container: str, limit: int) -> bytes:
        if isinstance(self.log, Exception):
            raise self.log
        return self.log[:limit]


def kept(version: str = "1") -> dict[str, Any]:
    made = validation("ns", "v")
    return {**made, "metadata": {**made["metadata"], "uid": "u", "resourceVersion": version}}


class Bench:
    """An executor, the server it talks to, and the store it fills."""

    def __init__(self) -> None:
        self.server, self.store = Recorder(), Store()
        self.store.put(VALIDATION, kept())
        self.logs = RefereeLogs(self.server, self.store, capacity=10)
        recorder = EventRecorder(self.server, "me", lambda: datetime.now(UTC))
        self.executor = Executor(self.server, self.store, self.logs, recorder)

    def run(self, *actions: Any, generation: int = 1, events: Any = EVENTS) -> Any:
        plan = Plan(tuple(actions), ValidationStatus(observed_generation=generation), events)
        return asyncio.run(self.executor.execute(KEY, plan))

    @property
    def verbs(self) -> list[tuple[str, str]]:
        return [(verb, kind) for verb, kind, _ in self.server.calls]


def a_job(uid: str = "u") -> dict[str, Any]:
    owner = {"uid": uid, "controller": True, "kind": "CompressionValidation", "name": "v"}
    metadata = {"name": "j", "namespace": "ns", "ownerReferences": [owner]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {}}


def test_actions_in_order_then_the_status_then_events() -> None:
    bench = Bench()
    done = bench.run(SetFinalizer(True), CreateJob(a_job()), DeleteJob("old", "uid-of-old"))
    assert bench.verbs == [
        ("patch", "compressionvalidations"),
        ("create", "jobs"),
        ("delete", "jobs"),
        ("patch status", "compressionvalidations"),
        ("create", "events"),
    ]
    assert done.status_written
    assert bench.store.find(JOB, "owner", "u"), "our own write is seen by the next decision"


@pytest.mark.parametrize(
    ("error", "raised"),
    [(Conflict("stale"), Conflict), (Refused(422, "no"), Refused), (NotFound("what was read is gone"), Conflict)],
)
def test_the_first_error_ends_it_and_nobody_is_told(error: Exception, raised: type[Exception]) -> None:
    bench = Bench()
    bench.server.fails["patch", TARGET] = error
    with pytest.raises(raised):
        bench.run(CreateJob(a_job()), PatchTarget("fraud", {"spec": {}}, "7"), DeleteJob("old", "uid"))
    assert bench.verbs == [("create", "jobs"), ("patch", "inferenceservices")]


def test_every_write_to_what_others_write_too_carries_what_it_was_decided_on() -> None:
    bench = Bench()
    bench.run(PatchTarget("fraud", {"spec": {"predictor": {"canaryTrafficPercent": 10}}}, "7"), SetFinalizer(True))
    target, finalizer, status = (what for _, kind, what in bench.server.calls if kind != "events")
    assert target["metadata"]["resourceVersion"] == "7"
    assert finalizer["metadata"]["resourceVersion"] == "1"
    assert status["metadata"]["resourceVersion"] == "3", "the finalizer's write came between"


def test_at_rest_nothing_is_written_and_nobody_is_told() -> None:
    bench = Bench()
    status = ValidationStatus(observed_generation=1)
    bench.store.put(VALIDATION, {**kept(), "status": status.dump()})
    assert not bench.run().status_written
    assert bench.verbs == []


def test_what_vanished_from_the_status_is_taken_away() -> None:
    bench = Bench()
    bench.store.put(VALIDATION, {**kept(), "status": {"progress": {"items": 1}, "observedGeneration": 1}})
    bench.run(events=())
    ((_, _, patch),) = bench.server.calls
    assert patch["status"]["progress"] is None
    assert "observedGeneration" not in patch["status"]


def test_a_job_that_is_there_already_is_adopted_if_it_is_ours_and_refused_if_not() -> None:
    for uid, ours in (("u", True), ("someone", False)):
        bench = Bench()
        bench.server.fails["create", JOB] = AlreadyExists("j")
        there = a_job(uid)
        bench.server.found["j"] = {**there, "metadata": {**there["metadata"], "uid": "there", "resourceVersion": "9"}}
        if ours:
            bench.run(CreateJob(a_job()), events=())
            assert [j["metadata"]["uid"] for j in bench.store.find(JOB, "owner", "u")] == ["there"]
        else:
            with pytest.raises(Exception, match="belongs to someone"):
                bench.run(CreateJob(a_job()))
            assert ("delete", "jobs") not in bench.verbs
            assert ("patch status", "compressionvalidations") not in bench.verbs


def test_deleting_what_is_gone_is_done() -> None:
    bench = Bench()
    bench.server.fails["delete", JOB] = NotFound("j")
    assert bench.run(DeleteJob("j", "uid")).status_written


def test_an_event_told_twice_is_a_series_and_a_flood_is_dropped() -> None:
    bench = Bench()

    async def tell() -> None:
        for generation in range(40):
            await bench.executor.execute(KEY, Plan((), ValidationStatus(observed_generation=generation), EVENTS))

    asyncio.run(tell())
    told = [verb for verb, kind, _ in bench.server.calls if kind == EVENT.plural]
    assert told[:2] == ["create", "patch"]
    assert 2 < len(told) < 40


def test_an_event_that_cannot_be_written_decides_nothing() -> None:
    bench = Bench()
    bench.server.fails["create", EVENT] = Refused(403, "no")
    assert bench.run().status_written


def finished_pod(message: str) -> dict[str, Any]:
    state = {"terminated": {"message": message}} if message else {"running": {}}
    status = {"containerStatuses": [{"name": "referee", "state": state}]}
    return {"metadata": {"name": "p", "namespace": "ns", "uid": "pu", "resourceVersion": "1"}, "status": status}


READ = ReadLog("j", "p", "pu")
LOGS = [
    ("sha", b"all", True, ("all", False, "sha")),  # complete: look again at once
    ("", b"half", False, ("half", False, "")),  # still running: look again when the plan says
    ("sha", NotFound("p"), True, ("", False, "sha")),
    ("", Refused(400, "PodInitializing"), False, ("", False, "")),
]


@pytest.mark.parametrize(("message", "log", "again", "kept_log"), LOGS)
def test_a_log_is_kept_with_the_message_that_was_there_before_it_was_read(
    message: str, log: Any, again: bool, kept_log: tuple[str, bool, str]
) -> None:
    bench = Bench()
    bench.store.put(POD, finished_pod(message))
    bench.server.log = log
    assert bench.run(READ).look_again is again
    found = bench.logs.of("ns", "j")
    assert found is not None
    assert (found.text, found.truncated, found.termination_message) == kept_log
    assert not bench.run(READ).look_again, "what is known already is no news"


def test_a_log_longer_than_its_bound_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paritygate.cluster.refereelogs.LIMIT", 4)
    bench = Bench()
    bench.server.log = b"12345"
    bench.run(READ)
    found = bench.logs.of("ns", "j")
    assert found is not None
    assert (found.text, found.truncated) == ("1234", True)


def test_old_logs_make_room_for_new_ones() -> None:
    bench = Bench()
    bench.server.log = b"seven b"
    bench.run(ReadLog("old", "p", "pu"), ReadLog("new", "p", "pu"))
    assert bench.logs.of("ns", "old") is None
    assert bench.logs.of("ns", "new") is not None


def test_of_another_pods_message_nothing_is_believed() -> None:
    bench = Bench()
    bench.store.put(POD, finished_pod("sha"))
    assert not bench.run(ReadLog("j", "p", "another-uid")).look_again
