"""The simulation's tallies count ahead; what they show is what the judge's own tallies show, step by step."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from paritygate.api import Decision
from paritygate.judge import BOTH_RIGHT, LOST, UNKNOWN, ItemTally, hard_gates
from paritygate.judge.schedule import STEP, ItemGates
from paritygate.simulation import Setting, candidates
from paritygate.simulation.draws import drawn
from paritygate.simulation.foresight import ForeseeingTally
from paritygate.simulation.paths import _Answers

from .settings import a_setting

SETTINGS = {
    "flips, rates and losses": partial(a_setting, rare=0.1),
    "a locked set": partial(a_setting, rare=0.3, locked=True, items=1003),
    "classes, a gap and must-pass": partial(
        a_setting,
        {"name": "p", "metric": "Precision", "margin": "0.08", "value": "1"},
        {"name": "g", "metric": "FairnessGap", "margin": "0.08", "sliceBy": "scanner"},
        items=2001,
        rare=0.4,
        must_pass=50,
    ),
}


def shown(gates: ItemGates, answers: _Answers) -> list[tuple[object, ...]]:
    """What every gate says after each step, and which items were judged."""
    found: list[tuple[object, ...]] = []
    while step := gates.next(answers, STEP):
        for name, indices in step.items():
            answers.view(name).revealed[indices] = True
        gates.count(answers)
        found.append((*((t.n, t.decision) for t in gates.tallies), *(i.tolist() for i in step.values())))
        if gates.failed():
            break
    return found


@pytest.mark.parametrize("made", SETTINGS.values(), ids=SETTINGS.keys())
def test_every_step_is_the_same_as_with_the_judges_own_tallies(made: Callable[[], Setting]) -> None:
    setting = made()
    hard = hard_gates(setting.gates)
    for place, candidate in enumerate(candidates(setting)):
        values = {
            column: drawn(setting, candidate, column, np.random.default_rng([place, number]))
            for number, column in enumerate(setting.columns)
        }
        both = []
        for ahead in (True, False):
            answers = _Answers(setting, values.__getitem__)
            tallies: list[ItemTally] = [
                ForeseeingTally(gate, setting.plan, hard, partial(answers.true, gate.column))
                if ahead
                else ItemTally(gate, setting.plan, hard)
                for gate in setting.counted
            ]
            both.append(shown(ItemGates(setting.plan, tallies), answers))
        assert both[0] == both[1], candidate.name
        assert both[0], candidate.name


def test_what_is_not_judged_is_not_known_however_far_it_was_worked_out() -> None:
    setting = a_setting({"name": "accuracy", "metric": "Accuracy", "margin": "0.02"}, only=["accuracy"])
    (gate,) = setting.counted
    values = np.full(len(setting.items.ids), LOST, np.int32)
    known = gate.sequence[:20]
    values[known] = BOTH_RIGHT
    tally = ForeseeingTally(gate, setting.plan, 1, values.__getitem__)
    tally.count(lambda indices: np.where(np.isin(indices, known), values[indices], UNKNOWN))
    assert (tally.n, tally.decision) == (16, Decision.OPEN)  # whole batches of 8
    tally.count(values.__getitem__)
    assert (tally.n, tally.decision) == (3000, Decision.HARM)
