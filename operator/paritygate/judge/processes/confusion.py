"""Precision, F-beta and Jaccard of one class: ratios of means, compared with the baseline's own."""

from typing import Any

import numpy as np

from paritygate.api import GateRecord, Metric
from paritygate.stats import ratio
from paritygate.stats.wealth import harm_threshold, pass_threshold

from ..batchlog import decode_cells, encode_cells
from .terms import SLACK, Ints, Latched, Terms, tabulated

BATCH = 64
"""Items between two looks: a look costs a profile over all the values that the baseline's ratio may have."""

CELLS = ratio.KINDS
"""4 y + 2 yB + yC."""


class ConfusionProcess(Latched[ratio.RatioState]):
    """`theta_B - theta_C < margin` for a ratio of means theta.

    While items are counted only the latches move: wealth is worked out when it is asked for.
    """

    def __init__(self, terms: Terms, metric: Metric) -> None:
        self._terms, self.batch = terms, BATCH
        self._name = metric.value + (f" beta={terms.beta:g}" if metric is Metric.F_BETA else "")
        self._metric = ratio_of(metric, terms.beta)
        self._pass = ratio.RatioState(pass_threshold(terms.alpha))
        self._harm = ratio.RatioState(harm_threshold(terms.hard, terms.alpha_fail))
        self._log: list[Ints] = [np.zeros((0, CELLS), np.int64)]

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        return f"profile/2 {self._name} b={BATCH}"

    @property
    def harm_peak(self) -> float:
        """The largest log wealth against the candidate so far."""
        return ratio.peak(self._metric, self._batches, self._terms.margin, harm=True)

    def take(self, values: Ints) -> None:
        """Count cells."""
        self._count(tabulated(values, BATCH, CELLS))

    def replay(self, log: str, n: int) -> None:
        """Count what a record says."""
        self._count(decode_cells(log, n, BATCH, CELLS))

    def figures(self) -> dict[str, Any]:
        """The log, wealth and both models' ratios."""
        totals, margin = self._pass.totals, self._terms.margin
        before, after = ratio.ratio_estimates(self._metric, totals)
        return {
            "n": self.n,
            "batch_log": encode_cells(self._batches),
            "baseline_value": before,
            "candidate_value": after,
            "estimate": before - after if before is not None and after is not None else None,
            "log_e": float(ratio.log_e(self._metric, totals, margin)) if self.n else 0.0,
            "log_e_harm": float(ratio.log_e(self._metric, totals, margin, harm=True)) if self.n else 0.0,
        }

    def searched(self) -> dict[str, Any]:
        """Interval and proven margin, from the counts so far: looks before them could only have proved more."""
        if not self.n:
            return {}
        totals, alpha = self._pass.totals, self._terms.alpha
        proven = ratio.proven_margin(self._metric, totals, alpha)
        if self.pass_at is not None and (proven is None or proven > self._terms.margin):
            proven = self._terms.margin
        return {"interval": ratio.interval(self._metric, totals, alpha), "proven_margin": proven}

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts exclude what the interval leaves out and prove the margin: one look at each."""
        totals, alpha = self._pass.totals, self._terms.alpha
        if record.interval is not None:
            widened = record.interval[0] - SLACK, record.interval[1] + SLACK
            if not ratio.supports_interval(self._metric, totals, widened, alpha):
                return False
        proven = record.proven_margin
        if proven is None or (self.pass_at is not None and proven >= self._terms.margin):
            return True
        return ratio.reaches(self._metric, totals, proven + SLACK, alpha)

    def _count(self, batches: Ints) -> None:
        self._log.append(batches)
        self._pass = ratio.advance(self._pass, batches, self._metric, self._terms.margin)
        self._harm = ratio.advance(self._harm, batches, self._metric, self._terms.margin, harm=True)

    @property
    def _batches(self) -> Ints:
        self._log = [np.concatenate(self._log)]
        return self._log[0]


def ratio_of(metric: Metric, beta: float) -> ratio.RatioMetric:
    """The ratio behind a metric of a class."""
    match metric:
        case Metric.PRECISION:
            return ratio.precision()
        case Metric.F_BETA:
            return ratio.f_beta(beta)
        case _:
            return ratio.jaccard()
