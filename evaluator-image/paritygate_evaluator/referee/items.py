"""Which items come next.

What is judged follows a fixed rule of the plan's order, in steps of `STEP` items, whatever the speed of the machine:
the same models give the same evidence. Items are computed ahead of that in chunks that fit the models' speed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from paritygate.api import Decision, EvaluationPlan
from paritygate.judge import Gate, ItemTally, failed_already, hard_gates

from .client import Ints
from .evidence import Evidence

STEP = 128
"""Items judged between two looks at whether all is decided."""


@dataclass(slots=True)
class ItemGates:
    """The gates that are counted item by item, and the rule of which gate gets items next.

    Hard gates over all items first, then hard slices in turn, then what only reports. A gate that is decided gets no
    more; a small slice that can't be proved still gets all its items, for they can fail the candidate.
    """

    plan: EvaluationPlan
    tallies: Sequence[ItemTally]

    @classmethod
    def of(cls, plan: EvaluationPlan, gates: Sequence[Gate]) -> "ItemGates":
        """Tallies of the gates that have items."""
        hard = hard_gates(gates)
        return cls(plan, [ItemTally(gate, plan, hard) for gate in gates if gate.power is not None])

    def failed(self) -> bool:
        """Whether a hard gate has proved harm."""
        claims = {claim.name: claim for claim in self.plan.claims}
        return failed_already(claims, [(tally.gate.claim.name, tally.decision) for tally in self.tallies])

    def next(self, evidence: Evidence, count: int) -> dict[str, Ints]:
        """The next items to judge by view, at most about `count` a view, none judged before; empty when all is done."""
        for rank in range(3):
            waiting = [t for t in self.tallies if _rank(t) == rank and _open(t)]
            if picked := _picked(waiting, evidence, count):
                return picked
        return {}

    def count(self, evidence: Evidence) -> None:
        """Let every open gate count on."""
        for tally in self.tallies:
            if _open(tally):
                tally.count(partial(evidence.read, tally.gate.column))


def judge_items(gates: ItemGates, evidence: Evidence) -> bool:
    """One step: compute what lacks, reveal, count. False when there is nothing more to do.

    Raises ModelFailedError, NotFiniteError.
    """
    step = gates.next(evidence, STEP)
    if not step:
        return False
    further: dict[str, Ints] | None = None
    for name, indices in step.items():
        computed = evidence.view(name).computed
        if not computed[indices].all():
            further = further or gates.next(evidence, max(STEP, evidence.ahead()))
            wanted = np.concatenate([indices, further.get(name, indices[:0])])
            evidence.fetch(name, _distinct(wanted[~computed[wanted]]))
        evidence.reveal(name, indices)
    gates.count(evidence)
    return not gates.failed()


def _picked(waiting: Sequence[ItemTally], evidence: Evidence, count: int) -> dict[str, Ints]:
    share = max(8, count // max(1, len(waiting)))
    picked: dict[str, list[Ints]] = {}
    for tally in waiting:
        name = tally.gate.column.perturbation
        # A gate's next items may have been judged for another gate already: look a batch further.
        wanted = tally.wanted(share + tally.batch)
        unjudged = wanted[~evidence.view(name).revealed[wanted]][:share]
        if len(unjudged):
            picked.setdefault(name, []).append(unjudged)
    return {name: _distinct(np.concatenate(parts))[:count] for name, parts in picked.items()}


def _rank(tally: ItemTally) -> int:
    if not tally.gate.hard:
        return 2
    return 0 if tally.gate.slice is None else 1


def _open(tally: ItemTally) -> bool:
    return tally.decision in (Decision.OPEN, Decision.NOT_PROVEN) and tally.n < len(tally.gate.sequence)


def _distinct(indices: Ints) -> Ints:
    """Without repetitions, in the order of first occurrence."""
    _, first = np.unique(indices, return_index=True)
    distinct: Ints = indices[np.sort(first)]
    return distinct
