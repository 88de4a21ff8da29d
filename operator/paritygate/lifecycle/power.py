"""Power before a device: what the packs say they hold can't prove is refused in figures, and nothing is started."""

from collections.abc import Sequence

from paritygate.api import Decision, Enforcement, EvaluationPlan, GateRecord, Inference, Slice
from paritygate.judge import PlannedGate, plan_power

MOST_NAMED = 3

UNKNOWN = "the packs declare the items of no hard gate: power is planned when the labels are read"


def refused_gates(plan: EvaluationPlan) -> tuple[PlannedGate, ...]:
    """Gates that forbid the evaluation, furthest from power first; none where the packs don't declare their items."""
    return tuple(gate for gate in _weakest_first(plan_power(plan) or ()) if gate.refused)


def refusal(plan: EvaluationPlan, refused: Sequence[PlannedGate]) -> str:
    """Why nothing is started, and the ways out in figures."""
    said = "; ".join(gate.message for gate in refused[:MOST_NAMED])
    more = f" (and {len(refused) - MOST_NAMED} more gates)" if len(refused) > MOST_NAMED else ""
    return (
        f"{said}{more}. No device was taken. Add items, widen the margin{_as_a_locked_set(plan, refused)}, or write "
        "underpowered: HarmOnly on the gate (it can then fail the candidate but is left out of the promise)"
    )


def weakest(plan: EvaluationPlan) -> str:
    """The gates that need their items most, in figures."""
    hard = [g for g in _weakest_first(plan_power(plan) or ()) if g.claim.enforcement is Enforcement.HARD]
    if not hard:
        return UNKNOWN
    left_out = sum(gate.excluded for gate in hard)
    promise = f" ({left_out} too small to be proved: they can only fail the candidate)" if left_out else ""
    return f"weakest{promise}: " + "; ".join(_in_figures(gate) for gate in hard[:MOST_NAMED])


def planned_records(plan: EvaluationPlan) -> tuple[GateRecord, ...]:
    """The gates as they were planned, for a record of which nothing was judged."""
    return tuple(
        GateRecord(
            name=gate.name,
            claim=gate.claim.name,
            slice=_slice(gate),
            decision=Decision.NOT_PROVEN if gate.excluded else Decision.OPEN,
            planned=gate.power,
            missing=max(gate.power.needed - gate.power.have, 0),
        )
        for gate in plan_power(plan) or ()
    )


def _weakest_first(gates: Sequence[PlannedGate]) -> list[PlannedGate]:
    return sorted(gates, key=lambda gate: (gate.power.power, gate.power.have / max(gate.power.needed, 1)))


def _in_figures(gate: PlannedGate) -> str:
    return gate.message if gate.excluded else f"{gate.message} ({gate.power.power:.0%} power)"


def _as_a_locked_set(plan: EvaluationPlan, refused: Sequence[PlannedGate]) -> str:
    if plan.inference is Inference.LOCKED_SET:
        return ""
    names = {gate.name for gate in refused}
    locked = plan_power(plan.model_copy(update={"inference": Inference.LOCKED_SET})) or ()
    proved = [gate for gate in locked if gate.name in names and not gate.weak]
    if not proved:
        return ""
    provable = f"{len(proved)} of {len(names)} gates can be proved"
    return f", set evaluation.inference: LockedSet (a claim about these items only, under which {provable})"


def _slice(gate: PlannedGate) -> Slice | None:
    _, cut, value = gate.name.removeprefix(gate.claim.name).partition("/")
    return Slice(column=gate.claim.slice_by, value=value) if cut and gate.claim.slice_by else None
