"""A small evaluation to vary one line of."""

import numpy as np
import pytest
from paritygate.api import (
    Check,
    CheckRecord,
    ControlRecord,
    DataFile,
    EvaluationPlan,
    EvaluationResult,
    Outcome,
    PlannedPack,
    Purpose,
    Reason,
    Subject,
    Task,
    Technique,
)
from paritygate.api.policy import GateSpec, PolicySpec
from paritygate.judge import (
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

DIGEST = "sha256:" + "0" * 64
CHECKED = tuple(CheckRecord(name=check, ok=True) for check in Check)


def a_plan(*gates: dict[str, object], tier: str = "Standard", latency: bool = False) -> EvaluationPlan:
    """A plan without latency gates unless asked for."""
    policy = PolicySpec(tier=tier, gates=tuple(GateSpec.model_validate(g) for g in gates))
    plan = build_plan(
        baseline=Subject(uri="a", digest=DIGEST),
        candidate=Subject(uri="b", digest=DIGEST.replace("0", "1")),
        technique=Technique.INT8_STATIC,
        purpose=Purpose.MEMORY,
        packs=[
            PlannedPack(
                name="core",
                version="1",
                task=Task.CLASSIFICATION,
                inputs=DataFile(uri="i", digest=DIGEST),
                labels=DataFile(uri="l", digest=DIGEST),
                slices=("scanner",),
            )
        ],
        policy=policy,
    )
    plan = plan.model_copy(update={"claims": tuple(c for c in plan.claims if c.origin != "Technique")})
    if latency:
        return plan
    return plan.model_copy(update={"claims": tuple(c for c in plan.claims if c.metric != "LatencyRatio")})


@pytest.fixture
def columns() -> dict[str, list[str]]:
    return {"scanner": ["A"] * 4500 + ["B"] * 500}


@pytest.fixture
def ids() -> list[str]:
    return [f"item-{i}" for i in range(5000)]


def evaluate(
    plan: EvaluationPlan, ids: list[str], columns: dict[str, list[str]], outcomes: np.ndarray
) -> EvaluationResult:
    """The result an honest referee prints when every item is evaluated."""
    gates = [g for g in expand(plan, Items(ids, columns)) if g.power]
    tallies = [ItemTally(g, plan, hard_gates(gates)) for g in gates]
    for tally in tallies:
        tally.count(lambda indices: outcomes[indices])
    records = tuple(t.record() for t in tallies)
    verdict = conclude(plan, records, CHECKED, None)
    return EvaluationResult(
        input_digest=plan_digest(plan),
        outcome=Outcome(verdict.outcome),
        reason=Reason(verdict.reason),
        message=verdict.message,
        gates=records,
        checks=CHECKED,
        culprits=culprits(plan, tallies, hard_gates(gates)),
        items=len(ids),
        harmful_flips=int((outcomes == LOST).sum()),
        beneficial_flips=int((outcomes == WON).sum()),
        baseline_digest=plan.baseline.digest,
        candidate_digest=plan.candidate.digest,
    )


QUIET = ControlRecord(state="Quiet", ratio=1.0, blocks=200, limit=1.1)
