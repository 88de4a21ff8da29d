"""How often something happens among the items of a cluster, on average over clusters."""

from typing import Any

from paritygate.api import GateRecord
from paritygate.stats import bounded, mean_rate
from paritygate.stats.rate import RATE_1
from paritygate.stats.wealth import harm_threshold, pass_threshold

from ..batchlog import decode_units, encode_units
from .terms import Ints, Terms, TwoSided, within


class MeanRateProcess(TwoSided[mean_rate.MeanState, bounded.BoundedHarmState]):
    """`E x < margin` for the share x of a cluster's items that are hits, recorded as `bounded` records losses.

    With the bet of `rate`: that of `bounded` is for losses whose mean is 0, and would lose on a rate near its limit.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms, self.batch = terms, RATE_1.batch
        self._pass = mean_rate.MeanState(pass_threshold(terms.alpha))
        self._harm = bounded.BoundedHarmState(harm_threshold(terms.hard, terms.alpha_fail))
        self._batches: list[list[list[int]]] = []

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        return f"rate/1 unit=1/{bounded.SCALE} c={RATE_1.c:g} b={RATE_1.batch}"

    def take(self, values: Ints) -> None:
        """Count shares in whole units."""
        self._count(bounded.count_batches(values, self.batch))

    def replay(self, log: str, n: int) -> None:
        """Count what a record says."""
        self._count(decode_units(log, n, self.batch))

    def figures(self) -> dict[str, Any]:
        """The log, wealth and estimate."""
        shares = sum(units * count for batch in self._batches for units, count in batch)
        return {
            "n": self.n,
            "batch_log": encode_units(self._batches),
            "estimate": shares * bounded.UNIT / self.n if self.n else None,
            "log_e": self._pass.log_e,
            "log_e_harm": self._harm.log_e,
        }

    def searched(self) -> dict[str, Any]:
        """The interval of the rate."""
        if not self.n:
            return {}
        low, high = bounded.interval(self._batches, self._terms.alpha)
        return {"interval": (max(low, 0.0), high)}

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts give an interval no wider than this. It costs a search."""
        return within(record, self.searched())

    def _count(self, batches: list[list[list[int]]]) -> None:
        self._batches += batches
        self._pass = mean_rate.advance(self._pass, batches, self._terms.margin)
        self._harm = bounded.advance_harm(self._harm, batches, self._terms.margin, self.batch)
