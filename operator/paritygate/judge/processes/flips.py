"""Right and wrong of both models: the flip bet, or its form for a locked set."""

from typing import Any

import numpy as np

from paritygate.api import GateRecord
from paritygate.stats import flip, harm, locked
from paritygate.stats.interval import proven_margin, reported_interval
from paritygate.stats.wealth import Wealth, harm_threshold, pass_threshold

from ..batchlog import decode_flips, encode_flips
from ..columns import BOTH_RIGHT, BOTH_WRONG, LOST, WON
from .terms import CERTAIN, SLACK, Ints, Terms, TwoSided, tabulated

ORDER = (LOST, WON, BOTH_RIGHT, BOTH_WRONG)
"""The columns of a batch: n10, n01, n11, n00."""


def flip_counts(values: Ints, batch: int) -> Ints:
    """Batches (k, 4) = [n10, n01, n11, n00] of outcomes."""
    return tabulated(values, batch, 4)[:, list(ORDER)]


def flip_figures(batches: Ints) -> dict[str, Any]:
    """The counts of a record."""
    n10, n01, n11, n00 = (int(total) for total in batches.sum(0))
    return {"n": n10 + n01 + n11 + n00, "n10": n10, "n01": n01, "n11": n11, "n00": n00}


class FlipProcess(TwoSided[Wealth]):
    """`E d < margin` for d = +1 (harmful flip), -1 (beneficial) or 0."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._bet = flip.FlipBet(v0=terms.flip_rate, cap=locked.LOCKED_1.cap if terms.locked else flip.FLIP_1.cap)
        self.batch = self._bet.batch
        self._pass = Wealth(pass_threshold(terms.alpha))
        self._harm = Wealth(harm_threshold(terms.hard, terms.alpha_fail))
        self._log: list[Ints] = [np.zeros((0, 4), np.int64)]

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        name = f"locked/1 N={self._terms.population}" if self._terms.locked else "flip/1"
        return f"{name} c={self._bet.c:g} v0={self._bet.v0:g} b={self._bet.batch} cap={self._bet.cap:g}"

    def take(self, values: Ints) -> None:
        """Count outcomes."""
        self._count(flip_counts(values, self.batch))

    def replay(self, log: str, n: int) -> None:
        """Count what a record says. Unflipped items stand as both right: no bet tells them apart."""
        self._count(decode_flips(log, n, self.batch))

    def figures(self) -> dict[str, Any]:
        """Counts, wealth and estimate."""
        counts = flip_figures(self._batches)
        return {
            **counts,
            "batch_log": encode_flips(self._batches),
            "estimate": (counts["n10"] - counts["n01"]) / self.n if self.n else None,
            "log_e": min(self._pass.log_e, CERTAIN),
            "log_e_harm": min(self._harm.log_e, CERTAIN),
        }

    def searched(self) -> dict[str, Any]:
        """Interval and proven margin, both about the population."""
        if not self.n:
            return {}
        low, high = reported_interval(self._batches, self._terms.alpha)
        return {"interval": (low, high), "proven_margin": self._proven()}

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts exclude what the interval leaves out and prove the margin."""
        return supports_interval(self._batches, record.interval, self._terms.alpha) and (
            record.proven_margin is None or self._proves(record.proven_margin)
        )

    def _count(self, batches: Ints) -> None:
        self._log.append(batches)
        margin, population = self._terms.margin, self._terms.population
        if self._terms.locked:
            self._pass = self._pass.after(locked.gains(batches, population, margin, self._bet, self._pass))
            self._harm = self._harm.after(locked.harm_gains(batches, population, margin, self.batch, self._harm))
        else:
            self._pass = self._pass.after(flip.gains(batches, margin, self._bet, self._pass))
            self._harm = self._harm.after(harm.gains(batches, margin))

    @property
    def _batches(self) -> Ints:
        self._log = [np.concatenate(self._log)]
        return self._log[0]

    def _proven(self) -> float | None:
        if self._terms.locked:
            return self._terms.margin if self.pass_at is not None else None
        proven = proven_margin(self._batches, self._bet, self._terms.alpha)
        if self.pass_at is not None and (proven is None or proven > self._terms.margin):
            return self._terms.margin
        return proven

    def _proves(self, margin: float) -> bool:
        if self._terms.locked or (margin == self._terms.margin and self.pass_at is not None):
            return margin == self._terms.margin and self.pass_at is not None
        if not 0 < margin < 1:
            return False
        wealth = flip.gains(self._batches, margin, self._bet).path()
        return bool((wealth >= pass_threshold(self._terms.alpha) - SLACK).any())


def supports_interval(batches: Ints, interval: tuple[float, float] | None, alpha: float) -> bool:
    """Whether batches (k, 4) of losses exclude every mean outside of `interval`; one look at each end."""
    if interval is None:
        return True
    if not len(batches):
        return False
    low, high = interval[0] - SLACK, interval[1] + SLACK
    if not low < 1 or not high > -1:
        return False
    totals, threshold = np.cumsum(batches, axis=0), pass_threshold(alpha / 2)
    n10, n01, n0 = totals[:, 0], totals[:, 1], totals[:, 2] + totals[:, 3]
    below = low <= -1 or bool(harm.log_harm(n10, n01, n0, low).max() >= threshold)
    return below and (high >= 1 or bool(harm.log_harm(n01, n10, n0, -high).max() >= threshold))
