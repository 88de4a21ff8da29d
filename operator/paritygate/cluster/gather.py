"""Everything one decision may look at, collected for one validation."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from paritygate.api import (
    AcceleratorPool,
    CompressionValidation,
    Outcome,
    ReleaseMode,
    ScenarioPack,
    ValidationPolicy,
    ValidationReport,
)
from paritygate.engine import Terminal
from paritygate.lifecycle.model import Observed, RefereeLog, Settings
from paritygate.lifecycle.tries import data_of

from .client import Client, Manifest, Object
from .errors import NotFound
from .kinds import JOB, PACK, POD, POLICY, POOL, REPORT, REVISION, TARGET, VALIDATION, Kind
from .refereelogs import RefereeLogs
from .relations import Key
from .store import Store

STORAGE_URI = "internal.serving.kserve.io/storage-initializer-sourceuri"
"""KServe's annotation on the revisions it makes: which model a revision serves."""

_SERVICE_LABEL = "serving.kserve.io/inferenceservice"

M = TypeVar("M", CompressionValidation, ValidationPolicy, AcceleratorPool, ScenarioPack, ValidationReport)


class Gatherer:
    """Reads from the store; of a release in flight, whose truth must not be seconds old, from the API server."""

    def __init__(
        self, client: Client, store: Store, logs: RefereeLogs, settings: Settings, now: Callable[[], datetime]
    ) -> None:
        self._client, self._store, self._logs, self._settings, self._now = client, store, logs, settings, now

    async def gather(self, key: Key) -> Observed | None:
        """What is to be seen of a validation; None if it is gone.

        Raises Terminal where an object that decides cannot be read: nothing is guessed about it.
        """
        manifest = self._store.get(VALIDATION, key.namespace, key.name)
        if manifest is None:
            return None
        validation = _parsed(CompressionValidation, VALIDATION, manifest)
        spec, uid = validation.spec, manifest["metadata"]["uid"]
        policy = self._one(ValidationPolicy, POLICY, None, spec.policy)
        names = {ref.name for ref in (*(policy.spec.required_packs if policy else ()), *spec.packs)}
        jobs = self._store.find(JOB, "owner", uid)
        pods = [pod for job in jobs for pod in self._store.find(POD, "owner", job["metadata"]["uid"])]
        observed = Observed(
            now=self._now(),
            settings=self._settings,
            validation=validation,
            policy=policy,
            pool=self._one(AcceleratorPool, POOL, None, spec.pool),
            packs={name: self._one(ScenarioPack, PACK, key.namespace, name) for name in sorted(names)},
            jobs=tuple(jobs),
            pods=tuple(pods),
            logs=self._read_logs(key, jobs),
            reports=tuple(_parsed(ValidationReport, REPORT, r) for r in self._store.find(REPORT, "about", uid)),
            rivals=self._rivals(validation, key),
        )
        if not _decided(observed):
            observed = replace(observed, tries=self._tries(observed, key))
        return await self._with_target(observed, key) if spec.target else observed

    async def _with_target(self, observed: Observed, key: Key) -> Observed:
        assert observed.validation.spec.target is not None
        name = observed.validation.spec.target.inference_service
        if not _may_move_traffic(observed.validation):
            return replace(observed, target=self._store.get(TARGET, key.namespace, name))
        target, revisions, pods = await asyncio.gather(
            self._live(key.namespace, name),
            self._listed(REVISION, key.namespace, name),
            self._listed(POD, key.namespace, name),
        )
        uris = {r["metadata"]["name"]: r["metadata"].get("annotations", {}).get(STORAGE_URI, "") for r in revisions}
        return replace(observed, target=target, revisions=uris, serving_pods=tuple(pods))

    async def _live(self, namespace: str, name: str) -> Object | None:
        try:
            target = await self._client.get(TARGET, namespace, name)
        except NotFound:
            return None
        self._store.put(TARGET, target)
        return target

    async def _listed(self, kind: Kind, namespace: str, service: str) -> list[Object]:
        found: list[Object] = []
        try:
            async for page in self._client.list_pages(kind, namespace, f"{_SERVICE_LABEL}={service}"):
                found += page
        except NotFound:
            return []  # no Knative in this cluster
        return found

    def _rivals(self, validation: CompressionValidation, key: Key) -> tuple[CompressionValidation, ...]:
        if validation.spec.target is None:
            return ()
        found = self._store.find(VALIDATION, "target", key.namespace, validation.spec.target.inference_service)
        return tuple(_parsed(CompressionValidation, VALIDATION, m) for m in found if m["metadata"]["name"] != key.name)

    def _tries(self, observed: Observed, key: Key) -> frozenset[str]:
        judged = self._store.tries(key.namespace, data_of(observed.packs.values()))
        if observed.policy is None or not observed.policy.spec.evaluation.alpha_budget:
            return judged
        others = self._store.judged_on(key.namespace, observed.packs) - {key}
        manifests = (self._store.get(VALIDATION, other.namespace, other.name) for other in others)
        own = observed.validation.metadata
        age = (own.creation_timestamp or "", own.name)
        return judged.union(m["metadata"]["uid"] for m in manifests if m and _goes_first(m, age))

    def _read_logs(self, key: Key, jobs: Iterable[Manifest]) -> dict[str, RefereeLog]:
        names = [job["metadata"]["name"] for job in jobs]
        return {name: log for name in names if (log := self._logs.of(key.namespace, name)) is not None}

    def _one(self, model: type[M], kind: Kind, namespace: str | None, name: str) -> M | None:
        manifest = self._store.get(kind, namespace, name)
        return None if manifest is None else _parsed(model, kind, manifest)


def _decided(observed: Observed) -> bool:
    """Whether a report decides the spec as it is: its number among the tries was given long ago."""
    status = observed.validation.status
    unchanged = status.observed_generation == observed.validation.metadata.generation
    return unchanged and any(report.spec.input_digest == status.input_digest for report in observed.reports)


def _goes_first(manifest: Manifest, age: tuple[str, str]) -> bool:
    """Whether a validation is under way with a number of its own, or is older and about to get one."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    if metadata.get("deletionTimestamp"):
        return False
    looked_at = status.get("observedGeneration") == metadata.get("generation")
    if looked_at and status.get("inputDigest"):
        return not status.get("verdict")
    stalled = any((c["type"], c["status"]) == ("Stalled", "True") for c in status.get("conditions", ()))
    older = (metadata.get("creationTimestamp", ""), metadata["name"]) < age
    return older and not (looked_at and stalled)


def _may_move_traffic(validation: CompressionValidation) -> bool:
    """From a Passed verdict to the end of the release."""
    release = validation.status.release
    if release is not None:
        return release.outcome is None
    verdict = validation.status.verdict
    wanted = validation.spec.release.mode is ReleaseMode.CANARY
    return wanted and verdict is not None and verdict.outcome is Outcome.PASSED


def _parsed(model: type[M], kind: Kind, manifest: Manifest) -> M:
    try:
        return model.model_validate(manifest)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        name = manifest["metadata"]["name"]
        raise Terminal(
            f"{kind.name.removeprefix('Compression')}Invalid",
            f"{kind.name} {name}: {field}: {first['msg']} ({error.error_count()} such); correct and apply it again",
        ) from error
