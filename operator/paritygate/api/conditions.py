"""Conditions as Kubernetes means them, and the rule that a transition time moves only with the status."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from .base import ReadModel, Text, Time


class ConditionType(StrEnum):
    """The condition types of a CompressionValidation, all of positive polarity."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    PLANNED = "Planned"
    EVALUATED = "Evaluated"
    PASSED = "Passed"
    APPROVED = "Approved"
    PROMOTED = "Promoted"


class Condition(ReadModel):
    """metav1.Condition."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: Text = ""
    last_transition_time: Time
    observed_generation: int | None = None


def carry_over(previous: Iterable[Condition], wanted: Iterable[Condition]) -> tuple[Condition, ...]:
    """`wanted` in its order, each keeping its old transition time where type and status have not changed."""
    since = {(c.type, c.status): c.last_transition_time for c in previous}
    return tuple(
        c.model_copy(update={"last_transition_time": since.get((c.type, c.status), c.last_transition_time)})
        for c in wanted
    )
