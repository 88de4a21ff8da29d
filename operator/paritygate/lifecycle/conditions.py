"""The conditions, computed each time from what is: the table that kstatus, Flux, Argo CD and people read.

| standing | Ready | Reconciling | Stalled |
| --- | --- | --- | --- |
| working | Unknown | True | removed |
| done | True | removed | removed |
| stopped | False | removed | True, same reason |
"""

from collections.abc import Iterator
from typing import Literal

from paritygate.api import (
    Condition,
    ConditionType,
    Enforcement,
    EvaluationPlan,
    Outcome,
    ReleaseOutcome,
    ValidationStatus,
    carry_over,
)
from paritygate.api import Reason as EvaluationReason
from paritygate.judge import alpha_of

from .case import Case, Problem, Standing, State
from .power import weakest
from .reasons import Reason

Truth = Literal["True", "False", "Unknown"]

LONGEST = 1024
"""Characters of a message."""


def conditions(case: Case, status: ValidationStatus, standing: Standing) -> tuple[Condition, ...]:
    """All conditions of a status that stands so; a transition time moves only with its condition's status."""
    at = case.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = [
        Condition(
            type=kind,
            status=truth,
            reason=str(reason),
            message=shortened(message),
            last_transition_time=at,
            observed_generation=case.generation,
        )
        for kind, truth, reason, message in (*_standing(standing), *_facts(case, status))
    ]
    return carry_over(case.status.conditions, wanted)


def shortened(message: str) -> str:
    """A message that fits; what is cut is said to be cut."""
    return message if len(message) <= LONGEST else message[: LONGEST - 1] + "…"


_Row = tuple[ConditionType, Truth, str, str]


def _standing(standing: Standing) -> Iterator[_Row]:
    reason, message = standing.reason, standing.message
    match standing.state:
        case State.WORKING:
            yield ConditionType.READY, "Unknown", reason, message
            yield ConditionType.RECONCILING, "True", reason, message
        case State.DONE:
            yield ConditionType.READY, "True", reason, message
        case State.STOPPED:
            yield ConditionType.READY, "False", reason, message
            yield ConditionType.STALLED, "True", reason, message


def _facts(case: Case, status: ValidationStatus) -> Iterator[_Row]:
    yield _planned(case)
    yield _evaluated(status)
    yield _passed(status)
    if case.canary:
        yield _promoted(status)


def _planned(case: Case) -> _Row:
    report = case.report
    if report is not None and report.spec.reason == EvaluationReason.UNDERPOWERED:
        return ConditionType.PLANNED, "False", EvaluationReason.UNDERPOWERED, report.spec.message
    if case.plan is not None:
        return ConditionType.PLANNED, "True", Reason.PLANNED, _told(case) or planned(case.plan)
    problem = case.resolution
    if isinstance(problem, Problem):
        return ConditionType.PLANNED, "False", problem.reason, problem.message
    return ConditionType.PLANNED, "Unknown", Reason.NOT_DECIDED, ""


def _told(case: Case) -> str:
    """What was told of these very inputs: power is simulated once, not at every look."""
    if case.status.input_digest != case.input_digest:
        return ""
    before = (c for c in case.status.conditions if (c.type, c.status) == (ConditionType.PLANNED, "True"))
    return next((c.message for c in before), "")


def planned(plan: EvaluationPlan) -> str:
    """What has to be proved, and with how much power."""
    hard = sum(claim.enforcement is Enforcement.HARD for claim in plan.claims)
    packs = ", ".join(f"{pack.name} {pack.version}" for pack in plan.packs)
    return f"{len(plan.claims)} gates ({hard} hard) on {packs}; alpha {plan.alpha}{_tries(plan)}; {weakest(plan)}"


def _tries(plan: EvaluationPlan) -> str:
    if plan.candidate_number == 1:
        return ""
    share = f", of which it gets {alpha_of(plan):.2g}" if plan.alpha_budget else ""
    return f"{share}; try {plan.candidate_number} on the packs' data"


def _evaluated(status: ValidationStatus) -> _Row:
    verdict = status.verdict
    if verdict is None:
        return ConditionType.EVALUATED, "Unknown", Reason.NOT_DECIDED, ""
    truth: Truth = "False" if verdict.outcome is Outcome.ERROR else "True"
    return ConditionType.EVALUATED, truth, verdict.reason, verdict.message


def _passed(status: ValidationStatus) -> _Row:
    verdict = status.verdict
    if verdict is None:
        return ConditionType.PASSED, "Unknown", Reason.NOT_DECIDED, ""
    truths: dict[Outcome, Truth] = {Outcome.PASSED: "True", Outcome.FAILED: "False"}
    return ConditionType.PASSED, truths.get(verdict.outcome, "Unknown"), verdict.reason, verdict.message


def _promoted(status: ValidationStatus) -> _Row:
    verdict, release = status.verdict, status.release
    if verdict is None:
        return ConditionType.PROMOTED, "Unknown", Reason.NOT_DECIDED, ""
    if verdict.outcome is not Outcome.PASSED:
        return ConditionType.PROMOTED, "False", Reason.NOT_PASSED, "only a Passed verdict moves traffic"
    if release is None or release.input_digest != verdict.input_digest:
        return ConditionType.PROMOTED, "Unknown", Reason.RELEASING, "not started"
    match release.outcome:
        case ReleaseOutcome.PROMOTED:
            return ConditionType.PROMOTED, "True", Reason.PROMOTED, f"all traffic on {release.candidate_revision}"
        case None:
            truth: Truth = "False" if release.back else "Unknown"
            return ConditionType.PROMOTED, truth, release.reason or Reason.RELEASING, release.message
        case _:
            return ConditionType.PROMOTED, "False", release.reason or Reason.ROLLED_BACK, release.message
