"""What one decision is about, worked out once: the inputs it resolves to and the report that already decides them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from paritygate.api import (
    AcceleratorPool,
    CompressionValidation,
    EvaluationPlan,
    ReleaseMode,
    ReleaseStatus,
    ValidationPolicy,
    ValidationReport,
    ValidationStatus,
)
from paritygate.serving import Target, read_target

from .model import Action, Observed

AT_ONCE = timedelta()


class State(Enum):
    """The three ways to stand; each is one row of conditions that kstatus, Flux and Argo CD read right."""

    WORKING = "Reconciling"
    DONE = "Ready"
    STOPPED = "Stalled"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a validation stands: a documented reason and the sentence to act on."""

    state: State
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Step:
    """What a stage decided. `update`: what changes in the status. No standing: the status stays as it is."""

    standing: Standing | None
    update: Mapping[str, object] = field(default_factory=dict)
    actions: Sequence[Action] = ()
    requeue_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing can be evaluated. `passing`: it heals by itself, nobody has to act; `until`: then look again."""

    reason: str
    message: str
    passing: bool = False
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everything a verdict depends on, and its digest."""

    plan: EvaluationPlan
    input_digest: str
    policy_digest: str
    policy: ValidationPolicy
    pool: AcceleratorPool


@dataclass(frozen=True, slots=True)
class Case:
    """One validation, observed and resolved.

    `resolution` None: the report that decides was found without asking what the inputs are today.
    """

    observed: Observed
    resolution: Resolved | Problem | None
    report: ValidationReport | None

    @property
    def now(self) -> datetime:
        """The moment of the decision."""
        return self.observed.now

    @property
    def validation(self) -> CompressionValidation:
        """The object that is decided about."""
        return self.observed.validation

    @property
    def status(self) -> ValidationStatus:
        """Its status as persisted."""
        return self.observed.validation.status

    @property
    def generation(self) -> int:
        """Of its spec."""
        return self.validation.metadata.generation or 0

    @property
    def deleted(self) -> bool:
        """Whether somebody asked to delete it."""
        return self.validation.metadata.deletion_timestamp is not None

    @property
    def canary(self) -> bool:
        """Whether traffic is to be moved."""
        return self.validation.spec.release.mode is ReleaseMode.CANARY

    @property
    def target_name(self) -> str:
        """The InferenceService that the spec names, or empty."""
        target = self.validation.spec.target
        return target.inference_service if target else ""

    @property
    def target(self) -> Target | None:
        """The InferenceService as observed."""
        return read_target(self.observed.target) if self.observed.target is not None else None

    @property
    def input_digest(self) -> str | None:
        """Of the inputs, if they are known."""
        if self.report is not None:
            return self.report.spec.input_digest
        return self.resolution.input_digest if isinstance(self.resolution, Resolved) else None

    @property
    def plan(self) -> EvaluationPlan | None:
        """What is to be proved, if it is known."""
        if self.report is not None:
            return self.report.spec.plan
        return self.resolution.plan if isinstance(self.resolution, Resolved) else None

    @property
    def release(self) -> ReleaseStatus | None:
        """The release of exactly these inputs."""
        release = self.status.release
        return release if release is not None and release.input_digest == self.input_digest else None
