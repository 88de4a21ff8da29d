"""A release and its target side by side: the questions that the driver's checks ask."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paritygate.api import ReleaseStatus, TrafficWrite

from . import instants
from .moves import Course, Sight
from .target import Manifest, Target


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is recorded, what is wanted and what is seen, of one moment."""

    release: ReleaseStatus
    course: Course
    sight: Sight
    target: Target

    @property
    def now(self) -> datetime:
        """The moment."""
        return self.sight.now

    @property
    def pods(self) -> Sequence[Manifest]:
        """The target's serving pods."""
        return self.sight.pods

    @property
    def write(self) -> TrafficWrite | None:
        """The recorded write, if one is under way."""
        return self.release.intent.write if self.release.intent else None

    @property
    def share(self) -> int:
        """The candidate's share that was last confirmed, in percent."""
        return self.release.effective_percent or 0

    def uri(self, revision: str) -> str:
        """The storage URI of a revision; empty while unknown."""
        return self.sight.revisions.get(revision, "")

    def candidate_revision(self) -> str:
        """The candidate's revision: as recorded, or the one in the making."""
        if self.release.candidate_revision:
            return self.release.candidate_revision
        made = self.target.latest_created
        return made if self.uri(made) == self.release.candidate_uri else ""

    def allowed(self) -> frozenset[tuple[str, int | None]]:
        """What the spec may say: as it was confirmed, or with the recorded write on top."""
        base, candidate, share = self.release.baseline_uri, self.release.candidate_uri, self.share
        intent = self.release.intent
        match self.write:
            case TrafficWrite.INTRODUCE:
                return frozenset({(base, None), (candidate, 0)})
            case TrafficWrite.SHIFT:
                return frozenset({(candidate, share), (candidate, intent.percent if intent else share)})
            case TrafficWrite.PROMOTE:
                return frozenset({(candidate, share), (candidate, None)})
            case TrafficWrite.RESTORE:
                return frozenset({(candidate, 0), (base, 0)})
            case TrafficWrite.SETTLE:
                return frozenset({(base, 0), (base, None)})
            case TrafficWrite.WITHDRAW | None:
                return frozenset({(candidate, share)})

    def asked_for(self) -> bool:
        """Whether the spec already says what the recorded write asks for."""
        base, candidate = self.release.baseline_uri, self.release.candidate_uri
        match self.write:
            case TrafficWrite.SHIFT:
                return self.target.asked == (candidate, self.release.intent.percent if self.release.intent else 0)
            case TrafficWrite.PROMOTE:
                return self.target.asked == (candidate, None)
            case TrafficWrite.RESTORE:
                return self.target.asked == (base, 0)
            case TrafficWrite.SETTLE:
                return self.target.asked == (base, None)
            case TrafficWrite.INTRODUCE | TrafficWrite.WITHDRAW:
                return self.target.asked == (candidate, 0)
            case None:
                return False

    def introduced(self) -> bool:
        """The candidate has a ready revision of its own, with no share beside a baseline that has all."""
        made, baseline = self.target.latest_created, self.release.baseline_revision
        return (
            self.target.newest_is_ready
            and made != baseline
            and self.uri(made) == self.release.candidate_uri
            and self.target.entries == 2
            and self.target.shares == {made: 0, baseline: 100}
        )

    def split(self, percent: int) -> bool:
        """Candidate and baseline, two names, have exactly these shares and the newest revision is the candidate's."""
        candidate, baseline = self.release.candidate_revision, self.release.baseline_revision
        return (
            bool(candidate)
            and self.target.newest_is_ready
            and self.target.latest_ready == candidate
            and self.target.ready
            and self.target.shares == {candidate: percent, baseline: 100 - percent}
        )

    def overdue(self) -> bool:
        """Whether the recorded write has had its time."""
        intent = self.release.intent
        return intent is not None and self.now > instants.read(intent.at) + self.course.progress_deadline

    def fact(self, **update: Any) -> ReleaseStatus:
        """The release with what was just seen, at the generation it was seen at."""
        return self.release.model_copy(update={"generation": self.target.generation, **update})
