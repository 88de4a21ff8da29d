"""What is simulated: a policy's plan over a pack's real items."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paritygate.api import TRAITS, Check, CheckRecord, EvaluationPlan, Evidence, Metric
from paritygate.judge import Column, Gate, Items, alpha_of

CHECKS = tuple(CheckRecord(name=check, ok=True) for check in Check)
"""A simulated candidate loads, answers in the right shape and keeps every other deterministic check."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A plan, its gates over the items, and what the simulation leaves out."""

    plan: EvaluationPlan
    gates: tuple[Gate, ...]
    items: Items

    @property
    def counted(self) -> tuple[Gate, ...]:
        """The gates that are counted item by item: all that is simulated."""
        return tuple(gate for gate in self.gates if gate.power is not None)

    @property
    def judged(self) -> EvaluationPlan:
        """The plan with the claims that are simulated: the verdict is about them."""
        names = {gate.claim.name for gate in self.counted}
        return self.plan.model_copy(update={"claims": tuple(c for c in self.plan.claims if c.name in names)})

    @property
    def left_out(self) -> tuple[str, ...]:
        """Claims that need the models: speed, size, figures, and slices that inputs tell of. Taken as kept."""
        names = {gate.claim.name for gate in self.counted}
        return tuple(claim.name for claim in self.plan.claims if claim.name not in names)

    @property
    def refused(self) -> tuple[Gate, ...]:
        """Hard gates that the items can't prove: because of them nothing is run."""
        return tuple(gate for gate in self.counted if gate.refused)

    @property
    def alpha(self) -> float:
        """The bound on a wrong promotion, this candidate's share of it where candidates share."""
        return alpha_of(self.plan)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is counted of each item, each once."""
        return tuple(dict.fromkeys(gate.column for gate in self.counted))

    @property
    def flips(self) -> float:
        """The technique's flip rate, or as much of it as leaves an equal candidate well within every rate gate.

        Half of its flips are harmful. At most half of what a hard gate on harmful flips (or differing answers) allows:
        a candidate at its limit is not one that anybody means by "equal".
        """
        allowed = [
            float(gate.claim.margin or 0) / (1 if gate.claim.metric is Metric.HARMFUL_FLIP_RATE else 2)
            for gate in self.counted
            if gate.hard and TRAITS[gate.claim.metric].evidence is Evidence.RATE
        ]
        return min([float(self.plan.flip_rate), *allowed])

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Items of which none may be lost."""
        kept = np.zeros(len(self.items.ids), np.bool_)
        for gate in self.counted:
            if gate.hard and TRAITS[gate.claim.metric].evidence is Evidence.REGRESSIONS:
                kept[gate.sequence] = True
        return kept

    def hard(self, excluded: bool = False) -> Sequence[Gate]:
        """The hard gates that the promise is about, or those excluded from it."""
        return [gate for gate in self.counted if gate.hard and gate.excluded is excluded and len(gate.sequence)]
