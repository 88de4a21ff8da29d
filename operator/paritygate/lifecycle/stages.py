"""The stages of a decision: each yields a step or falls through to the next. Read from top to bottom."""

from datetime import timedelta

from paritygate.api import Outcome, ReleaseOutcome, ReleaseStatus, ValidationReport
from paritygate.api.validation import AttemptStatus, ProgressStatus, SubjectStatus
from paritygate.serving import instants

from . import release
from .attempts import attempts, delete_job, evaluate, superseded_jobs
from .case import AT_ONCE, Case, Problem, Resolved, Standing, State, Step
from .model import CreateReport, SetFinalizer
from .power import refusal, refused_gates
from .reasons import Reason
from .reports import gates_of, underpowered_report, verdict_of
from .rivals import waits_for


def release_in_flight(case: Case) -> Step | None:
    """Traffic that was moved comes before everything else, forward or back."""
    return release.drive(case)


def deleted(case: Case) -> Step | None:
    """Nothing is left to move back: let go, and start nothing."""
    if not case.deleted:
        return None
    return Step(None, actions=(SetFinalizer(False),) if release.has_finalizer(case) else ())


def decided(case: Case) -> Step | None:
    """A report on these inputs exists: it is the verdict, for ever."""
    if case.report is None:
        return None
    verdict = verdict_of(case.report)
    update: dict[str, object] = {
        "input_digest": verdict.input_digest,
        "candidate_number": case.report.spec.plan.candidate_number,
        "subject": SubjectStatus(baseline=case.report.spec.plan.baseline, candidate=case.report.spec.plan.candidate),
        "verdict": verdict,
        "gates": gates_of(case.report) if case.status.verdict != verdict else case.status.gates,
        "attempts": _closed_attempts(case),
        "progress": _judged(case.report),
        "release": case.release,
    }
    if verdict.outcome is not Outcome.PASSED:
        return Step(Standing(State.STOPPED, verdict.reason, verdict.message), update)
    if not case.canary:
        return Step(Standing(State.DONE, Reason.PASSED, verdict.message), update)
    if case.release is not None and case.release.outcome is not None:
        return Step(_after_release(case), update)
    if case.status.verdict != verdict or case.status.release != case.release:
        # The verdict is persisted before any traffic is thought of.
        standing = Standing(State.WORKING, Reason.RELEASING, f"{verdict.message}. The release starts")
        return Step(standing, update, requeue_after=AT_ONCE)
    return _release_starts(case, update)


def unresolved(case: Case) -> Step | None:
    """The inputs are not all there, or contradict each other."""
    return _stopped_by(case, case.resolution) if isinstance(case.resolution, Problem) else None


def underpowered(case: Case) -> Step | None:
    """What the packs can't prove by their own word is decided at once: no Job, no device."""
    if not isinstance(case.resolution, Resolved) or attempts(case):
        return None
    refused = refused_gates(case.resolution.plan)
    if not refused:
        return None
    stale = (delete_job(job) for job in superseded_jobs(case))
    report = underpowered_report(case, case.resolution, refusal(case.resolution.plan, refused))
    return Step(None, actions=(*stale, CreateReport(report)), requeue_after=AT_ONCE)


def rivals(case: Case) -> Step | None:
    """Another validation of the target goes first; an evaluation that runs already is not interrupted."""
    problem = None if attempts(case) else waits_for(case.observed)
    return _stopped_by(case, problem) if problem else None


def target_refused(case: Case) -> Step | None:
    """What could not be released later is said before a device is taken."""
    problem = None if attempts(case) else release.refused(case)
    return _stopped_by(case, problem) if problem else None


STAGES = (
    release_in_flight,
    deleted,
    decided,
    unresolved,
    underpowered,
    rivals,
    target_refused,
    evaluate,
)


def _stopped_by(case: Case, problem: Problem) -> Step:
    standing = Standing(State.WORKING if problem.passing else State.STOPPED, problem.reason, problem.message)
    nothing: dict[str, object] = {
        "input_digest": None,
        "policy_digest": None,
        "candidate_number": None,
        "subject": None,
        "verdict": None,
        "gates": (),
        "progress": None,
    }
    return Step(standing, nothing, requeue_after=_again(case, problem))


def _again(case: Case, problem: Problem) -> timedelta | None:
    return max(problem.until - case.now, AT_ONCE) if problem.until else None


def _release_starts(case: Case, update: dict[str, object]) -> Step:
    problem = waits_for(case.observed) or release.refused(case)
    if problem is not None:
        state = State.WORKING if problem.passing else State.STOPPED
        said = f"Passed, and not released: {problem.message}"
        return Step(Standing(state, problem.reason, said), update, requeue_after=_again(case, problem))
    begun = release.start(case)
    standing = release.standing(case, begun)
    actions = () if release.has_finalizer(case) else (SetFinalizer(True),)
    return Step(standing, {**update, "release": begun}, actions, AT_ONCE)


def _after_release(case: Case) -> Standing:
    assert case.release is not None
    match case.release.outcome:
        case ReleaseOutcome.PROMOTED:
            said = f"all traffic of InferenceService {case.release.target} on {case.release.candidate_revision}"
            return Standing(State.DONE, Reason.PROMOTED, said)
        case ReleaseOutcome.ROLLED_BACK:
            zero = _time_to_zero(case.release)
            said = f"{case.release.message}. The baseline has all traffic{zero}. Name a mended model in spec.candidate"
            return Standing(State.STOPPED, Reason.ROLLED_BACK, said)
        case _:
            return Standing(State.STOPPED, case.release.reason, case.release.message)


def _time_to_zero(ended: ReleaseStatus) -> str:
    if not (ended.breached_at and ended.zero_at):
        return ""
    seconds = (instants.read(ended.zero_at) - instants.read(ended.breached_at)).total_seconds()
    return f"; the candidate's share was 0 % {seconds:.1f} s after the breach"


def _judged(report: ValidationReport) -> ProgressStatus | None:
    """What was used in the end; of an evaluation without a result nothing is known."""
    if report.spec.result_digest is None:
        return None
    return ProgressStatus(items=report.spec.items, planned=report.spec.items, percent=100, stage="Judged")


def _closed_attempts(case: Case) -> tuple[AttemptStatus, ...]:
    """With a verdict no attempt is under way: the last one is what the verdict came from."""
    assert case.report is not None
    ledger = attempts(case)
    if not ledger or ledger[-1].outcome != "Running":
        return ledger
    update: dict[str, object] = {"outcome": "Succeeded", "reason": "", "message": ""}
    if case.report.spec.result_digest is None:
        update = {"outcome": "Failed", "reason": case.report.spec.reason, "message": case.report.spec.message}
    update["finished_at"] = case.report.spec.decided_at or instants.written(case.now)
    return (*ledger[:-1], ledger[-1].model_copy(update=update))
