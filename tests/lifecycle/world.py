"""A cluster in memory: what a plan asks for is done, and what was persisted is all that the next plan sees."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from paritygate.api import (
    CompressionValidation,
    Condition,
    EvaluationPlan,
    EvaluationResult,
    Outcome,
    ReleaseStatus,
    ScenarioPack,
    TrafficWrite,
    ValidationReport,
    ValidationStatus,
)
from paritygate.lifecycle import Observed, Plan, plan
from paritygate.lifecycle.model import (
    ATTEMPT_LABEL,
    FINALIZER,
    Action,
    CreateJob,
    CreateReport,
    DeleteJob,
    PatchTarget,
    ReadLog,
    RecordEvent,
    RefereeLog,
    SetFinalizer,
    Settings,
)

from ..serving.kserve_model import KServe, settled
from . import builders

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SETTINGS = Settings(evaluator_image="registry.example/evaluator@sha256:abc")


class KilledError(Exception):
    """The operator died."""


@dataclass
class World:
    """One validation and its surroundings. `kill_after`: writes until the operator dies; `when_gone`: it is deleted."""

    validation: CompressionValidation = field(default_factory=builders.validation)
    policy: Any = field(default_factory=builders.policy)
    pool: Any = field(default_factory=builders.pool)
    packs: dict[str, ScenarioPack] = field(default_factory=lambda: {"core": builders.pack()})
    kserve: KServe | None = field(default_factory=settled)
    now: datetime = NOON
    settings: Settings = SETTINGS
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, RefereeLog] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    """What the referee of a Job printed."""
    reports: dict[str, ValidationReport] = field(default_factory=dict)
    serving_pods: list[dict[str, Any]] = field(default_factory=list)
    rivals: list[CompressionValidation] = field(default_factory=list)
    tries: frozenset[str] = frozenset()
    events: list[RecordEvent] = field(default_factory=list)
    writes: int = 0
    status_writes: int = 0
    kill_after: int | None = None
    gone: bool = False
    patches: list[Any] = field(default_factory=list)

    # What the operator sees and does.

    def observe(self) -> Observed:
        spec = self.validation.spec
        names = [ref.name for ref in (*(self.policy.spec.required_packs if self.policy else ()), *spec.packs)]
        seen = (
            self.kserve if spec.target and self.kserve and self.kserve.name == spec.target.inference_service else None
        )
        return Observed(
            now=self.now,
            settings=self.settings,
            validation=self.validation,
            policy=self.policy,
            pool=self.pool,
            packs={name: self.packs.get(name) for name in names},
            jobs=tuple(self.jobs.values()),
            pods=tuple(self.pods.values()),
            logs=dict(self.logs),
            reports=tuple(self.reports.values()),
            target=seen.manifest() if seen else None,
            revisions=dict(seen.revisions) if seen else {},
            serving_pods=tuple(self.serving_pods),
            rivals=tuple(self.rivals),
            tries=self.tries,
        )

    def step(self) -> Plan:
        """One decision, carried out as the executor does: actions in order, then the status, then events."""
        decided = plan(self.observe())
        for action in decided.actions:
            self._act(action)
            if self.gone:
                return decided
        if decided.status != self.status:
            self._write()
            self.status_writes += 1
            self._put(status=decided.status)
        self.events += decided.events
        return decided

    def _act(self, action: Action) -> None:
        match action:
            case CreateJob():
                self._write()
                self._create_job(dict(action.manifest))
            case DeleteJob():
                self._write()
                self.jobs.pop(action.name, None)
                self.pods.pop(action.name, None)
            case ReadLog():
                message = self._termination(action.job)
                self.logs[action.job] = RefereeLog(action.pod_uid, self.texts.get(action.job, ""), False, message)
            case CreateReport():
                self._write()
                self.reports.setdefault(action.report.metadata.name, action.report)
            case PatchTarget():
                self._check_patch(action)
                self._write()
                assert self.kserve is not None
                assert self.kserve.patch(action.patch, action.resource_version)
                self.patches.append(action.patch["spec"]["predictor"])
            case SetFinalizer():
                self._write()
                self._set_finalizer(action.present)

    def _write(self) -> None:
        """A write to the API server; the operator may die right before it."""
        if self.kill_after is not None:
            if self.kill_after == 0:
                self.kill_after = None
                raise KilledError
            self.kill_after -= 1
        self.writes += 1

    def _check_patch(self, action: PatchTarget) -> None:
        release, verdict = self.status.release, self.status.verdict
        assert release is not None
        assert release.intent is not None, "a write that no record announces"
        assert FINALIZER in self.validation.metadata.finalizers or self.deleted
        if release.intent.write in (TrafficWrite.INTRODUCE, TrafficWrite.SHIFT, TrafficWrite.PROMOTE):
            assert verdict is not None
            assert verdict.outcome is Outcome.PASSED
            assert verdict.input_digest == release.input_digest
            assert not release.back

    def _create_job(self, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        if name in self.jobs:
            return  # 409, ours
        stamp = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = {**manifest["metadata"], "uid": f"job-{name}", "creationTimestamp": stamp}
        self.jobs[name] = {**manifest, "metadata": metadata}
        self.pods[name] = {
            "metadata": {
                "name": f"{name}-pod",
                "uid": f"pod-{name}",
                "creationTimestamp": stamp,
                "ownerReferences": [{"uid": f"job-{name}"}],
            },
            "spec": manifest["spec"]["template"]["spec"],
            "status": {"phase": "Pending"},
        }

    def _set_finalizer(self, present: bool) -> None:
        metadata = self.validation.metadata
        others = tuple(name for name in metadata.finalizers if name != FINALIZER)
        self._put(metadata=metadata.model_copy(update={"finalizers": (*others, FINALIZER) if present else others}))
        self.gone = self.deleted and not self.validation.metadata.finalizers

    def _put(self, **update: Any) -> None:
        self.validation = self.validation.model_copy(update=update)

    def _termination(self, job: str) -> str:
        for container in self.pods[job]["status"].get("containerStatuses", ()):
            if container["name"] == "referee":
                return str(container["state"].get("terminated", {}).get("message", ""))
        return ""

    # What people and the cluster do.

    def delete(self) -> None:
        metadata = self.validation.metadata
        self._put(metadata=metadata.model_copy(update={"deletion_timestamp": "2026-11-21T12:30:00Z"}))
        self.gone = not metadata.finalizers

    def edit(self, **spec: Any) -> None:
        """A new spec: a new generation."""
        metadata = self.validation.metadata
        edited = builders.validation(**spec)
        generation = (metadata.generation or 0) + 1
        self._put(spec=edited.spec, metadata=metadata.model_copy(update={"generation": generation}))

    def pass_time(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def job(self) -> str:
        """The name of the newest Job."""
        return list(self.jobs)[-1]

    def pod_status(self, **status: Any) -> None:
        """The newest pod's status."""
        self.pods[self.job()]["status"] = status

    def job_failed(self, reason: str = "BackoffLimitExceeded") -> None:
        self.jobs[self.job()]["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": reason}]}

    def evaluator_plan(self) -> EvaluationPlan:
        """The plan as the newest Job's referee got it."""
        containers = self.jobs[self.job()]["spec"]["template"]["spec"]["containers"]
        env = {e["name"]: e["value"] for c in containers if c["name"] == "referee" for e in c["env"]}
        return EvaluationPlan.model_validate_json(env["PARITYGATE_PLAN"])

    def report_result(self, result: EvaluationResult, text: str | None = None, message: str | None = None) -> None:
        """The referee of the newest Job ends with this result."""
        printed = builders.line(result)
        self.texts[self.job()] = text if text is not None else f'{{"type":"progress","stage":"Planned"}}\n{printed}\n'
        at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        ended = {"terminated": {"exitCode": 0, "message": message or builders.sha(printed), "finishedAt": at}}
        self.pod_status(phase="Succeeded", containerStatuses=[{"name": "referee", "state": ended}])

    def evaluated(self, kind: str = "passes") -> None:
        """Until the verdict on an evaluation that ends so."""
        self.rest()
        attempt = int(self.jobs[self.job()]["metadata"]["labels"][ATTEMPT_LABEL])
        self.report_result(builders.result(self.evaluator_plan(), kind, attempt=attempt))
        while self.status.verdict is None:
            self.step()

    def rest(self, steps: int = 50) -> Plan:
        """Decide until nothing changes any more."""
        for _ in range(steps):
            before = (self.writes, len(self.logs), repr(self.logs))
            try:
                decided = self.step()
            except KilledError:
                continue
            if self.gone or (before == (self.writes, len(self.logs), repr(self.logs))):
                return decided
        raise AssertionError(f"no rest after {steps} steps: {self.status}")

    def settle(self, steps: int = 400) -> ReleaseStatus | None:
        """Decide and let KServe work and time pass, until the release has ended or there is none."""
        for _ in range(steps):
            self.step()
            if self.kserve is not None:
                self.kserve.settle()
            release = self.status.release
            if self.gone or (release is not None and release.outcome is not None):
                return release
            self.pass_time(seconds=2)
        raise AssertionError(f"no end after {steps} steps: {self.status.release}")

    def until_share(self, percent: int) -> None:
        """Until this share is live."""
        for _ in range(200):
            release = self.status.release
            if release and release.effective_percent == percent and release.live_since:
                return
            self.step()
            assert self.kserve is not None
            self.kserve.settle()
            self.pass_time(seconds=2)
        raise AssertionError("never")

    # What people see.

    @property
    def status(self) -> ValidationStatus:
        return self.validation.status

    @property
    def deleted(self) -> bool:
        return self.validation.metadata.deletion_timestamp is not None

    def condition(self, kind: str) -> Condition | None:
        return next((c for c in self.status.conditions if c.type == kind), None)

    def standing(self) -> tuple[str, str]:
        """(Ready's status, its reason), after checking that the other two agree with it."""
        ready, reconciling, stalled = (self.condition(kind) for kind in ("Ready", "Reconciling", "Stalled"))
        assert ready is not None
        agree = {
            "Unknown": reconciling is not None and stalled is None,
            "True": reconciling is None and stalled is None,
            "False": reconciling is None and stalled is not None and stalled.reason == ready.reason,
        }
        assert agree[ready.status]
        assert self.status.observed_generation == self.validation.metadata.generation
        return ready.status, ready.reason

    def message(self) -> str:
        ready = self.condition("Ready")
        return ready.message if ready else ""

    def event_reasons(self) -> list[str]:
        return [event.reason for event in self.events]
