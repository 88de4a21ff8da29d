"""Evaluator Jobs: make one, follow it, read its result, and try again only when the infrastructure lost it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never

from paritygate.api import Outcome
from paritygate.api import Reason as EvaluationReason
from paritygate.api.validation import AttemptStatus, ProgressStatus, SubjectStatus
from paritygate.judge import ResultRefused
from paritygate.serving import instants

from .case import AT_ONCE, Case, Resolved, Standing, State, Step
from .evaluator_pod import evaluator_job, job_name, short_digest
from .model import ATTEMPT_LABEL, DIGEST_LABEL, Action, CreateJob, CreateReport, DeleteJob, Manifest, ReadLog
from .pods import PATIENCE, Broken, Pending, Reported, Running, Unseen, look
from .reasons import INFRASTRUCTURE, Reason
from .reports import error_report, report_of
from .results import LineMissing, judge, latest_progress

PROGRESS_POLL = timedelta(seconds=15)
LOG_POLL = timedelta(seconds=5)
VISIBLE = timedelta(seconds=30)
"""A Job made so recently may not be in the cache yet; made again it is found by its name."""

PROGRESS_STEP = 25
"""Percent between two writes of the progress: people want to see it move, the API server wants to be left alone."""


@dataclass(frozen=True, slots=True)
class _Run:
    """The attempts at one set of inputs. `actions`: what is to be done whatever comes of the last attempt."""

    case: Case
    inputs: Resolved
    ledger: tuple[AttemptStatus, ...]
    actions: tuple[Action, ...]

    @property
    def last(self) -> AttemptStatus:
        return self.ledger[-1]

    @property
    def allowed(self) -> int:
        return self.inputs.policy.spec.evaluation.attempts

    def also(self, *actions: Action) -> "_Run":
        return replace(self, actions=(*self.actions, *actions))

    def noting(self, **update: object) -> "_Run":
        return replace(self, ledger=(*self.ledger[:-1], self.last.model_copy(update=update)))


def evaluate(case: Case) -> Step | None:
    """The next step towards a report: always one, as long as the inputs are known and there is none."""
    if not isinstance(case.resolution, Resolved):
        return None
    stale = tuple(delete_job(job) for job in superseded_jobs(case))
    run = _Run(case, case.resolution, attempts(case), stale)
    if not run.ledger:
        return _next_attempt(run)
    if run.last.outcome == "Failed":
        return _after_failure(run)
    job = next((job for job in case.observed.jobs if _name(job) == run.last.job), None)
    if job is not None:
        return _follow(run, job)
    if case.now < instants.read(run.last.started_at or instants.written(case.now)) + VISIBLE:
        return _make(run)
    return _lost(run, Broken(Reason.JOB_DELETED, f"Job {run.last.job} is gone before its result was read"))


def attempts(case: Case) -> tuple[AttemptStatus, ...]:
    """The attempts at these inputs: as recorded, and Jobs that a kill left unrecorded."""
    digest = case.input_digest or ""
    known = {a.number: a for a in case.status.attempts if a.input_digest == digest}
    for job in case.observed.jobs:
        labels = job["metadata"].get("labels") or {}
        number = labels.get(ATTEMPT_LABEL, "")
        if labels.get(DIGEST_LABEL) == short_digest(digest) and number.isdecimal() and int(number) not in known:
            at = str(job["metadata"].get("creationTimestamp") or instants.written(case.now))
            known[int(number)] = AttemptStatus(number=int(number), job=_name(job), input_digest=digest, started_at=at)
    return tuple(known[number] for number in sorted(known))


def superseded_jobs(case: Case) -> tuple[Manifest, ...]:
    """Jobs of other inputs than today's: their results can't count any more."""
    current = short_digest(case.input_digest or "")
    return tuple(
        job
        for job in case.observed.jobs
        if (job["metadata"].get("labels") or {}).get(DIGEST_LABEL) != current
        and not job["metadata"].get("deletionTimestamp")
    )


def delete_job(job: Manifest) -> DeleteJob:
    """This very Job, not a later one of its name."""
    return DeleteJob(_name(job), _uid(job))


def _next_attempt(run: _Run) -> Step:
    number = len(run.ledger) + 1
    attempt = AttemptStatus(
        number=number,
        job=job_name(run.case.validation, run.inputs.input_digest, number),
        input_digest=run.inputs.input_digest,
        started_at=instants.written(run.case.now),
    )
    return _make(replace(run, ledger=(*run.ledger, attempt)))


def _make(run: _Run) -> Step:
    job = evaluator_job(
        validation=run.case.validation,
        plan=run.inputs.plan,
        input_digest=run.inputs.input_digest,
        attempt=run.last.number,
        policy=run.inputs.policy,
        pool=run.inputs.pool,
        settings=run.case.observed.settings,
    )
    return _working(run.also(CreateJob(job)))


def _follow(run: _Run, job: Manifest) -> Step:
    seen = look(job, run.case.observed.pods)
    match seen:
        case Unseen():
            return _working(run)  # what is noted stands: it is all that is left of a pod that a deadline took away
        case Pending():
            return _pending(run, seen, job)
        case Running():
            read = ReadLog(_name(job), seen.pod, seen.pod_uid)
            return _working(run.also(read).noting(reason="", message=""), requeue_after=PROGRESS_POLL)
        case Reported():
            return _read_result(run, seen)
        case Broken():
            return _lost(run, _with_history(seen, run.last))
        case _:
            assert_never(seen)


def _pending(run: _Run, seen: Pending, job: Manifest) -> Step:
    if seen.reason is None:
        return _working(run.noting(reason="", message=""))
    due = seen.since + PATIENCE if seen.reason in INFRASTRUCTURE and seen.since else None
    if due is not None and run.case.now >= due:
        return _lost(run.also(delete_job(job)), Broken(seen.reason, seen.message))
    noted = run.noting(reason=seen.reason.value, message=seen.message[:1024])
    return _working(noted, due - run.case.now if due else None)


def _with_history(broken: Broken, attempt: AttemptStatus) -> Broken:
    """A deadline that passed while no node fitted is no slow evaluation; the pod that said so is gone by then."""
    if broken.reason is not Reason.DEADLINE_EXCEEDED or attempt.reason != Reason.UNSCHEDULABLE:
        return broken
    return Broken(
        Reason.UNSCHEDULABLE,
        f"no node could take the evaluator within the policy's evaluation.deadline: {attempt.message}. Check the "
        "AcceleratorPool's nodeSelector, tolerations and resources against the nodes",
    )


def _read_result(run: _Run, seen: Reported) -> Step:
    job, log = run.last.job, run.case.observed.logs.get(run.last.job)
    again = _working(run.also(ReadLog(job, seen.pod, seen.pod_uid)), requeue_after=LOG_POLL)
    if log is None or log.termination_message.strip() != seen.termination:
        return again
    try:
        judged = judge(
            log, pod_uid=seen.pod_uid, termination=seen.termination, plan=run.inputs.plan, attempt=run.last.number
        )
        report = report_of(run.case, run.inputs, judged, attempts=len(run.ledger))
    except ResultRefused as refused:
        if isinstance(refused, LineMissing):
            if seen.ended is not None and run.case.now < seen.ended + run.case.observed.settings.log_patience:
                return again
            if seen.fault is not None:
                return _lost(run, seen.fault)
        said = f"the evaluator's result was refused: {refused}. Nothing was promoted; see the log of Job {job}"
        return _decide_error(run, EvaluationReason.RESULT_REFUSED, said)
    if judged.verdict.outcome is Outcome.ERROR and seen.fault is not None:
        return _lost(run, seen.fault)  # the pod knows better why
    return _write_down(run, CreateReport(report))


def _lost(run: _Run, broken: Broken) -> Step:
    return _after_failure(
        run.noting(
            outcome="Failed",
            reason=broken.reason.value,
            message=broken.message[:1024],
            finished_at=instants.written(run.case.now),
        )
    )


def _after_failure(run: _Run) -> Step:
    last = run.last
    if last.reason not in INFRASTRUCTURE:
        return _decide_error(run, last.reason, last.message)
    if len(run.ledger) >= run.allowed:
        listed = "; ".join(f"{a.number}: {a.reason}, {a.message}" for a in run.ledger)
        said = f"{len(run.ledger)} of {run.allowed} attempts were lost to the infrastructure. {listed}"
        return _decide_error(run, Reason.ATTEMPTS_EXHAUSTED, said)
    due = instants.read(last.finished_at or instants.written(run.case.now)) + run.case.observed.settings.retry_delay
    if run.case.now >= due:
        return _next_attempt(run)
    said = f"attempt {last.number} of {run.allowed} was lost: {last.reason}, {last.message}. Trying again"
    standing = Standing(State.WORKING, Reason.RETRYING, said)
    return Step(standing, _update(run), run.actions, due - run.case.now)


def _decide_error(run: _Run, reason: str, message: str) -> Step:
    report = error_report(run.case, run.inputs, str(reason), message, attempts=len(run.ledger))
    return _write_down(run, CreateReport(report))


def _write_down(run: _Run, action: CreateReport) -> Step:
    """The report first; the status tells of it once the report is seen: the report is what lasts."""
    return replace(_working(run.also(action)), requeue_after=AT_ONCE)


def _working(run: _Run, requeue_after: timedelta | None = None) -> Step:
    said = f"attempt {run.last.number} of {run.allowed} on pool {run.inputs.pool.metadata.name}"
    trouble = run.last.reason if run.last.outcome == "Running" else ""
    standing = Standing(State.WORKING, Reason.EVALUATING, said)
    if trouble:
        standing = Standing(State.WORKING, trouble, f"{said}: {run.last.message}")
    return Step(standing, _update(run), run.actions, requeue_after)


def _update(run: _Run) -> dict[str, object]:
    release, digest = run.case.status.release, run.inputs.input_digest
    closed = release is not None and release.outcome is not None and release.input_digest != digest
    return {
        "input_digest": digest,
        "policy_digest": run.inputs.policy_digest,
        "candidate_number": run.inputs.plan.candidate_number,
        "subject": SubjectStatus(baseline=run.inputs.plan.baseline, candidate=run.inputs.plan.candidate),
        "verdict": None,
        "gates": (),
        "attempts": run.ledger,
        "progress": _progress(run),
        "release": None if closed else release,
    }


def _progress(run: _Run) -> ProgressStatus | None:
    log = run.case.observed.logs.get(run.last.job)
    told = latest_progress(log.text) if log is not None else None
    before = run.case.status.progress if run.case.status.input_digest == run.inputs.input_digest else None
    if told is None or told.planned <= 0:
        return before
    percent = min(100, 100 * told.items // told.planned) // PROGRESS_STEP * PROGRESS_STEP
    if before is not None and (before.percent, before.stage) == (percent, told.stage):
        return before
    return ProgressStatus(items=told.items, planned=told.planned, percent=percent, stage=told.stage)


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("name", ""))


def _uid(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("uid", ""))
