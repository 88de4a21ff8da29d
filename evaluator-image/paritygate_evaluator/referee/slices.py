"""Slice columns that are not in the labels: joined of others, or cut from what is known of the items."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from paritygate.api import EvaluationPlan, PlannedPack, Reason, SliceColumn, SliceSource

from ..ending import EvaluatorError
from .client import ItemStatistics
from .labels import Column

LARGEST_TENTH = 0.9
UNSURE = 0.6
"""Border of BaselineConfidence where the pack names none."""

_LONGEST = 128
_UNIT = "\x1f"
"""Between the values of a combination: no value holds it, for it can't be printed."""


def derived_columns(packs: Sequence[PlannedPack]) -> dict[str, SliceColumn]:
    """The derived columns that every pack has, by name; as the first pack describes them."""
    others = [{column.column for column in pack.derived} for pack in packs[1:]]
    return {c.column: c for c in packs[0].derived if all(c.column in names for names in others)}


def joined(columns: Sequence[Sequence[str]]) -> Column:
    """One slice for each combination of values.

    What would not be told apart by its name (cut short, or an `&` in a value) gets a digest: two combinations in one
    slice could hide each other's losses.
    """
    whole = Column.of(_UNIT.join(values) for values in zip(*columns, strict=True))
    plain = [value.replace(_UNIT, " & ") for value in whole.values]
    often = Counter(plain)
    names = [
        name
        if often[name] == 1 and len(name) <= _LONGEST
        else f"{name[: _LONGEST - 9]} {hashlib.sha256(value.encode()).hexdigest()[:8]}"
        for name, value in zip(plain, whole.values, strict=True)
    ]
    return Column(names, whole.codes)


def of_statistics(column: SliceColumn, statistics: ItemStatistics) -> Column:
    """Buckets of InputRange or Length."""
    values = statistics.max_abs if column.source is SliceSource.INPUT_RANGE else statistics.length
    return buckets(values.astype(np.float64), column.edges)


def of_confidence(column: SliceColumn, confidence: npt.NDArray[np.float32]) -> Column:
    """Buckets of the baseline's confidence; an item without one is in the first."""
    return buckets(np.nan_to_num(confidence.astype(np.float64), nan=0.0), column.edges or (str(UNSURE),))


def buckets(values: npt.NDArray[np.float64], edges: Sequence[str]) -> Column:
    """The values cut at the edges; without edges into the largest tenth and the rest."""
    if edges:
        borders = np.array([float(edge) for edge in edges])
        names = [f"below {edges[0]}"]
        names += [f"{low} to {high}" for low, high in pairwise(edges)]
        names += [f"{edges[-1]} and above"]
        codes = np.searchsorted(borders, values, side="right")
    else:
        finite = values[np.isfinite(values)]
        border = np.quantile(finite, LARGEST_TENTH, method="inverted_cdf") if finite.size else 0.0
        names = ["rest", "largest tenth"]
        codes = (values > border).astype(np.int64)
    present = np.unique(codes)
    places = np.searchsorted(present, codes)
    return Column([names[code] for code in present.tolist()], places.astype(np.int32))


def check_derivable(plan: EvaluationPlan, column: SliceColumn, statistics: ItemStatistics) -> None:
    """A slice that a pack declares must be there. One that a technique brings may be of no use for these inputs.

    Raises EvaluatorError PackInvalid.
    """
    brought = all(claim.origin == "Technique" for claim in plan.claims if claim.slice_by == column.column)
    values = statistics.max_abs if column.source is SliceSource.INPUT_RANGE else statistics.length
    if not brought and (values < 0).all():
        needed = "floats" if column.source is SliceSource.INPUT_RANGE else "tokens or text"
        raise EvaluatorError(
            Reason.PACK_INVALID,
            f"{', '.join(pack.name for pack in plan.packs)}: slice column {column.column!r} is derived from "
            f"{column.source}, and no input is of {needed}; take it out of the pack's slices",
        )
