"""ParityGate's own judge on the same outcomes: the one place here that knows its interface."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from paritygate.api import (
    Check,
    CheckRecord,
    DataFile,
    EvaluationPlan,
    Metric,
    Outcome,
    PlannedPack,
    Purpose,
    Subject,
    Task,
    Technique,
)
from paritygate.api.policy import GateSpec, PolicySpec
from paritygate.judge import UNKNOWN, Gate, Items, ItemTally, build_plan, conclude, expand, hard_gates

from .adapters.batch import Variant, run
from .adapters.outcomes import FAIL, PASS, UNDECIDED
from .scenarios import Outcomes

DIGEST = "sha256:" + "0" * 64
CHECKED = tuple(CheckRecord(name=check, ok=True) for check in Check)
LETTERS = {Outcome.PASSED: PASS, Outcome.FAILED: FAIL, Outcome.INCONCLUSIVE: UNDECIDED}


@dataclass(frozen=True, slots=True)
class Judge:
    """One hard gate on accuracy at the margin. `planned` False starts packs that the plan would refuse, too."""

    margin: float
    alpha: float
    planned: bool = True

    def __call__(self, outcomes: Outcomes) -> tuple[str, int]:
        """The verdict letter and the items counted when it was reached; 0 items when nothing was started."""
        plan, gate = _gate(self.margin, self.alpha, len(outcomes))
        if not self.planned:
            gate = replace(gate, power=None)
        elif gate.refused:
            return UNDECIDED, 0
        tally = _counted(plan, gate, outcomes)
        record = tally.figures()
        latched = [at for at in (record.pass_at, record.harm_at) if at is not None]
        if latched and min(latched) < tally.n:
            # The referee stops where it is sure: what comes later must not have a say.
            seen = np.full(len(outcomes), UNKNOWN, np.int64)
            first = gate.sequence[: min(latched)]
            seen[first] = outcomes[first]
            record = _counted(plan, gate, seen).figures()
        verdict = conclude(plan, (record,), CHECKED, None)
        return LETTERS[verdict.outcome], record.n


def variants(margin: float, alpha: float) -> dict[str, Variant]:
    """The product as it is, and its rule on packs that its planner would refuse."""
    called = "paritygate.judge: build_plan, expand, ItemTally, conclude"
    return {
        "planned": Variant(called, Judge(margin, alpha)),
        "unplanned": Variant(f"{called}; planned power ignored", Judge(margin, alpha, planned=False)),
    }


def _counted(plan: EvaluationPlan, gate: Gate, outcomes: Outcomes) -> ItemTally:
    tally = ItemTally(gate, plan, hard_gates((gate,)))
    tally.count(lambda indices: outcomes[indices])
    return tally


@lru_cache(maxsize=16)
def _gate(margin: float, alpha: float, items: int) -> tuple[EvaluationPlan, Gate]:
    plan = accuracy_plan(margin, alpha)
    (gate,) = expand(plan, pack(items), with_margins=False)
    return plan, gate


def pack(items: int) -> Items:
    """So many items without slices."""
    return Items(ids=[f"item-{index}" for index in range(items)], columns={})


def accuracy_plan(margin: float, alpha: float) -> EvaluationPlan:
    """Accuracy alone, as the peers have it: what a tier asks for beside it would only add ways not to pass."""
    plan = build_plan(
        baseline=Subject(uri="baseline", digest=DIGEST),
        candidate=Subject(uri="candidate", digest=DIGEST.replace("0", "1")),
        technique=Technique.INT8_WEIGHT_ONLY,
        purpose=Purpose.MEMORY,
        packs=[
            PlannedPack(
                name="pack",
                version="1",
                task=Task.CLASSIFICATION,
                inputs=DataFile(uri="inputs", digest=DIGEST),
                labels=DataFile(uri="labels", digest=DIGEST),
                slices=(),
            )
        ],
        policy=PolicySpec(
            tier="Standard",
            alpha=str(alpha),
            gates=(GateSpec(name="accuracy", metric=Metric.ACCURACY, margin=str(margin)),),
        ),
    )
    return plan.model_copy(update={"claims": tuple(c for c in plan.claims if c.name == "accuracy")})


if __name__ == "__main__":
    run("paritygate", variants)
