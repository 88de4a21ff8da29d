"""Counting: each gate takes items strictly in its own order, in batches of its own, and latches when it is sure.

Items that were evaluated early for another gate wait until this gate's pointer reaches them. Counting whatever comes
would let one slice pull another's evidence forward: wrong passes of 100 %.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paritygate.api import Decision, EvaluationPlan, GateRecord, Metric
from paritygate.stats import flip, harm, rate
from paritygate.stats.interval import proven_margin, reported_interval
from paritygate.stats.wealth import harm_threshold, pass_threshold

from .batchlog import encode
from .gates import Gate, bet_of

UNKNOWN, BOTH_WRONG, BOTH_RIGHT, LOST, WON = -1, 0, 1, 2, 3
"""Outcome of one item: not evaluated yet; both wrong; both right; baseline right and candidate wrong; the reverse."""

_WINDOW = 4096
"""Items looked at in one go, a multiple of every batch size: a step costs what it counts, not what is left."""

SLACK = 1e-6
"""Of figures that are only shown: another processor's last bit may end a search a step away."""

Ints = npt.NDArray[np.int64]
Outcomes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Standing:
    """Log wealth of both sides and the item counts at which they latched."""

    log_e: float
    log_e_harm: float
    pass_at: int | None
    harm_at: int | None


def hard_gates(gates: Iterable[Gate]) -> int:
    """How many hard gates share the harm side's error; at least 1."""
    return max(1, sum(gate.hard for gate in gates))


class ItemTally:
    """The two processes of one gate that is counted item by item."""

    def __init__(self, gate: Gate, plan: EvaluationPlan, hard: int) -> None:
        self.gate = gate
        self._bet = bet_of(plan)
        self._alpha = float(plan.alpha)
        self._margin = float(gate.claim.margin or 0)
        self._rate = gate.claim.metric is Metric.HARMFUL_FLIP_RATE
        self._pass: flip.FlipState | rate.RateState
        if self._rate:
            self._pass = rate.RateState(pass_threshold(self._alpha))
        else:
            self._pass = flip.FlipState(pass_threshold(self._alpha))
        self._harm = harm.HarmState(harm_threshold(hard, float(plan.alpha_fail)))
        self._log: list[Ints] = [np.zeros((0, 4), np.int64)]

    @property
    def n(self) -> int:
        """Items counted."""
        return self._pass.items

    @property
    def decision(self) -> Decision:
        """What is known. Harm first: a gate that both sides have latched is not one to promote on."""
        if self._harm.latched:
            return Decision.HARM
        if self._pass.latched:
            return Decision.PROVED
        return Decision.NOT_PROVEN if self.gate.excluded else Decision.OPEN

    def wanted(self, count: int) -> Ints:
        """The next `count` items of this gate's order that are not counted yet."""
        return self.gate.sequence[self.n : self.n + count]

    def count(self, outcomes: Outcomes) -> None:
        """Count on from where this gate stands, as far as `outcomes` (one an item of the pack) are known.

        Only whole batches are counted, but for the last of the sequence.
        """
        while True:
            window = outcomes[self.gate.sequence[self.n : self.n + _WINDOW]]
            unknown = np.flatnonzero(window == UNKNOWN)
            known = window[: unknown[0]] if unknown.size else window
            last = self.n + len(known) == len(self.gate.sequence)
            whole = known if last else known[: len(known) - len(known) % self._bet.batch]
            if not whole.size:
                return
            self.take(_batched(whole, self._bet.batch))

    def state(self) -> Standing:
        """Where both sides stand."""
        return Standing(self._pass.log_e, self._harm.log_e, self._pass.latched_at, self._harm.latched_at)

    def figures(self) -> GateRecord:
        """The evidence so far but for its interval and proven margin, which cost a search."""
        n10, n01, n11, n00 = (int(v) for v in self._batches.sum(0))
        lost = n10 if self._rate else n10 - n01
        return GateRecord(
            name=self.gate.name,
            claim=self.gate.claim.name,
            slice=self.gate.slice,
            decision=self.decision,
            n=self.n,
            n10=n10,
            n01=n01,
            n11=n11,
            n00=n00,
            batch_log=encode(self._batches),
            estimate=lost / self.n if self.n else None,
            log_e=self._pass.log_e,
            log_e_harm=self._harm.log_e,
            pass_at=self._pass.latched_at,
            harm_at=self._harm.latched_at,
            planned=self.gate.power,
        )

    def record(self) -> GateRecord:
        """The evidence so far."""
        searched = {"interval": self._interval(), "proven_margin": self._proven_margin()}
        return self.figures().model_copy(update=searched)

    def supports(self, interval: tuple[float, float] | None, proven: float | None) -> bool:
        """Whether the counts exclude what an interval leaves out, and prove a margin: no search, one look at each."""
        if not self.n:
            return interval is None and proven is None
        return (interval is None or self._excludes(*interval)) and (proven is None or self._proves(proven))

    def take(self, batches: Ints) -> None:
        """Count batches (k, 4) = [n10, n01, n11, n00]; also how a recheck replays a record."""
        self._log.append(batches)
        if isinstance(self._pass, rate.RateState):
            harmful = np.stack([batches[:, 0], batches[:, 1:].sum(1)], axis=1)
            self._pass = rate.advance(self._pass, harmful, self._margin)
            # The mirror of "at most h harmful": E x <= h, with x in {0, 1}.
            self._harm = harm.advance(self._harm, _as_losses(batches), self._margin)
        else:
            self._pass = flip.advance(self._pass, batches, self._margin, self._bet)
            self._harm = harm.advance(self._harm, batches, self._margin)

    @property
    def _batches(self) -> Ints:
        self._log = [np.concatenate(self._log)]
        return self._log[0]

    def _counted(self) -> Ints:
        return _as_losses(self._batches) if self._rate else self._batches

    def _excludes(self, low: float, high: float) -> bool:
        totals, threshold = np.cumsum(self._counted(), axis=0), pass_threshold(self._alpha / 2)
        n10, n01, n0 = totals[:, 0], totals[:, 1], totals[:, 2] + totals[:, 3]
        low, high = low - SLACK, high + SLACK
        if not low < 1 or not high > -1:
            return False
        below = low <= (0 if self._rate else -1) or bool(harm.log_harm(n10, n01, n0, low).max() >= threshold)
        return below and (high >= 1 or bool(harm.log_harm(n01, n10, n0, -high).max() >= threshold))

    def _proves(self, margin: float) -> bool:
        if self._rate or not 0 < margin < 1:
            return False
        wealth = flip.log_wealth_path(self._batches, margin, self._bet)
        return bool((wealth >= pass_threshold(self._alpha) - SLACK).any())

    def _interval(self) -> tuple[float, float] | None:
        if not self.n:
            return None
        low, high = reported_interval(self._counted(), self._alpha)
        return (max(low, 0.0), high) if self._rate else (low, high)

    def _proven_margin(self) -> float | None:
        if not self.n or self._rate:
            return None
        proven = proven_margin(self._batches, self._bet, self._alpha)
        if self.decision is Decision.PROVED and (proven is None or proven > self._margin):
            return self._margin
        return proven


def _batched(outcomes: Outcomes, batch: int) -> Ints:
    """Counts (k, 4) = [n10, n01, n11, n00] of outcomes in batches; the last may be short."""
    size = -(-len(outcomes) // batch)
    padded = np.full(size * batch, UNKNOWN, np.int8)
    padded[: len(outcomes)] = outcomes
    rows = padded.reshape(size, batch)
    return np.stack([(rows == kind).sum(1) for kind in (LOST, WON, BOTH_RIGHT, BOTH_WRONG)], axis=1).astype(np.int64)


def _as_losses(batches: Ints) -> Ints:
    """Only harmful flips count: what was won is an item without loss."""
    moved = batches.copy()
    moved[:, 2] += moved[:, 1]
    moved[:, 1] = 0
    return moved
