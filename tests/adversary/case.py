"""A small classification whose every answer is written down, judged by an honest referee without any model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from paritygate.api import (
    OF_ITEMS,
    Check,
    CheckRecord,
    DataFile,
    Decision,
    EvaluationPlan,
    EvaluationResult,
    GateRecord,
    PlannedPack,
    Purpose,
    Subject,
    Task,
    Technique,
)
from paritygate.api.policy import GateSpec, PolicySpec
from paritygate.judge import (
    BOTH_RIGHT,
    BOTH_WRONG,
    LOST,
    WON,
    Items,
    ItemTally,
    build_plan,
    conclude,
    culprits,
    expand,
    hard_gates,
    plan_digest,
)
from paritygate.judge.columns import Column, Kind

BASELINE, CANDIDATE = "sha256:" + "0" * 64, "sha256:" + "1" * 64
CHECKED = tuple(CheckRecord(name=check, ok=True) for check in Check)


def a_pack(name: str = "core", **update: Any) -> PlannedPack:
    """A pack of its own."""
    fields: dict[str, Any] = {
        "version": "1",
        "task": Task.CLASSIFICATION,
        "inputs": DataFile(uri=f"{name}.npz"),
        "labels": DataFile(uri=f"{name}.csv"),
    }
    return PlannedPack(name=name, **fields | update)


def a_plan(
    *gates: dict[str, str], packs: Sequence[PlannedPack] = (), technique: Technique = Technique.FP16, **policy: Any
) -> EvaluationPlan:
    """The plan of a policy with these gates, without what is timed."""
    plan = build_plan(
        baseline=Subject(uri="a", digest=BASELINE),
        candidate=Subject(uri="b", digest=CANDIDATE),
        technique=technique,
        purpose=Purpose.MEMORY,
        packs=packs or [a_pack()],
        policy=PolicySpec(gates=tuple(GateSpec.model_validate(gate) for gate in gates), **policy),
    )
    return plan.model_copy(update={"claims": tuple(claim for claim in plan.claims if claim.metric in OF_ITEMS)})


@dataclass
class World:
    """What is right, what both models say, and the slices; one entry an item."""

    right: np.ndarray
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    clusters: np.ndarray | None = None
    repeated: np.ndarray | None = None
    baseline: np.ndarray = field(init=False)
    candidate: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.baseline, self.candidate = self.right.copy(), self.right.copy()

    @property
    def items(self) -> Items:
        """As the judge gets them."""
        classes = {str(one): self.right == one for one in np.unique(self.right).tolist()}
        ids = [f"i{k}" for k in range(len(self.right))]
        return Items(ids, self.columns, classes, clusters=self.clusters, repeated=self.repeated)

    def read(self, column: Column, indices: np.ndarray) -> np.ndarray:
        """The values of a column."""
        right, first, second = (said[indices] for said in (self.right, self.baseline, self.candidate))
        match column.kind:
            case Kind.CELL:
                asked = int(column.parameter)
                return 4 * (right == asked) + 2 * (first == asked) + (second == asked)
            case Kind.DIFFERS:
                return (first != second).astype(np.int64)
        lost = np.where(second == right, BOTH_RIGHT, LOST)
        return np.where(first == right, lost, np.where(second == right, WON, BOTH_WRONG))

    def judged(self, plan: EvaluationPlan) -> EvaluationResult:
        """What an honest referee prints when every item is evaluated."""
        gates = expand(plan, self.items)
        hard = hard_gates(gates)
        tallies = [ItemTally(gate, plan, hard) for gate in gates]
        for tally in tallies:
            tally.count(lambda indices, column=tally.gate.column: self.read(column, indices))
        records = tuple(tally.record() for tally in tallies)
        verdict = conclude(plan, records, CHECKED, None)
        outcomes = self.read(Column(Kind.OUTCOME), np.arange(len(self.right)))
        return EvaluationResult(
            input_digest=plan_digest(plan),
            outcome=verdict.outcome,
            reason=verdict.reason,
            message=verdict.message,
            gates=records,
            checks=CHECKED,
            culprits=culprits(plan, tallies, hard),
            items=len(self.right),
            repeated_items=self.items.repeats,
            harmful_flips=int((outcomes == LOST).sum()),
            beneficial_flips=int((outcomes == WON).sum()),
            baseline_digest=BASELINE,
            candidate_digest=CANDIDATE,
        )


def gate(result: EvaluationResult, name: str) -> GateRecord:
    """The record of one gate."""
    return next(record for record in result.gates if record.name == name)


def changed(record: GateRecord, have: int | None = None, share: float | None = None, **update: Any) -> GateRecord:
    """A record with other figures, and other figures of its plan."""
    assert record.planned is not None
    planned = {"have": have, "share": share}
    told = {name: value for name, value in planned.items() if value is not None}
    return record.model_copy(update=update | {"planned": record.planned.model_copy(update=told)})


def excluded(record: GateRecord, **planned: Any) -> GateRecord:
    """A record that claims that its items are too few to prove anything."""
    return changed(record, decision=Decision.NOT_PROVEN, missing=None, **planned)


def retold(plan: EvaluationPlan, result: EvaluationResult, gates: Sequence[GateRecord]) -> EvaluationResult:
    """The result with these gates, and the verdict that would follow from what they say."""
    verdict = conclude(plan, gates, result.checks, result.control)
    told = {"outcome": verdict.outcome, "reason": verdict.reason, "message": verdict.message}
    return result.model_copy(update=told | {"gates": tuple(gates)})


__all__ = ["World", "a_pack", "a_plan", "changed", "excluded", "gate", "retold"]
