"""The gap between two groups: it must not grow by the margin."""

from typing import Any

import numpy as np

from paritygate.api import GateRecord
from paritygate.stats import gap
from paritygate.stats.wealth import harm_threshold, pass_threshold

from ..batchlog import decode_cells, encode_cells
from .flips import ORDER
from .terms import Ints, Terms, TwoSided, tabulated, within

SECOND = 4
"""Added to the outcome of an item of the second group."""

BATCH = gap.GAP_1.batch
_COLUMNS = [*ORDER, *(SECOND + kind for kind in ORDER)]
"""Of a batch: [n10, n01, n11, n00] of the first group, the same of the second."""


class GapProcess(TwoSided[gap.GapState]):
    """`|gap of the candidate| < |gap of the baseline| + margin`, in accuracy."""

    rule = f"gap/2 b={BATCH}"

    def __init__(self, terms: Terms) -> None:
        self._terms, self.batch = terms, BATCH
        self._pass = gap.start(pass_threshold(terms.alpha))
        self._harm = gap.start(harm_threshold(terms.hard, terms.alpha_fail), harm=True)
        self._log: list[Ints] = [np.zeros((0, 2 * SECOND), np.int64)]

    def take(self, values: Ints) -> None:
        """Count outcomes, those of the second group raised by `SECOND`."""
        self._count(tabulated(values, BATCH, 2 * SECOND)[:, _COLUMNS])

    def replay(self, log: str, n: int) -> None:
        """Count what a record says."""
        self._count(decode_cells(log, n, BATCH, 2 * SECOND))

    def figures(self) -> dict[str, Any]:
        """Counts of both groups together; both models' gaps, and by how much it grew."""
        batches = self._batches
        n10, n01, n11, n00 = (batches[:, :SECOND] + batches[:, SECOND:]).sum(0).tolist()
        before, after = _gap(batches, (0, 2)), _gap(batches, (1, 2))
        return {
            **{"n": self.n, "n10": n10, "n01": n01, "n11": n11, "n00": n00},
            "batch_log": encode_cells(batches),
            "baseline_value": before,
            "candidate_value": after,
            "estimate": after - before if before is not None and after is not None else None,
            "log_e": self._pass.log_e,
            "log_e_harm": self._harm.log_e,
        }

    def searched(self) -> dict[str, Any]:
        """Interval and proven margin of the gap's growth."""
        if not self.n:
            return {}
        proven = gap.proven_margin(self._batches, gap.GAP_1, self._terms.alpha)
        if self.pass_at is not None and (proven is None or proven > self._terms.margin):
            proven = self._terms.margin
        return {"interval": gap.interval(self._batches, self._terms.alpha), "proven_margin": proven}

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts give an interval and a margin no wider than these. It costs a search."""
        return within(record, self.searched())

    def _count(self, batches: Ints) -> None:
        self._log.append(batches)
        self._pass = gap.advance(self._pass, batches, self._terms.margin)
        self._harm = gap.advance(self._harm, batches, self._terms.margin)

    @property
    def _batches(self) -> Ints:
        self._log = [np.concatenate(self._log)]
        return self._log[0]


def _gap(batches: Ints, right: tuple[int, int]) -> float | None:
    """How far the accuracies of the groups lie apart, of the model whose right answers are these two counts."""
    groups = batches.sum(0).reshape(2, SECOND)
    sizes = groups.sum(1)
    if not sizes.all():
        return None
    accuracy = groups[:, list(right)].sum(1) / sizes
    return float(abs(accuracy[0] - accuracy[1]))
