"""`plan`: what to do next about one validation. Start reading here; `stages.STAGES` is the whole story in order."""

from paritygate.api import ReleaseStatus, ValidationStatus

from . import release
from .case import Case, Resolved, Standing, Step
from .conditions import conditions
from .model import Action, Observed, Plan, SetFinalizer
from .reports import find_report
from .resolve import resolve, under_way
from .stages import STAGES
from .transitions import transitions


def plan(observed: Observed) -> Plan:
    """The next actions and the status, from nothing but what was observed.

    Repeatable: killed anywhere between two of its actions, the next plan continues. At rest: no action and an equal
    status. Never: a traffic write that the persisted status does not announce, or traffic without a Passed report.
    """
    case = consider(observed)
    for stage in STAGES:
        if (step := stage(case)) is not None:
            return _planned(case, step)
    raise AssertionError("the last stage always yields")


def consider(observed: Observed) -> Case:
    """The case: inputs as fixed for this spec if a report already decides them, else as they are today."""
    validation = observed.validation
    status = validation.status
    if under_way(observed):
        # What was decided for this spec stands, whatever policy or pool say since.
        standing = find_report(observed.reports, validation, status.input_digest)
        if standing is not None:
            return Case(observed, None, standing)
    resolution = resolve(observed)
    digest = resolution.input_digest if isinstance(resolution, Resolved) else None
    return Case(observed, resolution, find_report(observed.reports, validation, digest) if digest else None)


def _planned(case: Case, step: Step) -> Plan:
    status = case.status if step.standing is None else _status(case, step, step.standing)
    actions = (*step.actions, *_let_go(case, step))
    return Plan(actions, status, transitions(case.status, status), step.requeue_after)


def _status(case: Case, step: Step, standing: Standing) -> ValidationStatus:
    update = {"observed_generation": case.generation, **step.update}
    if isinstance(case.resolution, Resolved) and update.get("input_digest"):
        update.setdefault("policy_digest", case.resolution.policy_digest)
    changed = case.status.model_copy(update=update)
    return changed.model_copy(update={"conditions": conditions(case, changed, standing)})


def _let_go(case: Case, step: Step) -> tuple[Action, ...]:
    """Only when the persisted status says that nothing is left to move back, and this step starts nothing."""
    if case.deleted or not release.has_finalizer(case) or release.needs_finalizer(case):
        return ()
    after = step.update.get("release")
    starts = isinstance(after, ReleaseStatus) and after.outcome is None
    return () if starts else (SetFinalizer(False),)
