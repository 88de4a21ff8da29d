"""Precision, F-beta and Jaccard of one class: ratios of means, compared with the baseline's own."""

from typing import Any

import numpy as np

from paritygate.api import GateRecord, Metric
from paritygate.stats import ratio
from paritygate.stats.wealth import harm_threshold, pass_threshold

from ..batchlog import decode_cells, encode_cells
from .terms import SLACK, Ints, Terms, TwoSided, tabulated

BATCH = 64
"""Items between two looks: a look costs a profile over all the values that the baseline's ratio may have."""

CELLS = 8
"""4 y + 2 yB + yC."""


class ConfusionProcess(TwoSided[ratio.RatioState, ratio.RatioState]):
    """`theta_B - theta_C < margin` for a ratio of means theta."""

    def __init__(self, terms: Terms, metric: Metric) -> None:
        self._terms, self.batch = terms, BATCH
        self._name = metric.value + (f" beta={terms.beta:g}" if metric is Metric.F_BETA else "")
        self._metric = ratio_of(metric, terms.beta)
        self._pass = ratio.RatioState(pass_threshold(terms.alpha))
        self._harm = ratio.RatioState(harm_threshold(terms.hard, terms.alpha_fail))
        self._log: list[Ints] = [np.zeros((0, CELLS), np.int64)]
        self._settled = True

    @property
    def rule(self) -> str:
        """The bet and its numbers."""
        return f"profile/1 {self._name} b={BATCH}"

    @property
    def harm_peak(self) -> float:
        """As `Process.harm_peak`."""
        self._settle()
        return super().harm_peak

    def take(self, values: Ints) -> None:
        """Count cells."""
        batches = tabulated(values, BATCH, CELLS)
        self._log.append(batches)
        self._pass = self._advanced(self._pass, batches, latch_only=True)
        self._harm = self._advanced(self._harm, batches, harm=True, latch_only=True)
        self._settled = False

    def replay(self, log: str, n: int) -> None:
        """Count what a record says."""
        self._log.append(decode_cells(log, n, BATCH, CELLS))
        self._settled = False
        self._settle()

    def figures(self) -> dict[str, Any]:
        """The log, wealth and both models' ratios."""
        self._settle()
        batches = self._batches
        before, after = ratio.ratio_estimates(self._metric, batches.sum(0)) if self.n else (None, None)
        return {
            "n": self.n,
            "batch_log": encode_cells(batches),
            "baseline_value": before,
            "candidate_value": after,
            "estimate": before - after if before is not None and after is not None else None,
            "log_e": self._pass.log_e,
            "log_e_harm": self._harm.log_e,
        }

    def searched(self) -> dict[str, Any]:
        """Interval and proven margin, from the counts so far: looks before them could only have proved more."""
        if not self.n:
            return {}
        totals, alpha = self._batches.sum(0), self._terms.alpha
        proven = ratio.proven_margin(self._metric, totals, alpha)
        if self.pass_at is not None and (proven is None or proven > self._terms.margin):
            proven = self._terms.margin
        return {"interval": ratio.interval(self._metric, totals, alpha), "proven_margin": proven}

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts exclude what the interval leaves out and prove the margin: one look at each."""
        totals, alpha = self._batches.sum(0), self._terms.alpha
        if record.interval is not None:
            widened = record.interval[0] - SLACK, record.interval[1] + SLACK
            if not ratio.supports_interval(self._metric, totals, widened, alpha):
                return False
        proven = record.proven_margin
        if proven is None or (self.pass_at is not None and proven >= self._terms.margin):
            return True
        return ratio.reaches(self._metric, totals, proven + SLACK, alpha)

    def _settle(self) -> None:
        """Work out the wealth, once: while items are counted only the latches are."""
        if not self._settled:
            self._pass = self._advanced(ratio.RatioState(self._pass.threshold), self._batches)
            self._harm = self._advanced(ratio.RatioState(self._harm.threshold), self._batches, harm=True)
            self._settled = True

    def _advanced(self, state: ratio.RatioState, batches: Ints, **how: bool) -> ratio.RatioState:
        return ratio.advance(state, batches, self._metric, self._terms.margin, **how)

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
