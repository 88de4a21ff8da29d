"""A verdict says in one message what it must: however many gates there are."""

import numpy as np
from paritygate.api import Decision, Outcome
from paritygate.judge import conclude

from .case import CHECKED, World, a_pack, a_plan


def test_many_excluded_gates_do_not_hide_a_warning() -> None:
    soft = {"name": "strict", "metric": "Accuracy", "margin": "0.001", "enforcement": "Soft"}
    plan = a_plan(soft, packs=[a_pack(slices=("place",))])
    world = World(np.zeros(3000, np.int64), {"place": [f"a place with quite a name {k % 100}" for k in range(3000)]})
    result = world.judged(plan)
    assert sum(record.decision is Decision.NOT_PROVEN for record in result.gates) == 100
    lost = [r.model_copy(update={"decision": Decision.HARM}) if r.name == "strict" else r for r in result.gates]
    verdict = conclude(plan, lost, CHECKED, None)
    assert verdict.outcome is Outcome.PASSED
    assert "and 92 more, NotProven in the report" in verdict.message
    assert "warning, Soft and worse than allowed: strict" in verdict.message
    assert len(verdict.message) < 1024
