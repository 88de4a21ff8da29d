"""How often something happens: harmful flips, answers that differ."""

from typing import Any

import numpy as np

from paritygate.api import GateRecord
from paritygate.stats import harm, rate
from paritygate.stats.interval import reported_interval
from paritygate.stats.wealth import Wealth, harm_threshold, pass_threshold

from ..batchlog import decode_flips, encode_flips
from ..columns import LOST
from .flips import flip_counts, flip_figures, supports_interval
from .terms import Ints, Terms, TwoSided, tabulated


class RateProcess(TwoSided[Wealth]):
    """`P(hit) < margin`. Harmful flips keep all four outcome counts; other hits stand as n10, the rest as n11."""

    def __init__(self, terms: Terms, hit: int) -> None:
        self._terms, self._outcomes = terms, hit == LOST
        self.batch = rate.RATE_1.batch
        self._pass = Wealth(pass_threshold(terms.alpha))
        # The mirror of "at most h hits": E x <= h, with x in {0, 1}.
        self._harm = Wealth(harm_threshold(terms.hard, terms.alpha_fail))
        self._log: list[Ints] = [np.zeros((0, 4), np.int64)]

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        return f"rate/1 c={rate.RATE_1.c:g} b={rate.RATE_1.batch}"

    def take(self, values: Ints) -> None:
        """Count outcomes, or 1 for a hit and 0 for none."""
        if self._outcomes:
            self._count(flip_counts(values, self.batch))
        else:
            none, hits = tabulated(values, self.batch, 2).T
            nothing = np.zeros_like(hits)
            self._count(np.stack([hits, nothing, none, nothing], axis=1))

    def replay(self, log: str, n: int) -> None:
        """Count what a record says."""
        self._count(decode_flips(log, n, self.batch))

    def figures(self) -> dict[str, Any]:
        """Counts, wealth and estimate."""
        counts = flip_figures(self._batches)
        return {
            **counts,
            "batch_log": encode_flips(self._batches),
            "estimate": counts["n10"] / self.n if self.n else None,
            "log_e": self._pass.log_e,
            "log_e_harm": self._harm.log_e,
        }

    def searched(self) -> dict[str, Any]:
        """The interval of the rate."""
        if not self.n:
            return {}
        low, high = reported_interval(_as_losses(self._batches), self._terms.alpha)
        return {"interval": (max(low, 0.0), high)}

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts exclude what the interval leaves out. Below 0 there is no rate to exclude."""
        if record.proven_margin is not None:
            return False
        interval = record.interval
        if interval is not None and interval[0] <= 0:
            interval = (-1.0, interval[1])
        return supports_interval(_as_losses(self._batches), interval, self._terms.alpha)

    def _count(self, batches: Ints) -> None:
        self._log.append(batches)
        hits = np.stack([batches[:, 0], batches[:, 1:].sum(1)], axis=1)
        self._pass = self._pass.after(rate.gains(hits, self._terms.margin, state=self._pass))
        self._harm = self._harm.after(harm.gains(_as_losses(batches), self._terms.margin))

    @property
    def _batches(self) -> Ints:
        self._log = [np.concatenate(self._log)]
        return self._log[0]


def _as_losses(batches: Ints) -> Ints:
    """Only hits count: what was won is an item without loss."""
    moved = batches.copy()
    moved[:, 2] += moved[:, 1]
    moved[:, 1] = 0
    return moved
