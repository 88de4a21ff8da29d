"""Conditions as Kubernetes means them, and the rule that a transition time moves only with the status."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from pydantic import Field

from .base import ReadModel, Text, Time, Word


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
    """One aspect of the object's state (metav1.Condition)."""

    type: Word = Field(description="Ready, Reconciling, Stalled, Planned, Evaluated, Passed, Approved or Promoted.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    reason: Word = Field(description="Why, as one documented word that is never reused for another meaning.")
    message: Text = Field(default="", description="Why, for people: figures and what to do next.")
    last_transition_time: Time = Field(description="When the status last changed.")
    observed_generation: int | None = Field(default=None, description="The metadata.generation that this is about.")


def carry_over(previous: Iterable[Condition], wanted: Iterable[Condition]) -> tuple[Condition, ...]:
    """`wanted` in its order, each keeping its old transition time where type and status have not changed."""
    since = {(c.type, c.status): c.last_transition_time for c in previous}
    return tuple(
        c.model_copy(update={"last_transition_time": since.get((c.type, c.status), c.last_transition_time)})
        for c in wanted
    )
