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
from .units import cluster_losses

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
        population = gate.power.have if gate.power else gate.units
        self._process = process_of(gate.claim, plan, hard, population)

    @property
    def n(self) -> int:
        """Items counted, or clusters."""
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
        """The next items of this gate's order that are not counted yet: those of a batch, and `count` further ones."""
        return self.gate.sequence[self.gate.place(self.n) : self.gate.place(self.n + self.batch) + count]

    def ready(self, revealed: npt.NDArray[np.bool_]) -> bool:
        """Whether the last item of the next batch is there: as long as it is not, nothing can be counted."""
        end = self.gate.place(min(self.n + self.batch, self.gate.units))
        return end > 0 and bool(revealed[self.gate.sequence[end - 1]])

    def count(self, read: Read) -> None:
        """Count on from where this gate stands, as far as `read` knows the items.

        Only whole batches are counted, but for the last of the sequence; a cluster when all of its items are known.
        """
        while True:
            start = self.n
            end = self._known(read, start)
            if end < self.gate.units:
                end -= (end - start) % self.batch
            if end == start:
                return
            self._process.take(self._values(read, start, end))

    def _known(self, read: Read, start: int) -> int:
        """The unit up to which all are known from `start` on, looking a window of items ahead, or a batch of units."""
        gate, begin = self.gate, self.gate.place(start)
        window = gate.sequence[begin : max(begin + _WINDOW, gate.place(start + self.batch))]
        unknown = np.flatnonzero(read(window) == UNKNOWN)
        known = begin + (int(unknown[0]) if unknown.size else len(window))
        return known if gate.ends is None else int(np.searchsorted(gate.ends, known, side="right"))

    def _values(self, read: Read, start: int, end: int) -> Ints:
        """The values of units, all of them known."""
        gate, begin = self.gate, self.gate.place(start)
        values = np.asarray(read(gate.sequence[begin : gate.place(end)]), np.int64)
        if gate.ends is not None:
            return cluster_losses(gate.claim.metric, values, gate.ends[start:end] - begin)
        return values if gate.marks is None else values + gate.marks[start:end]

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
