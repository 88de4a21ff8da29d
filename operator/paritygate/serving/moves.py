"""What a traffic driver is asked and what it may answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from paritygate.api import ReleaseStatus

from .reasons import TargetReason
from .target import Manifest, Target


@dataclass(frozen=True, slots=True)
class Step:
    """One share of the traffic and how long it must hold."""

    percent: int
    hold: timedelta


@dataclass(frozen=True, slots=True)
class Recall:
    """Why a release must go back whatever the target says."""

    reason: TargetReason
    message: str


@dataclass(frozen=True, slots=True)
class Course:
    """Where a release goes. `steps` rise and end at 100."""

    steps: tuple[Step, ...]
    progress_deadline: timedelta
    hold_on_failure: bool = False
    """On a breach: keep the share and let people decide, instead of going back."""
    recall: Recall | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What was observed. `target` None: it does not exist. `revisions` maps revision to storage URI."""

    now: datetime
    target: Target | None
    revisions: Mapping[str, str] = field(default_factory=dict)
    pods: Sequence[Manifest] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """Persist this, write nothing, look again at once."""

    release: ReleaseStatus


@dataclass(frozen=True, slots=True)
class Write:
    """Merge-patch the target, if it still is at this resource version. The release as persisted already says so."""

    patch: Mapping[str, Any]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do but look again: at `until`, or after the usual while. `stuck`: longer than the deadline allows."""

    message: str
    until: datetime | None = None
    stuck: bool = False


Move = Record | Write | Wait
