"""A release driven against the model of KServe with nothing remembered but what was persisted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from paritygate.api import Intent, ReleaseStatus, TrafficWrite
from paritygate.serving import Course, Move, Record, Sight, Step, Wait, Write, advance, begin, read_target

from .kserve_model import B, KServe

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DIGEST = "sha256:" + "d" * 64

COURSE = Course(
    steps=(Step(10, timedelta(seconds=30)), Step(50, timedelta(seconds=30)), Step(100, timedelta(seconds=60))),
    progress_deadline=timedelta(minutes=10),
)


@dataclass
class Flight:
    """One release in flight. `release` is all that survives a kill."""

    kserve: KServe
    course: Course = COURSE
    candidate: str = B
    now: datetime = NOON
    pods: list[dict[str, Any]] = field(default_factory=list)
    writes: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[str, int]] = field(default_factory=list)
    release: ReleaseStatus = field(init=False)

    def __post_init__(self) -> None:
        target = read_target(self.kserve.manifest())
        self.release = begin(
            target, input_digest=DIGEST, baseline_uri=self.kserve.uri, candidate_uri=self.candidate, sight=self.sight()
        )

    def sight(self) -> Sight:
        return Sight(self.now, read_target(self.kserve.manifest()), dict(self.kserve.revisions), self.pods)

    def move(self) -> Move:
        """One move, carried out."""
        move = advance(self.release, self.course, self.sight())
        match move:
            case Record():
                assert move.release != self.release, "a record that records nothing would loop"
                self.release = move.release
            case Write():
                self.check_announced(move)
                assert self.kserve.patch(move.patch, move.resource_version)
                self.writes.append(dict(move.patch["spec"]["predictor"]))
            case Wait():
                self.now += timedelta(seconds=1)
        return move

    def check_announced(self, move: Write) -> None:
        """No write without its intent on record."""
        intent = self.release.intent
        assert intent is not None
        predictor = move.patch["spec"]["predictor"]
        announced = {
            TrafficWrite.INTRODUCE: {"canaryTrafficPercent": 0, "model": {"storageUri": self.release.candidate_uri}},
            TrafficWrite.SHIFT: {"canaryTrafficPercent": intent.percent},
            TrafficWrite.PROMOTE: {"canaryTrafficPercent": None},
            TrafficWrite.WITHDRAW: {"canaryTrafficPercent": 0},
            TrafficWrite.RESTORE: {"canaryTrafficPercent": 0, "model": {"storageUri": self.release.baseline_uri}},
            TrafficWrite.SETTLE: {"canaryTrafficPercent": None},
        }
        assert predictor == announced[intent.write]

    def fly(self, *, until: Callable[["Flight"], bool] | None = None, moves: int = 2000) -> ReleaseStatus:
        """Move and let the controllers work, until the release ends (or `until`)."""
        for _ in range(moves):
            if self.release.outcome is not None or (until is not None and until(self)):
                return self.release
            self.move()
            self.kserve.settle()
            self.note()
        raise AssertionError(f"no end after {moves} moves: {self.release}")

    def note(self) -> None:
        """Remember what users got, each split once."""
        if not self.seen or self.seen[-1] != self.kserve.users():
            self.seen.append(self.kserve.users())

    def share(self) -> int:
        """Percent of the users that have the candidate."""
        return self.kserve.users().get(self.candidate, 0)


def at_share(percent: int) -> Callable[[Flight], bool]:
    """Until the release has recorded this share as live."""
    return lambda flight: flight.release.effective_percent == percent and flight.release.live_since is not None


def intends(write: TrafficWrite) -> Callable[[Flight], bool]:
    """Until this write is on record."""
    return lambda flight: flight.release.intent is not None and flight.release.intent.write is write


__all__ = ["COURSE", "DIGEST", "NOON", "Flight", "Intent", "at_share", "intends"]
