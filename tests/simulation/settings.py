"""A policy over a pack of made-up labels, to vary one thing of."""

from collections.abc import Sequence

import numpy as np
from paritygate.api import DataFile, Inference, PlannedPack, Purpose, Scores, Subject, Task, Technique, Tier
from paritygate.api.policy import EvaluationLimits, GateSpec, PolicySpec
from paritygate.judge import Items, build_plan, expand
from paritygate.simulation import Setting

CLASSES = 5


def a_setting(
    *gates: dict[str, object],
    items: int = 3000,
    rare: float = 0.2,
    locked: bool = False,
    task: Task = Task.CLASSIFICATION,
    technique: Technique = Technique.INT8_WEIGHT_ONLY,
    tier: Tier = Tier.STANDARD,
    only: Sequence[str] = (),
    must_pass: int = 0,
    document: int = 0,
) -> Setting:
    """`items` of five classes, a share `rare` of them from scanner B, the last `must_pass` in a pack of their own.

    Without latency gates; with `only`, none but the claims of these names. `document`: so many items belong together.
    """
    sizes = {"core": items - must_pass} | ({"chosen": must_pass} if must_pass else {})
    packs = [
        PlannedPack(
            name=name,
            version="1",
            task=task,
            inputs=DataFile(uri=f"{name}.npz"),
            labels=DataFile(uri=f"{name}.csv"),
            slices=("scanner",),
            scores=Scores.PROBABILITIES if task is Task.CLASSIFICATION else None,
            must_pass=name == "chosen",
            cluster="document" if document else None,
        )
        for name in sizes
    ]
    plan = build_plan(
        baseline=Subject(uri="baseline"),
        candidate=Subject(uri="candidate"),
        technique=technique,
        purpose=Purpose.MEMORY,
        packs=packs,
        policy=PolicySpec(
            tier=tier,
            gates=tuple(GateSpec.model_validate(gate) for gate in gates),
            evaluation=EvaluationLimits(inference=Inference.LOCKED_SET if locked else Inference.SUPERPOPULATION),
        ),
    )
    kept = [c for c in plan.claims if (c.name in only if only else c.metric != "LatencyRatio")]
    plan = plan.model_copy(update={"claims": tuple(kept)})
    labels, of_b = np.arange(items) % CLASSES, np.arange(items) < round(rare * items)
    known = Items(
        [f"item-{k}" for k in range(items)],
        {
            "scanner": np.where(of_b, "B", "A").tolist(),
            "pack": [name for name, size in sizes.items() for _ in range(size)],
        },
        {str(k): labels == k for k in range(CLASSES)},
        clusters=np.arange(items) // document if document else None,
    )
    return Setting(plan, expand(plan, known, with_margins=False), known)
