"""How often something happens among the items of a cluster, on average over clusters."""

from typing import Any

from paritygate.stats import bounded, rate
from paritygate.stats.rate import RATE_1

from .in_units import InUnits
from .terms import Ints, Terms


class MeanRateProcess(InUnits):
    """`E x < margin` for the share x of a cluster's items that are hits, recorded as `bounded` records losses.

    With the bet of `rate`: that of `bounded` is for losses whose mean is 0, and would lose on a rate near its limit.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms, RATE_1.batch)

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        return f"rate/1 unit=1/{bounded.SCALE} c={RATE_1.c:g} b={RATE_1.batch}"

    def searched(self) -> dict[str, Any]:
        """The interval of the rate."""
        if not self.n:
            return {}
        low, high = bounded.interval(self._units, self._terms.alpha, self.batch)
        return {"interval": (max(low, 0.0), high)}

    def _bet_on(self, units: Ints) -> None:
        shares, counts = bounded.cut(units, self.batch)
        self._pass = self._pass.after(rate.gains(counts, self._terms.margin, state=self._pass, values=shares))
        self._harm = self._harm.after(bounded.harm_gains(units, self._terms.margin, self.batch, self._harm))
