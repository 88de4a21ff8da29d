"""What a decision is made from, and what it may ask for. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from paritygate.api import (
    AcceleratorPool,
    CompressionValidation,
    ScenarioPack,
    ValidationPolicy,
    ValidationReport,
    ValidationStatus,
)

Manifest = Mapping[str, Any]
"""A Kubernetes object as plain data."""

FINALIZER = "paritygate.io/release"
"""On a validation that has moved traffic which must be moved back before the validation may go."""

VALIDATION_LABEL = "paritygate.io/validation"
UID_LABEL = "paritygate.io/validation-uid"
DIGEST_LABEL = "paritygate.io/input-digest"
ATTEMPT_LABEL = "paritygate.io/attempt"
MANAGED_BY = ("app.kubernetes.io/managed-by", "paritygate")
"""Labels of what the operator makes: evaluator Jobs, their pods, reports."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the installation decides."""

    evaluator_image: str
    torch_evaluator_image: str = ""
    """For pools whose runtime is torch, which is large; empty: the operator was given none."""
    image_pull_policy: str = "IfNotPresent"
    retry_delay: timedelta = timedelta(seconds=10)
    log_patience: timedelta = timedelta(seconds=60)
    """After the referee's end: a kubelet may serve a log, or an apology in its place, before all of it has arrived."""
    release_poll: timedelta = timedelta(seconds=2)
    """How often a release in flight looks at the target and its pods."""


@dataclass(frozen=True, slots=True)
class RefereeLog:
    """The referee's log of one evaluator pod, as read through the API: bounded, not yet believed."""

    pod_uid: str
    text: str
    truncated: bool
    termination_message: str
    """What the referee left as termination message: the sha256 of its result line."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything one decision may look at. `None` means: asked for and not there."""

    now: datetime
    settings: Settings
    validation: CompressionValidation
    policy: ValidationPolicy | None = None
    pool: AcceleratorPool | None = None
    packs: Mapping[str, ScenarioPack | None] = field(default_factory=dict)
    jobs: tuple[Manifest, ...] = ()
    """Evaluator Jobs owned by this validation's UID."""
    pods: tuple[Manifest, ...] = ()
    """Their pods."""
    logs: Mapping[str, RefereeLog] = field(default_factory=dict)
    """Logs read so far, by Job name."""
    reports: tuple[ValidationReport, ...] = ()
    """Reports that name this validation's UID."""
    target: Manifest | None = None
    """The InferenceService."""
    revisions: Mapping[str, str] = field(default_factory=dict)
    """Storage URI by Knative revision of the target; filled while a release is in flight."""
    serving_pods: tuple[Manifest, ...] = ()
    """Pods of the target's revisions; filled while a release is in flight."""
    tries: frozenset[str] = frozenset()
    """What was judged on the same data in this namespace, by `tries.identity`; and where the policy shares alpha among
    candidates, the UIDs of others under way that go first."""
    rivals: tuple[CompressionValidation, ...] = ()
    """Other validations in the namespace with the same target."""


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create an evaluator Job; its name is a function of (uid, input digest, attempt)."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete an evaluator Job and its pods."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Read the referee's log of a Job's pod; the next decision finds it in `Observed.logs`."""

    job: str
    pod: str
    pod_uid: str


@dataclass(frozen=True, slots=True)
class CreateReport:
    """Write the verdict down. An existing report of that name is never replaced."""

    report: ValidationReport


@dataclass(frozen=True, slots=True)
class PatchTarget:
    """Merge-patch the InferenceService, if it still is at this resource version.

    Planned only when the same write is already recorded as `status.release.intent`: a kill between leaves no doubt.
    """

    name: str
    patch: Manifest
    resource_version: str


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Hold (or let go of) the validation's deletion: only while it has moved traffic that must be moved back."""

    present: bool


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Tell people, once a transition."""

    reason: str
    message: str
    warning: bool = False


Action = CreateJob | DeleteJob | ReadLog | CreateReport | PatchTarget | SetFinalizer


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order, then the status (if it differs), then events. `requeue_after` None = wait for an event."""

    actions: tuple[Action, ...]
    status: ValidationStatus
    events: tuple[RecordEvent, ...] = ()
    requeue_after: timedelta | None = None
