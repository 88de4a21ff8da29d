"""A loss in [-1, 1] an item: Brier, log loss, errors up to a cap, neighbours."""

from typing import Any

import numpy as np

from paritygate.api import GateRecord
from paritygate.stats import bounded
from paritygate.stats.flip import FlipBet
from paritygate.stats.wealth import Wealth, harm_threshold, pass_threshold

from ..batchlog import decode_units, encode_units
from .terms import Ints, Terms, TwoSided, within


class BoundedProcess(TwoSided[Wealth]):
    """`E d < margin` for any d in [-1, 1], recorded in whole units and rounded against the candidate."""

    def __init__(self, terms: Terms, bet: FlipBet = bounded.BOUNDED_1, twice: bool = False) -> None:
        """`twice`: what is recorded was rounded up a second time, as the mean of a cluster is."""
        self._terms, self._bet = terms, bet
        self.batch = bet.batch
        # Above 1 there is no loss: a bar there is never passed, and needs no more room.
        self._bar, self._rounding = terms.margin, 0.0
        if twice:
            self._bar, self._rounding = min(terms.margin + bounded.UNIT, 1 - 1e-9), bounded.UNIT
        self._pass = Wealth(pass_threshold(terms.alpha))
        self._harm = Wealth(harm_threshold(terms.hard, terms.alpha_fail))
        self._log: list[Ints] = [np.zeros(0, np.int64)]

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        bet = self._bet
        return f"bounded/1 unit=1/{round(1 / bounded.UNIT)} c={bet.c:g} v0={bet.v0:g} b={bet.batch} cap={bet.cap:g}"

    def take(self, values: Ints) -> None:
        """Count losses in whole units."""
        self._count(values)

    def replay(self, log: str, n: int) -> None:
        """Count what a record says."""
        self._count(decode_units(log, n, self.batch))

    def figures(self) -> dict[str, Any]:
        """The log, wealth and estimate."""
        return {
            "n": self.n,
            "batch_log": encode_units(self._units, self.batch),
            "estimate": int(self._units.sum()) * bounded.UNIT / self.n if self.n else None,
            "log_e": self._pass.log_e,
            "log_e_harm": self._harm.log_e,
        }

    def searched(self) -> dict[str, Any]:
        """Interval and proven margin."""
        if not self.n:
            return {}
        proven = bounded.proven_margin(self._units, self._bet, self._terms.alpha)
        if self.pass_at is not None and (proven is None or proven > self._terms.margin):
            proven = self._terms.margin
        return {"interval": self._interval(), "proven_margin": proven}

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts give an interval and a margin no wider than these. It costs a search."""
        return within(record, self.searched())

    def _interval(self) -> tuple[float, float]:
        low, high = bounded.interval(self._units, self._terms.alpha, self.batch)
        return max(-1.0, low - self._rounding), high

    def _count(self, units: Ints) -> None:
        self._log.append(units)
        self._pass = self._pass.after(bounded.gains(units, self._terms.margin, self._bet, self._pass))
        self._harm = self._harm.after(bounded.harm_gains(units, self._bar, self.batch, self._harm))

    @property
    def _units(self) -> Ints:
        self._log = [np.concatenate(self._log)]
        return self._log[0]
