"""One made-up evaluation: answers are drawn, then the real judge takes items, counts and concludes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from paritygate.api import GateRecord, Outcome
from paritygate.judge import UNKNOWN, Column, ItemTally, conclude, hard_gates
from paritygate.judge.schedule import STEP, ItemGates

from .candidates import Candidate
from .draws import drawn
from .foresight import ForeseeingTally
from .setting import CHECKS, Setting

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ending:
    """How one evaluation ended. `items` counts an item once for every perturbation that it was judged under."""

    outcome: Outcome
    items: int


@dataclass(frozen=True, slots=True)
class _View:
    revealed: npt.NDArray[np.bool_]


class _Answers:
    """What both models would answer, drawn column by column when the judge first asks."""

    def __init__(self, setting: Setting, draw: Callable[[Column], npt.NDArray[np.int32]]) -> None:
        self._draw = draw
        self._values: dict[Column, npt.NDArray[np.int32]] = {}
        size, names = len(setting.items.ids), {"", *(column.perturbation for column in setting.columns)}
        self.views = {name: _View(np.zeros(size, np.bool_)) for name in names}

    def view(self, name: str) -> _View:
        return self.views[name]

    def read(self, column: Column, indices: Ints) -> npt.NDArray[np.integer]:
        return np.where(self.views[column.perturbation].revealed[indices], self.true(column, indices), UNKNOWN)

    def true(self, column: Column, indices: Ints) -> npt.NDArray[np.integer]:
        """What will be seen once it is judged."""
        if column not in self._values:
            self._values[column] = self._draw(column)
        return self._values[column][indices]


def evaluate(setting: Setting, candidate: Candidate, seed: tuple[int, ...]) -> Ending:
    """One evaluation of the candidate, by the referee's rule and the judge's processes. The same seed, the same ending.

    Nothing is run where a hard gate is refused, as in the evaluator.
    """
    if setting.refused:
        return Ending(Outcome.INCONCLUSIVE, 0)
    answers = _Answers(setting, partial(_drawn, setting, candidate, seed))
    plan = setting.judged
    hard = hard_gates(setting.gates)
    tallies = [ForeseeingTally(g, plan, hard, partial(answers.true, g.column)) for g in setting.counted]
    gates = ItemGates(plan, tallies, order=setting.items.judged_order)
    while step := gates.next(answers, STEP):
        for name, indices in step.items():
            answers.view(name).revealed[indices] = True
        gates.count(answers)
        if gates.failed():
            break
    verdict = conclude(plan, [_record(tally) for tally in gates.tallies], CHECKS, None)
    return Ending(verdict.outcome, sum(int(view.revealed.sum()) for view in answers.views.values()))


def _drawn(setting: Setting, candidate: Candidate, seed: tuple[int, ...], column: Column) -> npt.NDArray[np.int32]:
    # A stream of its own for every column: what one gate sees must not depend on who asked first.
    return drawn(setting, candidate, column, np.random.default_rng([*seed, setting.columns.index(column)]))


def _record(tally: ItemTally) -> GateRecord:
    """All that a verdict reads: the figures of a record are for people."""
    return GateRecord(name=tally.gate.name, claim=tally.gate.claim.name, decision=tally.decision, n=tally.n)
