"""Counting: each gate takes items strictly in its own order, in batches of its own, and latches when it is sure.

Items that were evaluated early for another gate wait until this gate's pointer reaches them. Counting whatever comes
would let one slice pull another's evidence forward: wrong passes of 100 %.
"""

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from paritygate.api import Decision, EvaluationPlan, GateRecord

from .columns import UNKNOWN
from .gates import Gate
from .processes import process_of

_WINDOW = 4096
"""Items looked at in one go, a multiple of every batch size: a step costs what it counts, not what is left."""

Ints = npt.NDArray[np.int64]
Read = Callable[[Ints], npt.NDArray[np.integer]]
"""The values of items in the gate's column; UNKNOWN for those that are not judged yet."""


def hard_gates(gates: Iterable[Gate]) -> int:
    """How many hard gates share the harm side's error; at least 1."""
    return max(1, sum(gate.hard for gate in gates))


class ItemTally:
    """One gate that is counted item by item, and how far it has come."""

    def __init__(self, gate: Gate, plan: EvaluationPlan, hard: int) -> None:
        self.gate = gate
        population = gate.power.have if gate.power else len(gate.sequence)
        self._process = process_of(gate.claim, plan, hard, population)

    @property
    def n(self) -> int:
        """Items counted."""
        return self._process.n

    @property
    def batch(self) -> int:
        """Items that are counted together."""
        return self._process.batch

    @property
    def decision(self) -> Decision:
        """What is known. Harm first: a gate that both sides have latched is not one to promote on."""
        if self._process.harm_at is not None:
            return Decision.HARM
        if self._process.pass_at is not None:
            return Decision.PROVED
        return Decision.NOT_PROVEN if self.gate.excluded else Decision.OPEN

    @property
    def harm_peak(self) -> float:
        """The largest log wealth against the candidate so far."""
        return self._process.harm_peak

    def wanted(self, count: int) -> Ints:
        """The next `count` items of this gate's order that are not counted yet."""
        return self.gate.sequence[self.n : self.n + count]

    def count(self, read: Read) -> None:
        """Count on from where this gate stands, as far as `read` knows the items.

        Only whole batches are counted, but for the last of the sequence.
        """
        while True:
            start = self.n
            window = np.asarray(read(self.gate.sequence[start : start + _WINDOW]), np.int64)
            unknown = np.flatnonzero(window == UNKNOWN)
            known = window[: unknown[0]] if unknown.size else window
            last = start + len(known) == len(self.gate.sequence)
            whole = known if last else known[: len(known) - len(known) % self._process.batch]
            if not whole.size:
                return
            marks = self.gate.marks
            self._process.take(whole if marks is None else whole + marks[start : start + len(whole)])

    def replay(self, record: GateRecord) -> None:
        """Count what a record's batch log says. Raises ValueError when it says nothing that can be."""
        self._process.replay(record.batch_log, record.n)

    def figures(self) -> GateRecord:
        """The evidence so far but for its interval and proven margin, which cost a search."""
        power = self.gate.power
        missing = max(power.needed - self.n, 0) if power and self.decision is Decision.OPEN else None
        return GateRecord(
            name=self.gate.name,
            claim=self.gate.claim.name,
            slice=self.gate.slice,
            decision=self.decision,
            pass_at=self._process.pass_at,
            harm_at=self._process.harm_at,
            planned=power,
            bet=self._process.rule,
            missing=missing,
            **self._process.figures(),
        )

    def record(self) -> GateRecord:
        """The evidence so far."""
        return self.figures().model_copy(update=self._process.searched())

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts exclude what a record's interval leaves out, and prove its margin."""
        if not self.n:
            return record.interval is None and record.proven_margin is None
        return self._process.supports(record)
