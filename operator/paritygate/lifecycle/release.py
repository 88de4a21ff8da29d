"""The release of a candidate that passed: start it, drive it, take it back. Every move is the driver's."""

from datetime import datetime, timedelta
from typing import assert_never

from paritygate.api import Outcome, ReleaseStatus, TrafficWrite
from paritygate.api.policy import RolloutLimits
from paritygate.api.validation import OnFailed
from paritygate.serving import (
    Course,
    Recall,
    Record,
    Sight,
    TargetReason,
    Wait,
    Wanted,
    Write,
    advance,
    begin,
    canary_as_left,
    instants,
    preflight,
    reopened,
)
from paritygate.serving import Step as TrafficStep

from .case import AT_ONCE, Case, Problem, Standing, State, Step
from .durations import parse
from .model import FINALIZER, PatchTarget, SetFinalizer
from .reasons import Reason

SLOW = timedelta(seconds=15)
"""A wait that lasts longer is explained; shorter ones would only cost a write each."""


def drive(case: Case) -> Step | None:
    """The next move of a release in flight, or of one that was held and has to be taken back."""
    release = case.status.release
    if release is None:
        return None
    recall = _recall(case, release)
    if release.outcome is not None and not (
        recall and _looked_at(case, release) and canary_as_left(release, case.target)
    ):
        return None
    if not _looked_at(case, release):
        said = f"waiting to see InferenceService {release.target}, which this release has changed"
        return _step(case, release, Standing(State.WORKING, Reason.ROLLING_BACK, said), requeue_after=_poll(case))
    sight = Sight(case.now, case.target, case.observed.revisions, case.observed.serving_pods)
    course = _course(case, recall)
    move = advance(release, course, sight) if release.outcome is None else reopened(release, course, sight)
    match move:
        case Record():
            return _step(case, move.release, standing(case, move.release), requeue_after=AT_ONCE)
        case Write():
            return _write(case, release, move)
        case Wait():
            return _wait(case, release, move)
        case _:
            assert_never(move)


def start(case: Case) -> ReleaseStatus:
    """The record of a release that begins. The target passed `refused`."""
    plan, target = case.plan, case.target
    assert plan is not None
    assert target is not None
    sight = Sight(case.now, target)
    return begin(
        target,
        input_digest=case.input_digest or "",
        baseline_uri=plan.baseline.uri,
        candidate_uri=plan.candidate.uri,
        sight=sight,
    )


def refused(case: Case) -> Problem | None:
    """Why no release of this plan could start on the target; None where the target is not asked for anything."""
    spec, plan = case.validation.spec, case.plan
    if plan is None or not (case.canary or spec.baseline is None):
        return None
    wanted = Wanted(
        name=case.target_name,
        target=case.target,
        candidate_uri=plan.candidate.uri,
        baseline_uri=plan.baseline.uri,
        to_release=case.canary,
    )
    refusal = preflight(wanted)
    if refusal is None:
        return None
    patient_until = _patience(case) if refusal.passing else None
    passing = refusal.passing and (patient_until is None or case.now < patient_until)
    return Problem(refusal.reason, refusal.message, passing, patient_until if passing else None)


def _patience(case: Case) -> datetime | None:
    """Until when a target that is not ready is waited for; None while it says nothing of since when."""
    if case.target is None or case.target.ready or not case.target.unready_since:
        return None
    return instants.read(case.target.unready_since) + _progress_deadline(case)


def _progress_deadline(case: Case) -> timedelta:
    limits = case.observed.policy.spec.rollout if case.observed.policy else RolloutLimits()
    return parse(limits.progress_deadline)


def needs_finalizer(case: Case) -> bool:
    """Whether traffic that was moved would be left behind if the validation went now."""
    release = case.status.release
    if release is None:
        return False
    return release.outcome is None or _left_open(case, release)


def has_finalizer(case: Case) -> bool:
    """Whether ours holds the validation."""
    return FINALIZER in case.validation.metadata.finalizers


def _recall(case: Case, release: ReleaseStatus) -> Recall | None:
    """Traffic stays with the candidate only while a Passed report on exactly these inputs asks for it."""
    if case.deleted:
        return Recall(TargetReason.DELETED, "the validation was deleted while its release was in flight")
    if release.target != case.target_name or not case.canary:
        return Recall(TargetReason.WITHDRAWN, "the spec no longer asks for a release to this target")
    digest = case.input_digest
    if digest != release.input_digest and (digest is not None or case.status.observed_generation != case.generation):
        return Recall(TargetReason.SUPERSEDED, "the inputs changed: what was proved is not what is asked for now")
    if case.report is None or case.report.spec.outcome is not Outcome.PASSED:
        return Recall(TargetReason.EVIDENCE_MISSING, "the report that allowed the release is gone")
    return None


def _left_open(case: Case, release: ReleaseStatus) -> bool:
    return _looked_at(case, release) and canary_as_left(release, case.target)


def _looked_at(case: Case, release: ReleaseStatus) -> bool:
    """Whether what was observed is the release's target: the spec may name another by now."""
    return case.target.name == release.target if case.target else case.target_name == release.target


def _course(case: Case, recall: Recall | None) -> Course:
    release = case.validation.spec.release
    return Course(
        steps=tuple(TrafficStep(step.percent, parse(step.hold)) for step in release.steps),
        progress_deadline=_progress_deadline(case),
        hold_on_failure=release.on_failed is OnFailed.HOLD,
        recall=recall,
    )


def _write(case: Case, release: ReleaseStatus, move: Write) -> Step:
    stands = standing(case, release)
    if not has_finalizer(case) and not case.deleted:
        return _step(case, release, stands, (SetFinalizer(True),), AT_ONCE)
    patch = PatchTarget(release.target, move.patch, move.resource_version)
    return _step(case, release, stands, (patch,), _poll(case))


def _wait(case: Case, release: ReleaseStatus, move: Wait) -> Step:
    stands = standing(case, release)
    if move.stuck:
        stands = Standing(State.STOPPED, Reason.ROLLBACK_STUCK, f"{release.message}. {move.message}")
    elif release.intent is not None and case.now > instants.read(release.intent.at) + SLOW:
        stands = Standing(stands.state, stands.reason, f"{stands.message}; {move.message}")
    due = _poll(case) if move.until is None else min(_poll(case), max(move.until - case.now, AT_ONCE))
    return _step(case, release, stands, requeue_after=due)


def _step(
    case: Case,
    release: ReleaseStatus,
    stands: Standing,
    actions: tuple[SetFinalizer | PatchTarget, ...] = (),
    requeue_after: timedelta | None = None,
) -> Step:
    update: dict[str, object] = {"release": release}
    if case.input_digest != release.input_digest:
        # The way back comes first: of the new inputs nothing is said until the target is settled.
        update |= {"input_digest": None, "policy_digest": None, "subject": None, "verdict": None, "gates": ()}
    return Step(stands, update, actions, requeue_after)


def standing(case: Case, release: ReleaseStatus) -> Standing:
    """Where a validation stands whose release is in flight."""
    if release.back or release.frozen:
        return Standing(State.WORKING, Reason.ROLLING_BACK, f"{release.message}. {_doing(case, release)}")
    return Standing(State.WORKING, Reason.RELEASING, _doing(case, release))


def _doing(case: Case, release: ReleaseStatus) -> str:
    """What is under way, in words that change only when the record does: a wait costs no write."""
    share, revision = release.effective_percent or 0, release.candidate_revision
    match release.intent.write if release.intent else None:
        case TrafficWrite.INTRODUCE:
            return f"introducing {release.candidate_uri} to InferenceService {release.target} at 0 %"
        case TrafficWrite.SHIFT:
            percent = release.intent.percent if release.intent else share
            return f"moving from {share} % to {percent} % of the traffic on {revision}"
        case TrafficWrite.PROMOTE:
            return f"promoting {revision} from {share} % to all traffic"
        case TrafficWrite.WITHDRAW:
            return "Moving its share to 0 %"
        case TrafficWrite.RESTORE | TrafficWrite.SETTLE:
            return f"0 % on the candidate; putting {release.baseline_uri} back"
        case None:
            if release.outcome is not None:
                return f"release ended: {release.outcome}"
            return f"{share} % of the traffic on {revision} since {release.live_since}"


def _poll(case: Case) -> timedelta:
    return case.observed.settings.release_poll
