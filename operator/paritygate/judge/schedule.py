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

from paritygate.api import Decision, EvaluationPlan

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

    Hard gates over all items first, then hard slices in turn, then what only reports. A gate that is decided gets no
    more; a small slice that can't be proved still gets all its items, for they can fail the candidate.
    """

    plan: EvaluationPlan
    tallies: Sequence[ItemTally]
    stopped: set[str] = field(default_factory=set)
    """Perturbations under which no more items are judged: a model failed there, and no hard gate asks for it."""

    @classmethod
    def of(cls, plan: EvaluationPlan, gates: Sequence[Gate]) -> "ItemGates":
        """Tallies of the gates that have items."""
        hard = hard_gates(gates)
        return cls(plan, [ItemTally(gate, plan, hard) for gate in gates if gate.power is not None])

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
        for rank in range(3):
            waiting = [t for t in self.tallies if _rank(t) == rank and self._open(t)]
            if picked := _picked(waiting, answers, count):
                return picked
        return {}

    def count(self, answers: Answers) -> None:
        """Let every open gate count on."""
        for tally in self.tallies:
            if self._open(tally):
                tally.count(partial(answers.read, tally.gate.column))

    def _open(self, tally: ItemTally) -> bool:
        return _open(tally) and tally.gate.column.perturbation not in self.stopped


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
        wanted = tally.wanted(share + tally.batch)
        unjudged = wanted[~answers.view(name).revealed[wanted]][:share]
        if len(unjudged):
            picked.setdefault(name, []).append(unjudged)
    return {name: distinct(np.concatenate(parts))[:count] for name, parts in picked.items()}


def _rank(tally: ItemTally) -> int:
    if not tally.gate.hard:
        return 2
    return 0 if tally.gate.slice is None else 1


def _open(tally: ItemTally) -> bool:
    return tally.decision in (Decision.OPEN, Decision.NOT_PROVEN) and tally.n < len(tally.gate.sequence)
