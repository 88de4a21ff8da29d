"""Latency: first the baseline against itself, then against the candidate, in rounds of blocks until it is decided."""

from collections.abc import Callable, Sequence

import numpy as np
from paritygate.api import ControlRecord, Decision, EvaluationPlan, GateRecord, Metric
from paritygate.judge import (
    ControlTally,
    Gate,
    LatencyTally,
    block_orders,
    encode_blocks,
    failed_already,
    hard_gates,
    round_of,
)

from .client import Ints, Runner

Tell = Callable[[int, str], None]


class Latency:
    """The latency gates of a plan and the blocks they rest on."""

    def __init__(self, plan: EvaluationPlan, gates: Sequence[Gate], runner: Runner, order: Ints) -> None:
        self._plan, self._runner, self._order = plan, runner, order
        hard = hard_gates(gates)
        self._tallies = [LatencyTally(g, plan, hard) for g in gates if g.claim.metric is Metric.LATENCY_RATIO]
        self._blocks: dict[str, Ints] = {role: np.zeros((0, 4), np.int64) for role in ("baseline", "candidate")}
        self.control: ControlRecord | None = None

    def measure(self, tell: Tell) -> None:
        """Measure until decided or out of blocks; `tell` gets (blocks so far, what is done).

        Raises ModelFailedError.
        """
        if not self._tallies:
            return
        control = ControlTally(self._plan)
        while control.state == "Noisy" and (blocks := self._more("baseline")) is not None:
            control.add(blocks)
            tell(len(self._blocks["baseline"]), "A/A control: the baseline against itself")
        self.control = control.record()
        if control.state != "Quiet":
            return
        while not self._decided() and (blocks := self._more("candidate")) is not None:
            for tally in self._tallies:
                tally.add(blocks)
            tell(len(self._blocks["candidate"]), "latency")

    def records(self) -> list[GateRecord]:
        """The evidence of every latency gate, measured or not."""
        return [tally.record() for tally in self._tallies]

    def encoded(self) -> tuple[str, str]:
        """Blocks of the gates and of the control, as they travel."""
        return encode_blocks(self._blocks["candidate"]), encode_blocks(self._blocks["baseline"])

    def _decided(self) -> bool:
        claims = {claim.name: claim for claim in self._plan.claims}
        states = [(tally.gate.claim.name, tally.decision) for tally in self._tallies]
        return failed_already(claims, states) or all(decision is not Decision.OPEN for _, decision in states)

    def _more(self, second: str) -> Ints | None:
        """The next round of blocks, or None when the plan allows no more.

        Each round of the candidate has two processes of its own, so that a verdict isn't the luck of two. The control
        asks whether the harness favours a place: one process in both.
        """
        start = len(self._blocks[second])
        count = round_of(self._plan, start)
        if not count:
            return None
        swapped = block_orders(self._plan, start, count)
        # Two items a block, both models on both; the same items for the control.
        places = np.arange(2 * start, 2 * (start + count)).reshape(count, 2) % len(self._order)
        blocks = self._runner.latency(second, swapped, self._order[places], fresh=second != "baseline")
        self._blocks[second] = np.concatenate([self._blocks[second], blocks])
        return blocks
