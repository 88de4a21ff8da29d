"""From gates to a verdict. Nothing defaults to Passed: it is said only when every condition for it was seen to hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paritygate.api import (
    Check,
    CheckRecord,
    Claim,
    ControlRecord,
    Decision,
    Enforcement,
    EvaluationPlan,
    GateRecord,
    Metric,
    Outcome,
    Reason,
    RepeatRecord,
)

from .columns import proves_answers
from .wording import describe, provable, shortfall

_MOST_NAMED = 8
"""Gates that a message names of one kind."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, why, and the sentence to act on."""

    outcome: Outcome
    reason: Reason
    message: str


def failed_already(claims: Mapping[str, Claim], records: Sequence[tuple[str, Decision]]) -> bool:
    """Whether a hard gate (claim name, decision) has proved harm: nothing can turn that round, so one may stop."""
    return any(d is Decision.HARM and claims[name].enforcement is Enforcement.HARD for name, d in records)


def most_moved(repeat: RepeatRecord) -> int:
    """Items that a candidate may answer differently when asked again: one in a hundred, or twice the baseline's."""
    return max(repeat.items // 100, 2 * repeat.baseline)


def conclude(
    plan: EvaluationPlan,
    records: Sequence[GateRecord],
    checks: Sequence[CheckRecord],
    control: ControlRecord | None,
) -> Verdict:
    """The verdict on a finished evaluation: all evidence there will be is in the records.

    Failed: a check broken or harm proved on a hard gate. Passed: at least one hard gate, every hard claim present,
    every hard gate proved but those excluded beforehand (NotProven), every check made and kept. Else Inconclusive.
    """
    claims = {claim.name: claim for claim in plan.claims}
    broken = [check for check in checks if not check.ok]
    if broken:
        said = "; ".join(check.message or check.name for check in broken)
        return Verdict(Outcome.FAILED, Reason.CHECK_FAILED, f"{said}. Correct the candidate and validate it again")
    hard = [r for r in records if claims[r.claim].enforcement is Enforcement.HARD]
    # Times from a node that can't tell two identical models apart prove nothing, not even harm.
    quiet = control is not None and control.state == "Quiet"
    believed = [r for r in hard if quiet or claims[r.claim].metric is not Metric.LATENCY_RATIO]
    harmed = [r for r in believed if r.decision is Decision.HARM]
    if harmed:
        worst = sorted(harmed, key=lambda r: -(r.log_e_harm or 0))
        said = "; ".join(describe(claims[r.claim], r) for r in worst[:3])
        more = f" (and {len(worst) - 3} more gates)" if len(worst) > 3 else ""
        return Verdict(Outcome.FAILED, Reason.HARM_PROVED, f"{said}{more}. Keep the baseline; mend the candidate there")
    verdict = _without_harm(plan, hard, control)
    if verdict.outcome is not Outcome.PASSED:
        return verdict
    unseen = [check.value for check in Check if check not in {made.name for made in checks}]
    if unseen:
        said = f"checks of the candidate were not made: {', '.join(unseen)}; every one must have been seen to hold"
        return Verdict(Outcome.INCONCLUSIVE, Reason.ITEMS_EXHAUSTED, said)
    return Verdict(verdict.outcome, verdict.reason, verdict.message + _warnings(claims, records))


def _warnings(claims: Mapping[str, Claim], records: Sequence[GateRecord]) -> str:
    """What a Soft gate is for: it doesn't decide, and nobody reads Passed without being told."""
    soft = [r for r in records if claims[r.claim].enforcement is Enforcement.SOFT and r.decision is Decision.HARM]
    if not soft:
        return ""
    more = f" and {len(soft) - 3} more" if len(soft) > 3 else ""
    return f"; warning, Soft and worse than allowed: {', '.join(r.name for r in soft[:3])}{more}"


def _without_harm(plan: EvaluationPlan, hard: Sequence[GateRecord], control: ControlRecord | None) -> Verdict:
    claims = {claim.name: claim for claim in plan.claims}
    timed = any(claims[r.claim].metric is Metric.LATENCY_RATIO for r in hard)
    if timed and control is not None and control.state == "Biased":
        return Verdict(Outcome.ERROR, Reason.BIASED_HARNESS, control.message)
    provable_gates = [r for r in hard if r.decision is not Decision.NOT_PROVEN]
    # Size or speed alone, or a few chosen items, is no proof that the answers are as good.
    if not any(proves_answers(claims[r.claim]) for r in provable_gates):
        return Verdict(
            Outcome.INCONCLUSIVE,
            Reason.NO_HARD_GATE,
            "no hard gate on the answers could be proved with these packs: add items, widen a margin, or make one Hard",
        )
    missing = sorted({n for n, c in claims.items() if c.enforcement is Enforcement.HARD} - {r.claim for r in hard})
    if timed and (control is None or control.state != "Quiet"):
        said = control.message if control else "the A/A control was not run"
        return Verdict(Outcome.INCONCLUSIVE, Reason.NOISY_NODE, said)
    undecided = [r for r in provable_gates if r.decision is not Decision.PROVED]
    if undecided or missing:
        parts = [shortfall(plan, claims[r.claim], r) for r in undecided[:3]]
        parts += [f"{name}: not measured" for name in missing]
        return Verdict(Outcome.INCONCLUSIVE, Reason.ITEMS_EXHAUSTED, "; ".join(parts))
    left_out = [r.name for r in hard if r.decision is Decision.NOT_PROVEN]
    # Named as far as a sentence goes: what comes after it, a warning, must be read too.
    more = f" and {len(left_out) - _MOST_NAMED:,} more, NotProven in the report" if len(left_out) > _MOST_NAMED else ""
    named = ", ".join(left_out[:_MOST_NAMED])
    excluded = f"; not proven (too few items) and left out of the promise: {named}{more}" if left_out else ""
    return Verdict(
        Outcome.PASSED,
        Reason.ALL_GATES_PROVED,
        f"{len(provable_gates)} hard gates proved: {provable(claims, provable_gates)}{excluded}",
    )
