"""The way back to the baseline, and the hands off: what a release does when it may not go on.

Withdraw (percent 0) -> Restore (the baseline's URI, percent still 0) -> Settle (percent removed), each confirmed before
the next. Put into one patch, the last two send everybody to the rejected model until the baseline's pod is up.
"""

from datetime import datetime, timedelta

from paritygate.api import Intent, ReleaseOutcome, ReleaseStatus, TrafficWrite

from . import instants
from .moves import Move, Record, Wait, Write
from .reasons import TargetReason
from .sighting import Sighting
from .target import STORAGE_URI, Target, changed_by

UNDER_WAY = timedelta(seconds=10)
"""A write that was recorded may still be on its way from a process that died: so long it is not called never made."""

_ZERO = {"spec": {"predictor": {"canaryTrafficPercent": 0}}}


def begin_back(
    release: ReleaseStatus, now: datetime, reason: TargetReason, message: str, *, breached: bool = False
) -> Record:
    """Turn round: the intent is percent 0, and nothing is ever written forward again."""
    at = instants.written(now)
    update: dict[str, object] = {
        "back": True,
        "reason": reason.value,
        "message": message[:1024],
        "intent": Intent(write=TrafficWrite.WITHDRAW, percent=0, at=at),
        "live_since": None,
    }
    if breached:
        update["breached_at"] = at
    return Record(release.model_copy(update=update))


def hold(release: ReleaseStatus, now: datetime, reason: TargetReason, message: str, breached: bool = False) -> Record:
    """Hands off: the release ends where it stands."""
    at = instants.written(now)
    update: dict[str, object] = {
        "outcome": ReleaseOutcome.HELD,
        "reason": reason.value,
        "message": message[:1024],
        "intent": None,
        "finished_at": at,
    }
    if breached:
        update["breached_at"] = at
    return Record(release.model_copy(update=update))


def freeze(seen: Sighting, message: str) -> Record:
    """Somebody else drives: the share goes to 0 if that is safe, and nothing more is ever written."""
    target, at = seen.target, instants.written(seen.now)
    if not target.percent or not _zero_is_safe(seen.release, target):
        return hold(seen.release, seen.now, TargetReason.FOREIGN_CHANGE, message)
    update = {
        "frozen": True,
        "reason": TargetReason.FOREIGN_CHANGE.value,
        "message": message[:1024],
        "intent": Intent(write=TrafficWrite.WITHDRAW, percent=0, at=at),
        "breached_at": at,
        "live_since": None,
    }
    return Record(seen.release.model_copy(update=update))


def stay_frozen(seen: Sighting) -> Move:
    """Zero once, see it, and end."""
    release, target = seen.release, seen.target
    ended = hold(release, seen.now, TargetReason.FOREIGN_CHANGE, release.message)
    if target.percent:
        return Write(_ZERO, target.resource_version) if _zero_is_safe(release, target) else ended
    if target.percent == 0 and not seen.overdue() and _candidate_share(seen) != 0:
        return Wait("waiting for the data plane to show 0 % on the candidate")
    if _candidate_share(seen) == 0:
        zero = {"effective_percent": 0, "zero_at": instants.written(seen.now)}
        return Record(ended.release.model_copy(update=zero))
    return ended


def go_back(seen: Sighting) -> Move:
    """The next of the three writes, its confirmation, or the wait for it."""
    match seen.write:
        case TrafficWrite.RESTORE:
            return _restore(seen)
        case TrafficWrite.SETTLE:
            return _settle(seen)
        case _:
            return _withdraw(seen)


def _withdraw(seen: Sighting) -> Move:
    release, target = seen.release, seen.target
    if target.asked == (release.baseline_uri, None) and not release.candidate_revision:
        return _never_made(seen)
    if target.storage_uri != release.candidate_uri:
        return _interfered(seen)
    if target.percent != 0:
        if _zero_is_safe(release, target) or _promotion_can_be_undone(release, target):
            return Write(_ZERO, target.resource_version)
        said = f"{release.message}. Percent 0 is not safe now: the stable revision is {target.rolled_out}"
        return hold(release, seen.now, TargetReason.ROLLBACK_UNSAFE, said)
    # Before the candidate's revision exists, the baseline's URI with percent 0 is a percent alone on a settled target.
    if target.latest_created in ("", release.baseline_revision) or target.entries < 2 or _candidate_share(seen) != 0:
        return _wait(seen, "waiting for the data plane to show 0 % on the candidate")
    now = instants.written(seen.now)
    intent = Intent(write=TrafficWrite.RESTORE, percent=0, at=now)
    return Record(seen.fact(effective_percent=0, zero_at=release.zero_at or now, intent=intent))


def _never_made(seen: Sighting) -> Move:
    """Turned round before the first write. A process that died may have sent it: wait it out."""
    asked = instants.read(seen.release.intent.at) if seen.release.intent else seen.now
    if seen.now < asked + UNDER_WAY:
        return Wait("making sure that no write is under way", until=asked + UNDER_WAY)
    return _rolled_back(seen)


def _restore(seen: Sighting) -> Move:
    release, target = seen.release, seen.target
    if target.asked == (release.candidate_uri, 0):
        model = {"storageUri": release.baseline_uri}
        patch = {"spec": {"predictor": {"canaryTrafficPercent": 0, "model": model}}}
        return Write(patch, target.resource_version)
    if target.asked != (release.baseline_uri, 0):
        return _interfered(seen)
    if not _baseline_is_back(seen):
        return _wait(seen, "0 % on the candidate; waiting for the baseline's new revision to be ready")
    intent = Intent(write=TrafficWrite.SETTLE, percent=0, at=instants.written(seen.now))
    return Record(seen.fact(intent=intent))


def _settle(seen: Sighting) -> Move:
    release, target = seen.release, seen.target
    if target.asked == (release.baseline_uri, 0):
        if not _baseline_is_back(seen):
            return _wait(seen, "0 % on the candidate; waiting for the baseline's new revision to be ready")
        return Write({"spec": {"predictor": {"canaryTrafficPercent": None}}}, target.resource_version)
    if target.asked != (release.baseline_uri, None):
        return _interfered(seen)
    one = target.latest_ready
    if not _baseline_is_back(seen) or target.shares != {one: 100} or target.rolled_out != one:
        return _wait(seen, "0 % on the candidate; waiting for the baseline to have all traffic again")
    return _rolled_back(seen)


def _rolled_back(seen: Sighting) -> Record:
    now = instants.written(seen.now)
    return Record(
        seen.fact(
            outcome=ReleaseOutcome.ROLLED_BACK,
            effective_percent=0,
            zero_at=seen.release.zero_at or now,
            finished_at=now,
            intent=None,
        )
    )


def _interfered(seen: Sighting) -> Move:
    who = changed_by(seen.target.manifest, STORAGE_URI) or "somebody"
    uri, percent = seen.target.asked
    said = (
        f"{seen.release.message}. On the way back {who} set the target to storageUri {uri}, canaryTrafficPercent "
        f"{percent}: hands off. Bring it to storageUri {seen.release.baseline_uri} by hand, percent 0 first"
    )
    return freeze(seen, said)


def _wait(seen: Sighting, message: str) -> Wait:
    said = f": {seen.target.trouble}" if seen.target.trouble and seen.overdue() else ""
    return Wait(message + said, stuck=seen.overdue())


def _zero_is_safe(release: ReleaseStatus, target: Target) -> bool:
    """Percent 0 is a withdrawal only while a canary is open over the baseline; else KServe reads "the model before".

    KServe's rule needs newest == ready == rolled out. So it is enough that a newer revision exists or is being made.
    """
    return (
        target.percent is not None
        and target.rolled_out == release.baseline_revision
        and (target.latest_created != release.baseline_revision or target.storage_uri != release.baseline_uri)
    )


def _promotion_can_be_undone(release: ReleaseStatus, target: Target) -> bool:
    """Our own Promote, not yet confirmed: "the model before" then is the baseline, whichever half KServe has done."""
    if target.percent is not None or not release.candidate_revision:
        return False
    undone = target.rolled_out == release.candidate_revision
    return target.rolled_out == release.baseline_revision or (
        undone and target.previously_rolled_out == release.baseline_revision
    )


def _candidate_share(seen: Sighting) -> int | None:
    """Percent of the traffic on the candidate's model; None while a revision with traffic has an unknown model."""
    total = 0
    for revision, percent in seen.target.shares.items():
        if not percent or revision == seen.release.baseline_revision:
            continue
        uri = seen.uri(revision)
        if not uri:
            return None
        total += percent if uri == seen.release.candidate_uri else 0
    return total if seen.target.shares else None


def _baseline_is_back(seen: Sighting) -> bool:
    one = seen.target.latest_created
    return (
        seen.target.newest_is_ready
        and one not in (seen.release.baseline_revision, seen.release.candidate_revision)
        and seen.uri(one) == seen.release.baseline_uri
        and _candidate_share(seen) == 0
    )
