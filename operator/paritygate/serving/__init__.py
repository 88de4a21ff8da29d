"""Traffic drivers: what was observed and recorded in, the next move out. Pure; nothing is written here."""

from . import instants
from .knative import advance, begin, canary_as_left, reopened
from .moves import Course, Move, Recall, Record, Sight, Step, Wait, Write
from .preflight import Refusal, Wanted, preflight
from .reasons import Documented, TargetReason
from .target import Target, read_target

__all__ = [
    "Course",
    "Documented",
    "Move",
    "Recall",
    "Record",
    "Refusal",
    "Sight",
    "Step",
    "Target",
    "TargetReason",
    "Wait",
    "Wanted",
    "Write",
    "advance",
    "begin",
    "canary_as_left",
    "instants",
    "preflight",
    "read_target",
    "reopened",
]
