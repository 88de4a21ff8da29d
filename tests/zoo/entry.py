"""One exhibit of the zoo: two models, what they are judged on, and what must come of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from paritygate.api import Outcome, Purpose, Reason, Technique

from .workshop import Workshop

Gate = Mapping[str, Any]
"""A gate as a ValidationPolicy has it."""


class Kind(StrEnum):
    """What an exhibit is there to show."""

    DAMAGE = "damage"
    """The candidate is broken in one way: Failed, by the gate that is meant for it."""
    HONEST = "honest"
    """The candidate is as good: Passed."""
    INCONCLUSIVE = "inconclusive"
    """The evidence can't tell: Inconclusive."""


@dataclass(frozen=True, slots=True)
class Case:
    """What `paritygate check` is given."""

    baseline: Path
    candidate: Path
    packs: tuple[Path, ...]
    gates: tuple[Gate, ...]
    technique: Technique = Technique.OTHER
    purpose: Purpose | None = None
    tier: str = "Standard"
    latency_blocks: int = 50
    """The fewest that a policy may ask for: most exhibits are not about speed."""
    calibration: Path | None = None
    provider: str = "CPUExecutionProvider"
    runtime: Literal["onnxruntime", "torch"] = "onnxruntime"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """`gate` is the gate, or the check ("check Finite"), that must decide and be named."""

    name: str
    kind: Kind
    gate: str
    shows: str
    make: Callable[[Workshop], Case]
    expected: Outcome
    reasons: tuple[Reason, ...]
    warns: str = ""
    """A Soft gate that must be worse than allowed and named in the warning."""
    alone: bool = False
    """Measures time or memory: nothing else may run beside it."""


Declared = Callable[[Callable[[Workshop], Case]], Exhibit]


def damage(gate: str, shows: str, *, alone: bool = False) -> Declared:
    """Declares a function that makes a broken candidate; its name is the exhibit's."""
    reason = Reason.CHECK_FAILED if gate.startswith("check ") else Reason.HARM_PROVED
    return _exhibit(Kind.DAMAGE, gate, shows, Outcome.FAILED, reason, alone=alone)


def unusable(gate: str, shows: str, reason: Reason) -> Declared:
    """Declares a function that makes what can't be judged at all: an Error that names `gate`."""
    return _exhibit(Kind.DAMAGE, gate, shows, Outcome.ERROR, reason)


def honest(shows: str, gate: str = "accuracy", *, warns: str = "") -> Declared:
    """Declares a function that makes a candidate as good as its baseline."""
    return _exhibit(Kind.HONEST, gate, shows, Outcome.PASSED, Reason.ALL_GATES_PROVED, warns=warns)


def inconclusive(gate: str, shows: str, *reasons: Reason, alone: bool = False) -> Declared:
    """Declares a function that makes a pair which the evidence can't tell apart from the margin."""
    return _exhibit(Kind.INCONCLUSIVE, gate, shows, Outcome.INCONCLUSIVE, *reasons, alone=alone)


def _exhibit(
    kind: Kind, gate: str, shows: str, expected: Outcome, *reasons: Reason, warns: str = "", alone: bool = False
) -> Declared:
    def declare(make: Callable[[Workshop], Case]) -> Exhibit:
        name = make.__name__.replace("_", "-")
        return Exhibit(name, kind, gate, shows, make, expected, reasons, warns, alone)

    return declare
