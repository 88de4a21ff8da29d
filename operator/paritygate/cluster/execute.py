"""Doing what a plan asks for: one match over the actions, the status after them, events last."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from paritygate.api import ValidationStatus
from paritygate.engine import Conflict, Terminal
from paritygate.lifecycle.model import (
    FINALIZER,
    Action,
    CreateJob,
    CreateReport,
    DeleteJob,
    PatchTarget,
    Plan,
    ReadLog,
    RecordEvent,
    SetFinalizer,
)

from .client import Client, Manifest
from .errors import AlreadyExists, NotFound
from .events import EventRecorder
from .kinds import JOB, REPORT, TARGET, VALIDATION
from .merge import merge_diff
from .refereelogs import RefereeLogs
from .relations import Key
from .store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Executed:
    """What an execution changed. `look_again`: something was read that a decision can be made on at once."""

    status_written: bool
    look_again: bool


class Executor:
    """Carries plans out. Stops at the first error: every step can be repeated, so the next plan starts over.

    Every answer goes into the store at once, so that the next decision sees our own writes.
    """

    def __init__(self, client: Client, store: Store, logs: RefereeLogs, events: EventRecorder) -> None:
        self._client, self._store, self._logs, self._events = client, store, logs, events

    async def execute(self, key: Key, plan: Plan) -> Executed:
        """Actions in order, then the status if it differs, then events: nobody is told of what did not come to pass.

        Raises Terminal for a name taken by a stranger's object, which is never touched; Conflict where what was read
        is stale.
        """
        look_again = False
        for action in plan.actions:
            try:
                look_again |= await self._act(key, action)
            except NotFound as gone:
                raise Conflict(f"{type(action).__name__}: what was read is gone: {gone}") from gone
        written = await self.write_status(key, plan.status)
        if written or plan.actions:
            await self._tell(key, plan.events)
        return Executed(written, look_again)

    async def write_status(self, key: Key, status: ValidationStatus) -> bool:
        """Make the status so, if it is not so already. Returns whether a write was needed."""
        current = self._store.get(VALIDATION, key.namespace, key.name)
        if current is None:
            return False
        patch = merge_diff(current.get("status", {}), status.dump())
        if not patch:
            return False
        version = {"resourceVersion": current["metadata"]["resourceVersion"]}
        try:
            answer = await self._client.patch_status(
                VALIDATION, key.namespace, key.name, {"metadata": version, "status": patch}
            )
        except NotFound:
            return False  # deleted meanwhile: the watch will say so
        self._store.put(VALIDATION, answer)
        return True

    async def _act(self, key: Key, action: Action) -> bool:
        match action:
            case CreateJob():
                await self._create_job(action)
            case DeleteJob():
                await self._delete_job(key, action)
            case ReadLog():
                return await self._logs.read(key.namespace, action)
            case CreateReport():
                await self._create_report(key, action)
            case PatchTarget():
                version = {"resourceVersion": action.resource_version}
                metadata = {**action.patch.get("metadata", {}), **version}
                patch = {**action.patch, "metadata": metadata}
                self._store.put(TARGET, await self._client.patch(TARGET, key.namespace, action.name, patch))
                logger.info("target patched", extra={"target": action.name, "patch": dict(action.patch)})
            case SetFinalizer():
                await self._set_finalizer(key, action.present)
            case _:
                assert_never(action)
        return False

    async def _create_job(self, action: CreateJob) -> None:
        metadata = action.manifest["metadata"]
        try:
            job = await self._client.create(JOB, action.manifest)
            logger.info("job created", extra={"job": metadata["name"]})
        except AlreadyExists:
            job = await self._client.get(JOB, metadata["namespace"], metadata["name"])
            ours, theirs = _controller(action.manifest), _controller(job)
            if ours != theirs:
                raise Terminal(
                    "NameCollision",
                    f"Job {metadata['name']} exists and belongs to {theirs or 'nobody'}, not to this validation "
                    f"({ours}); it was left alone: delete or rename it",
                ) from None
        self._store.put(JOB, job)

    async def _delete_job(self, key: Key, action: DeleteJob) -> None:
        try:
            await self._client.delete(JOB, key.namespace, action.name, action.uid)
        except NotFound:
            pass  # the wish is fulfilled
        else:
            logger.info("job deleted", extra={"job": action.name})
        self._logs.forget(key.namespace, action.name)
        gone = self._store.get(JOB, key.namespace, action.name)
        if gone is not None and gone["metadata"]["uid"] == action.uid:
            self._store.drop(JOB, gone)

    async def _create_report(self, key: Key, action: CreateReport) -> None:
        wanted = {"apiVersion": REPORT.api_version, "kind": REPORT.name, **action.report.dump()}
        name = action.report.metadata.name
        try:
            report = await self._client.create(REPORT, wanted)
            logger.info("report created", extra={"report": name, "outcome": action.report.spec.outcome})
        except AlreadyExists:
            report = await self._client.get(REPORT, key.namespace, name)
            self._refuse_strangers_report(report, wanted)
        self._store.put(REPORT, report)
        for job in self._store.find(JOB, "owner", action.report.spec.validation.uid):
            self._logs.forget(key.namespace, job["metadata"]["name"])

    def _refuse_strangers_report(self, found: Manifest, wanted: Manifest) -> None:
        uid, digest = found["spec"]["validation"]["uid"], found["spec"]["inputDigest"]
        if (uid, digest) != (wanted["spec"]["validation"]["uid"], wanted["spec"]["inputDigest"]):
            raise Terminal(
                "NameCollision",
                f"ValidationReport {found['metadata']['name']} exists and is about validation {uid} with inputs "
                f"{digest}; a report is never replaced: rename this validation",
            )

    async def _set_finalizer(self, key: Key, present: bool) -> None:
        current = self._store.get(VALIDATION, key.namespace, key.name)
        if current is None:
            return
        metadata = current["metadata"]
        others = [name for name in metadata.get("finalizers", ()) if name != FINALIZER]
        wanted = [*others, FINALIZER] if present else others
        if wanted == metadata.get("finalizers", []):
            return
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": wanted}}
        answer = await self._client.patch(VALIDATION, key.namespace, key.name, patch)
        if metadata.get("deletionTimestamp") and not wanted:
            self._store.drop(VALIDATION, current)
        else:
            self._store.put(VALIDATION, answer)

    async def _tell(self, key: Key, events: Sequence[RecordEvent]) -> None:
        about = self._store.get(VALIDATION, key.namespace, key.name)
        if about is not None:
            for event in events:
                await self._events.record(about, event)


def _controller(manifest: Manifest) -> str | None:
    owned = manifest["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owned if owner.get("controller")), None)
