"""A loss in [-1, 1] an item: Brier, log loss, errors up to a cap, neighbours."""

from typing import Any

from paritygate.stats import bounded
from paritygate.stats.flip import FlipBet

from .in_units import InUnits
from .terms import Ints, Terms


class BoundedProcess(InUnits):
    """`E d < margin` for any d in [-1, 1], recorded in whole units and rounded against the candidate."""

    def __init__(self, terms: Terms, bet: FlipBet = bounded.BOUNDED_1, twice: bool = False) -> None:
        """`twice`: what is recorded was rounded up a second time, as the mean of a cluster is."""
        super().__init__(terms, bet.batch)
        self._bet = bet
        # Above 1 there is no loss: a bar there is never passed, and needs no more room.
        self._bar, self._rounding = terms.margin, 0.0
        if twice:
            self._bar, self._rounding = min(terms.margin + bounded.UNIT, 1 - 1e-9), bounded.UNIT

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        bet = self._bet
        return f"bounded/1 unit=1/{round(1 / bounded.UNIT)} c={bet.c:g} v0={bet.v0:g} b={bet.batch} cap={bet.cap:g}"

    def searched(self) -> dict[str, Any]:
        """Interval and proven margin."""
        if not self.n:
            return {}
        proven = bounded.proven_margin(self._units, self._bet, self._terms.alpha)
        if self.pass_at is not None and (proven is None or proven > self._terms.margin):
            proven = self._terms.margin
        return {"interval": self._interval(), "proven_margin": proven}

    def _interval(self) -> tuple[float, float]:
        low, high = bounded.interval(self._units, self._terms.alpha, self.batch)
        return max(-1.0, low - self._rounding), high

    def _bet_on(self, units: Ints) -> None:
        self._pass = self._pass.after(bounded.gains(units, self._terms.margin, self._bet, self._pass))
        self._harm = self._harm.after(bounded.harm_gains(units, self._bar, self.batch, self._harm))
