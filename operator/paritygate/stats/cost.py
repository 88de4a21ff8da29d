"""Cost per success: the ratio of `ratio` whose items are no cells but costs and successes, recorded in whole units."""

from itertools import product
from math import isfinite

import numpy as np
import numpy.typing as npt

from .ratio import RatioMetric
from .wealth import Floats, Ints

COST_UNITS = 1024
"""A cost is recorded in whole units of cap / 1024."""


def cost_per_success(theta_max: float = 1.0) -> RatioMetric:
    """Cost / cap over successes, less is better; items have rows from `cost_rows`, anywhere in [0, 1]^4.

    `theta_max` bounds the baseline's cost per success as a share of the cap: choose the cap so that 1 does.
    """
    corners = tuple((a_b, b_b, a_c, b_c) for a_b, b_b, a_c, b_c in product((0.0, 1.0), repeat=4))
    return RatioMetric(corners, more_is_better=False, theta_max=theta_max)


def cost_units(costs: npt.ArrayLike, cap: float) -> Ints:
    """The record of `costs` >= 0, of any shape: whole units of cap / 1024, rounded DOWN, 0 .. 1023.

    A cost at or above the cap counts as the cap: the claim is about costs so limited. Raises ValueError naming the
    first cost that is negative or NaN, or a cap that is not positive.
    """
    if not (isfinite(cap) and cap > 0):
        raise ValueError(f"cap must be positive, got {cap}")
    values = np.asarray(costs, np.float64)
    if (wrong := ~(values >= 0)).any():
        raise ValueError(f"a cost must not be negative, got {values[wrong][0]}")
    units: Ints = np.floor(np.minimum(values / cap * COST_UNITS, COST_UNITS - 1)).astype(np.int64)
    return units


def cost_rows(recorded: npt.ArrayLike, *, harm: bool = False) -> Floats:
    """Rows (J, 4) for `ratio.log_e` from records (J, 4) = [units_B, success_B, units_C, success_C].

    A recorded unit stands for the costs up to the next: for a pass the candidate is charged the most and the baseline
    the least, for harm the reverse, so rounding never helps the claim. Raises ValueError for units outside 0 .. 1023
    or successes other than 0 and 1.
    """
    table = np.asarray(recorded)
    if table.ndim != 2 or table.shape[1] != 4 or table.dtype.kind not in "iu":
        raise ValueError(f"records must be whole numbers of shape (J, 4), got {table.dtype} of shape {table.shape}")
    for column, most in enumerate((COST_UNITS - 1, 1, COST_UNITS - 1, 1)):
        if (wrong := (table[:, column] < 0) | (table[:, column] > most)).any():
            raise ValueError(f"column {column} of a record must be 0 to {most}, got {table[wrong, column][0]}")
    rows = table.astype(np.float64)
    rows[:, 0 if harm else 2] += 1
    rows[:, [0, 2]] /= COST_UNITS
    return rows
