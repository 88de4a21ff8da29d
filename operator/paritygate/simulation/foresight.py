"""A gate that counts ahead of what is judged: the same latches as the judge's own, in a tenth of the time.

Where a process latches depends on its own sequence of items only, however the sequence is cut into calls, so it may be
worked out in long stretches. What is not judged yet still does not exist for the schedule: a latch behind `n` is not
known.
"""

from paritygate.api import Decision, EvaluationPlan
from paritygate.judge import Gate, ItemTally
from paritygate.judge.tally import Read

_LEAST = 512
"""Items that are worked out at once, at least; then half of what was, so that little is worked out in vain."""


class ForeseeingTally(ItemTally):
    """An `ItemTally` for values that are known beforehand; `read` tells `count` only what is judged."""

    def __init__(self, gate: Gate, plan: EvaluationPlan, hard: int, values: Read) -> None:
        super().__init__(gate, plan, hard)
        self._true, self._counted = values, 0

    @property
    def n(self) -> int:
        """Items counted: worked out and judged."""
        return self._counted

    @property
    def decision(self) -> Decision:
        """What is known of the items counted."""
        if _by(self._process.harm_at, self._counted):
            return Decision.HARM
        if _by(self._process.pass_at, self._counted):
            return Decision.PROVED
        return Decision.NOT_PROVEN if self.gate.excluded else Decision.OPEN

    def count(self, read: Read) -> None:
        """Count on as far as `read` knows the items, in whole batches but for the last of all."""
        known = self._counted
        while (further := self._known(read, known)) > known:
            known = further
        if known < self.gate.units:
            known -= known % self.batch
        while self._process.n < known:
            self._work_out(max(known, self._process.n + max(_LEAST, self._process.n // 2)))
        self._counted = known

    def _work_out(self, end: int) -> None:
        whole = self.gate.units if end >= self.gate.units else end - end % self.batch
        self._process.take(self._values(self._true, self._process.n, whole))


def _by(latched_at: int | None, n: int) -> bool:
    return latched_at is not None and latched_at <= n
