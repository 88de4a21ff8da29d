"""How often something happens among the items of a cluster, on average over clusters."""

from typing import Any

import numpy as np

from paritygate.api import GateRecord
from paritygate.stats import bounded, rate
from paritygate.stats.rate import RATE_1
from paritygate.stats.wealth import Wealth, harm_threshold, pass_threshold

from ..batchlog import decode_units, encode_units
from .terms import Ints, Terms, TwoSided, within


class MeanRateProcess(TwoSided[Wealth]):
    """`E x < margin` for the share x of a cluster's items that are hits, recorded as `bounded` records losses.

    With the bet of `rate`: that of `bounded` is for losses whose mean is 0, and would lose on a rate near its limit.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms, self.batch = terms, RATE_1.batch
        self._pass = Wealth(pass_threshold(terms.alpha))
        self._harm = Wealth(harm_threshold(terms.hard, terms.alpha_fail))
        self._log: list[Ints] = [np.zeros(0, np.int64)]

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        return f"rate/1 unit=1/{bounded.SCALE} c={RATE_1.c:g} b={RATE_1.batch}"

    def take(self, values: Ints) -> None:
        """Count shares in whole units."""
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
        """The interval of the rate."""
        if not self.n:
            return {}
        low, high = bounded.interval(self._units, self._terms.alpha, self.batch)
        return {"interval": (max(low, 0.0), high)}

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts give an interval no wider than this. It costs a search."""
        return within(record, self.searched())

    def _count(self, units: Ints) -> None:
        self._log.append(units)
        shares, counts = bounded.cut(units, self.batch)
        self._pass = self._pass.after(rate.gains(counts, self._terms.margin, state=self._pass, values=shares))
        self._harm = self._harm.after(bounded.harm_gains(units, self._terms.margin, self.batch, self._harm))

    @property
    def _units(self) -> Ints:
        self._log = [np.concatenate(self._log)]
        return self._log[0]
