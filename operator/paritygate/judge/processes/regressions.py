"""Must-pass items: every one is looked at, and one that only the baseline gets right is a fail. No statistics."""

from typing import Any

import numpy as np

from paritygate.api import GateRecord

from ..batchlog import decode_flips, encode_flips
from .flips import flip_counts, flip_figures
from .terms import CERTAIN, Ints, Terms


class RegressionProcess:
    """No harmful flip in the whole sequence."""

    rule = "every item"

    def __init__(self, terms: Terms) -> None:
        self._population, self.batch = terms.population, 8
        self._batches: Ints = np.zeros((0, 4), np.int64)

    @property
    def n(self) -> int:
        """Items counted."""
        return int(self._batches.sum())

    @property
    def pass_at(self) -> int | None:
        """The last item, when none was lost."""
        whole = self.n == self._population and self._population > 0
        return self.n if whole and self.harm_at is None else None

    @property
    def harm_at(self) -> int | None:
        """The end of the batch with the first regression."""
        lost = np.flatnonzero(self._batches[:, 0])
        return int(self._batches[: lost[0] + 1].sum()) if lost.size else None

    @property
    def harm_peak(self) -> float:
        """All or nothing: there is no wealth behind it."""
        return CERTAIN if self.harm_at is not None else 0.0

    def take(self, values: Ints) -> None:
        """Count outcomes."""
        self._batches = np.concatenate([self._batches, flip_counts(values, self.batch)])

    def replay(self, log: str, n: int) -> None:
        """Count what a record says."""
        self._batches = np.concatenate([self._batches, decode_flips(log, n, self.batch)])

    def figures(self) -> dict[str, Any]:
        """Counts; the estimate is their number."""
        counts = flip_figures(self._batches)
        return {**counts, "batch_log": encode_flips(self._batches), "estimate": float(counts["n10"])}

    def searched(self) -> dict[str, Any]:
        """Nothing to search for."""
        return {}

    def supports(self, record: GateRecord) -> bool:
        """Whether it claims no interval."""
        return record.interval is None and record.proven_margin is None
