"""Events for people: the difference between two statuses, told once."""

from collections.abc import Iterator

from paritygate.api import ConditionType, Outcome, ReleaseOutcome, ReleaseStatus, ValidationStatus

from .model import RecordEvent

_QUIET = frozenset({"Evaluating", "Releasing", "RollingBack"})
"""Reasons of the standing whose steps are told one by one."""


def transitions(before: ValidationStatus, after: ValidationStatus) -> tuple[RecordEvent, ...]:
    """What happened between two statuses, in the order in which it happened."""
    return (
        *_attempts(before, after),
        *_verdict(before, after),
        *_release(before.release, after.release),
        *_standing(before, after),
    )


def _attempts(before: ValidationStatus, after: ValidationStatus) -> Iterator[RecordEvent]:
    known = {(a.input_digest, a.number): a.outcome for a in before.attempts}
    for attempt in after.attempts:
        was = known.get((attempt.input_digest, attempt.number))
        if was is None:
            yield RecordEvent("AttemptStarted", f"attempt {attempt.number}: Job {attempt.job}")
        if attempt.outcome == "Failed" and was != "Failed":
            yield RecordEvent("AttemptFailed", f"attempt {attempt.number}: {attempt.reason}, {attempt.message}", True)


def _verdict(before: ValidationStatus, after: ValidationStatus) -> Iterator[RecordEvent]:
    if after.verdict is not None and after.verdict != before.verdict:
        said = f"{after.verdict.outcome} ({after.verdict.reason}): {after.verdict.message}"
        yield RecordEvent(after.verdict.outcome.value, said[:1024], after.verdict.outcome is not Outcome.PASSED)


def _release(before: ReleaseStatus | None, after: ReleaseStatus | None) -> Iterator[RecordEvent]:
    if after is None or after == before:
        return
    same = before is not None and before.input_digest == after.input_digest
    was = before if same and before is not None else ReleaseStatus(input_digest=after.input_digest, target=after.target)
    if not same:
        yield RecordEvent("ReleaseStarted", f"InferenceService {after.target}: {after.candidate_uri}")
    if (after.back and not was.back) or (after.frozen and not was.frozen):
        yield RecordEvent(after.reason, after.message, True)
    if after.live_since and after.live_since != was.live_since and after.outcome is None:
        yield RecordEvent("StepLive", f"{after.effective_percent} % of the traffic on {after.candidate_revision}")
    if after.zero_at and not was.zero_at:
        yield RecordEvent("ShareZero", f"0 % of the traffic on {after.candidate_revision or 'the candidate'}", True)
    if after.outcome is not None and after.outcome is not was.outcome:
        yield RecordEvent(after.outcome.value, _ended(after), after.outcome is not ReleaseOutcome.PROMOTED)


def _ended(release: ReleaseStatus) -> str:
    if release.outcome is ReleaseOutcome.PROMOTED:
        return f"all traffic of InferenceService {release.target} on {release.candidate_revision}"
    return release.message


def _standing(before: ValidationStatus, after: ValidationStatus) -> Iterator[RecordEvent]:
    """A problem, when it appears: conditions that stop or wait for a reason not told above."""
    told = {after.verdict.reason} if after.verdict else set()
    told |= {after.release.reason, str(after.release.outcome)} if after.release else set()
    for kind in (ConditionType.STALLED, ConditionType.RECONCILING):
        now = next((c for c in after.conditions if c.type == kind and c.status == "True"), None)
        was = next((c for c in before.conditions if c.type == kind and c.status == "True"), None)
        if now is None or now.reason in _QUIET | told or (was is not None and was.reason == now.reason):
            continue
        yield RecordEvent(now.reason, now.message, kind is ConditionType.STALLED)
