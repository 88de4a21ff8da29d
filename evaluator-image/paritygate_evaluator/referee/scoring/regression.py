"""Task Regression: one number an item, and how far off it is."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
from paritygate.judge.columns import Column, Kind

from ...wire import Array
from ..client import Ints, Port
from .outputs import of_numbers, one_an_item, only_output, row_an_item
from .scorer import NO_ANSWER, Scored, Scorer, finite, no_outcomes, recorded, refusal
from .truth import Truth, targets

_ENOUGH = 64
"""Items after which a cap that hides most errors is told."""


class RegressionScorer(Scorer):
    """The absolute error of one output (items,) or (items, 1) of floats against the number in the label.

    An error is counted up to the claim's cap: the loss is (min(eC, cap) - min(eB, cap)) / cap. The claim is about
    errors so limited.
    """

    KINDS = frozenset({Kind.ABSOLUTE_ERROR})

    def __init__(
        self,
        pack: str,
        ports: Sequence[Port],
        truth: Truth,
        *,
        output: str | None = None,
        columns: Collection[Column] = (),
    ) -> None:
        super().__init__(pack, truth, columns)
        self._targets = targets(truth)
        self._seen, self._capped = 0, dict[Column, int]()
        needed = "one of floats, (items,) or (items, 1)"
        self._port = only_output(pack, ports, output, _is_number, needed)
        if row_an_item(ports[self._port]) and (width := ports[self._port].shape[1]) is not None:
            raise self._several(width)

    def score(self, indices: Ints, baseline: Sequence[Array], candidate: Sequence[Array]) -> Scored:
        """As `Scorer.score`."""
        wanted, items = self._targets[indices], len(indices)
        with np.errstate(invalid="ignore"):
            first = np.abs(self._column(baseline[self._port]) - wanted)
            second = np.abs(self._column(candidate[self._port]) - wanted)
        self._check_caps(first)
        return Scored(
            outcomes=no_outcomes(items),
            columns={column: recorded(_added(first, second, float(column.parameter))) for column in self._columns},
            baseline=np.full(items, NO_ANSWER, np.int32),
            candidate=np.full(items, NO_ANSWER, np.int32),
            confidence=np.zeros(items, np.float32),
            baseline_confidence=np.full(items, np.nan, np.float32),
            baseline_finite=finite(baseline),
            candidate_finite=finite(candidate),
        )

    def _check_caps(self, errors: npt.NDArray[np.float64]) -> None:
        """Where most of the baseline's errors are at the cap, the candidate's could be anything and look the same."""
        self._seen += len(errors)
        for column in self._columns:
            cap = float(column.parameter)
            self._capped[column] = self._capped.get(column, 0) + int((errors >= cap).sum())
            if self._seen >= _ENOUGH and self._capped[column] > self._seen / 2:
                raise refusal(
                    self._pack,
                    f"cap {column.parameter} lies below {self._capped[column]:,} of the baseline's {self._seen:,} "
                    "errors so far: a worse candidate would look the same. Write the largest error that still makes a "
                    f"difference, such as {np.quantile(errors, 0.99):.3g}",
                )

    def _column(self, output: Array) -> npt.NDArray[np.float64]:
        if output.size != len(output):
            raise self._several(output[0].size)
        return output.reshape(len(output)).astype(np.float64)

    def _several(self, width: int) -> Exception:
        return refusal(
            self._pack,
            f"the model gives {width} numbers an item and a label holds one; split it into one output a number, and "
            "write a pack for each that names its output",
        )


def _added(
    baseline: npt.NDArray[np.float64], candidate: npt.NDArray[np.float64], cap: float
) -> npt.NDArray[np.float64]:
    """What the candidate is further off than the baseline, as a share of the cap; NaN where either is no number."""
    added: npt.NDArray[np.float64] = (np.minimum(candidate, cap) - np.minimum(baseline, cap)) / cap
    return added


def _is_number(port: Port) -> bool:
    return of_numbers(port) and (one_an_item(port) or row_an_item(port))
