"""Which gate gets items next: one rule, for the referee that runs models and for the simulation that runs none.

What is judged follows the plan's order, in steps of `STEP` items, whatever the speed of the machine: the same models
give the same evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from paritygate.api import TRAITS, Decision, EvaluationPlan, Evidence

from .columns import Column
from .gates import Gate
from .tally import Ints, ItemTally, hard_gates
from .verdict import failed_already

STEP = 128
"""Items judged between two looks at whether all is decided."""


class View(Protocol):
    """The items as they are, or under one perturbation."""

    @property
    def revealed(self) -> npt.NDArray[np.bool_]:
        """Which items are judged, one entry an item."""
        ...


class Answers(Protocol):
    """What is known of the models' answers."""

    def view(self, name: str) -> View:
        """The items under this perturbation; "" = as they are."""
        ...

    def read(self, column: Column, indices: Ints) -> npt.NDArray[np.integer]:
        """The values of items in a column; UNKNOWN for those that are not judged."""
        ...


@dataclass(slots=True)
class ItemGates:
    """The gates that are counted item by item, and the rule of which gate gets items next.

    Hard gates over all items first, then hard slices in turn, then what only reports, then, where the plan wants every
    item, the rest. A gate that is decided gets no more; a small slice that can't be proved still gets all its items,
    for they can fail the candidate. Under a cap must-pass items come before all others: each of them must be run.
    """

    plan: EvaluationPlan
    tallies: Sequence[ItemTally]
    stopped: set[str] = field(default_factory=set)
    """Perturbations under which no more items are judged: a model failed there, and no hard gate asks for it."""
    order: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """All items there are to judge, for a plan that wants every one."""
    _run: int = 0
    """Items of the order up to which all are judged."""

    @classmethod
    def of(cls, plan: EvaluationPlan, gates: Sequence[Gate], order: Ints) -> "ItemGates":
        """Tallies of the gates that have items; `order` is that of all items to judge."""
        hard = hard_gates(gates)
        tallies = [ItemTally(gate, plan, hard) for gate in gates if gate.power is not None]
        return cls(plan, tallies, order=order)

    def decides(self, perturbation: str) -> bool:
        """Whether what a model does there can fail it: always as the items are, else where a hard gate asks."""
        return not perturbation or any(
            tally.gate.hard and tally.gate.column.perturbation == perturbation for tally in self.tallies
        )

    def failed(self) -> bool:
        """Whether a hard gate has proved harm."""
        claims = {claim.name: claim for claim in self.plan.claims}
        return failed_already(claims, [(tally.gate.claim.name, tally.decision) for tally in self.tallies])

    def next(self, answers: Answers, count: int) -> dict[str, Ints]:
        """The next items to judge by view, at most about `count` a view, none judged before; empty when all is done."""
        left = self._left(answers)
        for rank in range(-1, 3):
            waiting = [t for t in self.tallies if self._rank(t) == rank and self._open(t)]
            if picked := _picked(waiting, answers, count):
                return _within(picked, left)
        return _within(self._others(answers, count), left)

    def count(self, answers: Answers) -> None:
        """Let every open gate count on."""
        for tally in self.tallies:
            if tally.ready(answers.view(tally.gate.claim.perturbation or "").revealed) and self._open(tally):
                tally.count(partial(answers.read, tally.gate.column))

    def _left(self, answers: Answers) -> int | None:
        """How many more items the plan's cap allows; None without one."""
        if self.plan.max_items is None:
            return None
        names = {tally.gate.column.perturbation for tally in self.tallies}
        return self.plan.max_items - sum(int(answers.view(name).revealed.sum()) for name in names)

    def _others(self, answers: Answers, count: int) -> dict[str, Ints]:
        """Items that no gate needs, where the plan wants every one."""
        while self.plan.every_item and self._run < len(self.order):
            window = self.order[self._run : self._run + count]
            waiting = window[~answers.view("").revealed[window]]
            if len(waiting):
                return {"": waiting}
            self._run += len(window)
        return {}

    def _rank(self, tally: ItemTally) -> int:
        capped = self.plan.max_items is not None
        if capped and tally.gate.hard and TRAITS[tally.gate.claim.metric].evidence is Evidence.REGRESSIONS:
            return -1
        return _rank(tally)

    def _open(self, tally: ItemTally) -> bool:
        return _open(tally) and (tally.gate.claim.perturbation or "") not in self.stopped


def distinct(indices: Ints) -> Ints:
    """Without repetitions, in the order of first occurrence."""
    _, first = np.unique(indices, return_index=True)
    found: Ints = indices[np.sort(first)]
    return found


def _picked(waiting: Sequence[ItemTally], answers: Answers, count: int) -> dict[str, Ints]:
    share = max(8, count // max(1, len(waiting)))
    picked: dict[str, list[Ints]] = {}
    for tally in waiting:
        name = tally.gate.column.perturbation
        # A gate's next items may have been judged for another gate already: look a batch further.
        wanted = tally.wanted(share)
        unjudged = wanted[~answers.view(name).revealed[wanted]][:share]
        if len(unjudged):
            picked.setdefault(name, []).append(unjudged)
    return {name: distinct(np.concatenate(parts))[:count] for name, parts in picked.items()}


def _within(picked: dict[str, Ints], left: int | None) -> dict[str, Ints]:
    """As many of these as are left, the first ones."""
    if left is None:
        return picked
    kept: dict[str, Ints] = {}
    for name, indices in picked.items():
        if len(indices[:left]):
            kept[name] = indices[:left]
        left -= len(indices[:left])
    return kept


def _rank(tally: ItemTally) -> int:
    if not tally.gate.hard:
        return 2
    return 0 if tally.gate.slice is None else 1


def _open(tally: ItemTally) -> bool:
    return tally.decision in (Decision.OPEN, Decision.NOT_PROVEN) and tally.n < tally.gate.units
