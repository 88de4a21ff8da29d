"""The traffic driver for KServe's Knative mode: a pure function of what was observed and what was recorded.

Two rules hold everything together. Nothing is written to the target unless the persisted `release.intent` already says
exactly that write; and nothing counts as done but its effect: revisions by name with their shares, never Ready, never
an echo of the spec. What is written, in order (storage URI, canary percent):

    forward   (baseline, -) --Introduce--> (candidate, 0) --Shift--> (candidate, P) ... --Promote--> (candidate, -)
    back      (candidate, *) --Withdraw--> (candidate, 0) --Restore--> (baseline, 0) --Settle--> (baseline, -)

A percent alone on a settled target is read by KServe as "back to the model before", and removing the percent while the
spec names the candidate sends everybody to it: hence one patch to introduce and three to go back.
"""

from collections.abc import Callable
from datetime import timedelta

from paritygate.api import Intent, ReleaseOutcome, ReleaseStatus, TrafficWrite

from . import instants
from .back import begin_back, freeze, go_back, hold, stay_frozen
from .monitor import breach
from .moves import Course, Move, Record, Sight, Step, Wait, Write
from .reasons import TargetReason
from .sighting import Sighting
from .target import DISABLE_AUTO_UPDATE, PERCENT, STOP, STORAGE_URI, Target, changed_by


def begin(target: Target, *, input_digest: str, baseline_uri: str, candidate_uri: str, sight: Sight) -> ReleaseStatus:
    """The record with which a release starts: the first write is its intent. The target passed `preflight`."""
    return ReleaseStatus(
        input_digest=input_digest,
        target=target.name,
        baseline_uri=baseline_uri,
        candidate_uri=candidate_uri,
        baseline_revision=target.latest_ready,
        generation=target.generation,
        intent=Intent(write=TrafficWrite.INTRODUCE, percent=0, at=instants.written(sight.now)),
        effective_percent=0,
        started_at=instants.written(sight.now),
    )


def advance(release: ReleaseStatus, course: Course, sight: Sight) -> Move:
    """The next move of a release that has not ended: record a fact or an intent, write what is recorded, or wait.

    Repeatable at any moment: the same record and the same observation give the same move. Raises ValueError for a
    release that has ended.
    """
    if release.outcome is not None:
        raise ValueError(f"the release of {release.target} has ended: {release.outcome}")
    if sight.target is None:
        said = f"InferenceService {release.target} is gone: nothing is left to move back"
        return hold(release, sight.now, TargetReason.TARGET_NOT_FOUND, said)
    seen = Sighting(release, course, sight, sight.target)
    for check in _CHECKS:
        if (move := check(seen)) is not None:
            return move
    raise AssertionError("the last check always moves")


def canary_as_left(release: ReleaseStatus, target: Target | None) -> bool:
    """Whether a release that was held still stands open as it was left, so that it can be taken back."""
    return (
        release.outcome is ReleaseOutcome.HELD
        and not release.frozen
        and target is not None
        and target.storage_uri == release.candidate_uri
        and target.percent is not None
    )


def reopened(release: ReleaseStatus, course: Course, sight: Sight) -> Record:
    """A held release on its way back, because its validation is recalled."""
    again = release.model_copy(update={"outcome": None, "finished_at": None})
    if course.recall is None:
        raise ValueError("only a recalled release is reopened")
    generation = sight.target.generation if sight.target else again.generation
    again = again.model_copy(update={"generation": generation})
    return begin_back(again, sight.now, course.recall.reason, course.recall.message)


def _stale(seen: Sighting) -> Move | None:
    # A cache may still show the target as it was before our last write; to act on it would be to act on the past.
    if seen.target.generation < (seen.release.generation or 0):
        return Wait("waiting for the cache to catch up with the InferenceService")
    return None


def _frozen(seen: Sighting) -> Move | None:
    return stay_frozen(seen) if seen.release.frozen else None


def _way_back(seen: Sighting) -> Move | None:
    return go_back(seen) if seen.release.back else None


def _switched_off(seen: Sighting) -> Move | None:
    for annotation, reason in (
        (STOP, TargetReason.TARGET_STOPPED),
        (DISABLE_AUTO_UPDATE, TargetReason.TARGET_AUTO_UPDATE_DISABLED),
    ):
        if seen.target.switched(annotation):
            said = (
                f"annotation {annotation} was set on InferenceService {seen.target.name} during its release at "
                f"{seen.share} %: KServe acts on no traffic write now. Remove it and "
            )
            return hold(seen.release, seen.now, reason, said + _by_hand(seen.release))
    return None


def _foreign(seen: Sighting) -> Move | None:
    if said := _spec_changed(seen) or _revision_appeared(seen):
        return freeze(seen, f"{said}. Release stopped; {_by_hand(seen.release)}")
    return None


def _spec_changed(seen: Sighting) -> str:
    target, allowed = seen.target, seen.allowed()
    if target.asked not in allowed:
        uris = {uri for uri, _ in allowed}
        path = PERCENT if target.storage_uri in uris else STORAGE_URI
        value = target.percent if path is PERCENT else target.storage_uri
        expected = " or ".join(sorted({str(p if path is PERCENT else u) for u, p in allowed}))
        who = changed_by(target.manifest, path) or "somebody"
        return (
            f"{who} set {'.'.join(path)} of InferenceService {target.name} to {value}, the release had it at {expected}"
        )
    newest = (seen.release.generation or target.generation) + (1 if seen.release.intent else 0)
    if target.generation > newest:
        return (
            f"somebody changed the spec of InferenceService {target.name} (generation {target.generation}, the release "
            f"accounts for {newest})"
        )
    return ""


def _revision_appeared(seen: Sighting) -> str:
    created, known = seen.target.latest_created, {seen.release.baseline_revision, seen.release.candidate_revision}
    if not created or created in known:
        return ""
    uri = seen.uri(created)
    if not seen.release.candidate_revision and uri in ("", seen.release.candidate_uri):
        return ""  # the candidate in the making
    return (
        f"InferenceService {seen.target.name} has revision {created} that the release did not make (an annotation, a "
        f"label, a scale or the ServingRuntime was edited); it would inherit the candidate's share unvalidated"
    )


def _stable_share_moved(seen: Sighting) -> Move | None:
    allowed = {"", seen.release.baseline_revision}
    if seen.write is TrafficWrite.PROMOTE:
        allowed.add(seen.release.candidate_revision)
    if seen.target.rolled_out in allowed:
        return None
    said = (
        f"KServe gave the stable share to revision {seen.target.rolled_out} "
        f"({seen.uri(seen.target.rolled_out) or 'model unknown'}) instead of {seen.release.baseline_revision}"
    )
    return begin_back(seen.release, seen.now, TargetReason.STABLE_SHARE_MOVED, said, breached=True)


def _promoted(seen: Sighting) -> Move | None:
    release, target = seen.release, seen.target
    if seen.write is not TrafficWrite.PROMOTE or not seen.asked_for():
        return None
    if target.rolled_out != release.candidate_revision or target.shares != {release.candidate_revision: 100}:
        return None
    now = instants.written(seen.now)
    return Record(
        seen.fact(
            outcome=ReleaseOutcome.PROMOTED,
            effective_percent=100,
            step=max(len(seen.course.steps) - 1, 0),
            live_since=now,
            finished_at=now,
            intent=None,
        )
    )


def _recalled(seen: Sighting) -> Move | None:
    recall = seen.course.recall
    return begin_back(seen.release, seen.now, recall.reason, recall.message) if recall else None


def _breached(seen: Sighting) -> Move | None:
    live_since = instants.read(seen.release.live_since) if seen.release.live_since else None
    found = breach(seen.pods, seen.candidate_revision(), live_since=live_since, now=seen.now)
    if found is None:
        return None
    said = f"candidate at {seen.share} % of the traffic: {found.message}"
    return _failed(seen, TargetReason.CANDIDATE_PODS_FAILING, said)


def _confirmed(seen: Sighting) -> Move | None:
    if not seen.asked_for():
        return None
    if seen.write is TrafficWrite.INTRODUCE and seen.introduced():
        fact = seen.fact(
            candidate_revision=seen.target.latest_created, effective_percent=0, live_since=instants.written(seen.now)
        )
        # With no share to hold, the first shift is part of the same record: one write fewer.
        intent = None if _hold(seen.course, 0) else _intent_after(seen, 0)
        return Record(fact.model_copy(update={"intent": intent}))
    if seen.write is TrafficWrite.SHIFT and seen.release.intent and seen.split(seen.release.intent.percent):
        percent = seen.release.intent.percent
        now = instants.written(seen.now)
        index = next((i for i, step in enumerate(seen.course.steps) if step.percent >= percent), 0)
        return Record(seen.fact(effective_percent=percent, step=index, live_since=now, intent=None))
    return None


def _overdue(seen: Sighting) -> Move | None:
    if not seen.overdue():
        return None
    intent = seen.release.intent
    what = f"{intent.write} at {intent.percent} %" if intent else ""
    minutes = seen.course.progress_deadline.total_seconds() / 60
    said = f"{what} was not live within {minutes:g} min{_trouble(seen)}"
    return _failed(seen, TargetReason.PROGRESS_DEADLINE_EXCEEDED, said)


def _asked_next(seen: Sighting) -> Move | None:
    if seen.release.intent is None:
        return None
    if seen.asked_for():
        return Wait(_waiting_for(seen))
    if not _may_write(seen):
        return Wait("waiting for the InferenceService to settle before the next write")
    return Write(_patch(seen), seen.target.resource_version)


def _holding(seen: Sighting) -> Move | None:
    share = seen.share
    since = instants.read(seen.release.live_since) if seen.release.live_since else seen.now
    due = since + _hold(seen.course, share)
    if not seen.split(share):
        said = f"the data plane does not show {share} % on {seen.release.candidate_revision} any more"
        if seen.now > due + seen.course.progress_deadline:
            return _failed(seen, TargetReason.PROGRESS_DEADLINE_EXCEEDED, f"{said}{_trouble(seen)}")
        return Wait(f"{said}{_trouble(seen)}; waiting")
    if seen.now < due:
        following = _next_percent(seen.course, share)
        return Wait(f"{share} % live, {following} % follows at {instants.written(due)}", until=due)
    return Record(seen.release.model_copy(update={"intent": _intent_after(seen, share)}))


def _failed(seen: Sighting, reason: TargetReason, said: str) -> Record:
    if seen.course.hold_on_failure and seen.share:
        return hold(seen.release, seen.now, reason, f"{said}. Held at {seen.share} %; {_by_hand(seen.release)}", True)
    return begin_back(seen.release, seen.now, reason, said, breached=True)


def _may_write(seen: Sighting) -> bool:
    """Whether the target stands where the intended write starts from. The write must never be the first surprise."""
    release, target = seen.release, seen.target
    if seen.write is TrafficWrite.INTRODUCE:
        return target.newest_is_ready and target.latest_ready == release.baseline_revision == target.rolled_out
    return seen.split(seen.share)


def _patch(seen: Sighting) -> dict[str, object]:
    percent = seen.release.intent.percent if seen.release.intent else 0
    if seen.write is TrafficWrite.INTRODUCE:
        model = {"storageUri": seen.release.candidate_uri}
        return {"spec": {"predictor": {"canaryTrafficPercent": 0, "model": model}}}
    return {"spec": {"predictor": {"canaryTrafficPercent": None if seen.write is TrafficWrite.PROMOTE else percent}}}


def _intent_after(seen: Sighting, share: int) -> Intent:
    following, now = _next_percent(seen.course, share), instants.written(seen.now)
    if following == 100:
        return Intent(write=TrafficWrite.PROMOTE, percent=100, at=now)
    return Intent(write=TrafficWrite.SHIFT, percent=following, at=now)


def _next_percent(course: Course, share: int) -> int:
    """By percent and not by index: the owner may edit the steps on the way."""
    return min((step.percent for step in course.steps if step.percent > share), default=100)


def _hold(course: Course, share: int) -> timedelta:
    """How long a share is held. Knative finalises at 100, so the hold of 100 is spent on the last share below it."""
    own: list[Step] = [step for step in course.steps if step.percent == share]
    if _next_percent(course, share) == 100:
        own += [step for step in course.steps if step.percent == 100]
    return sum((step.hold for step in own), timedelta())


def _waiting_for(seen: Sighting) -> str:
    if seen.write is TrafficWrite.INTRODUCE:
        return f"waiting for the candidate's revision to be ready at 0 %{_trouble(seen)}"
    percent = seen.release.intent.percent if seen.release.intent else 0
    return f"waiting for the data plane to show {percent} % on {seen.release.candidate_revision}{_trouble(seen)}"


def _trouble(seen: Sighting) -> str:
    return f": {seen.target.trouble}" if seen.target.trouble else ""


def _by_hand(release: ReleaseStatus) -> str:
    return (
        f"to go back by hand: set canaryTrafficPercent 0, then storageUri {release.baseline_uri}, wait until its "
        "revision is ready, and only then remove canaryTrafficPercent"
    )


_CHECKS: tuple[Callable[[Sighting], Move | None], ...] = (
    _stale,  # what is seen is older than what was done
    _frozen,  # somebody else drives: only a safe 0 may still be written
    _way_back,  # never forward again
    _foreign,  # somebody else changed spec or revisions
    _switched_off,  # KServe would ignore us
    _stable_share_moved,  # KServe's own flip to the model before
    _promoted,  # done: nothing below may undo it
    _recalled,  # the validation is deleted, superseded or withdrawn
    _breached,  # the candidate can't hold its traffic
    _confirmed,  # the recorded write shows its effect
    _overdue,  # it does not, for too long
    _asked_next,  # make the recorded write, or wait for it
    _holding,  # wait out the hold, then record the next write
)
