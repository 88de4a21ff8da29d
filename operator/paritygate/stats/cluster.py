"""`cluster/1`: the mean loss of all ITEMS, when items come in clusters (one document, one user) that are alike inside.

Items of a cluster are no independent evidence: counted one by one, 5 to a document, wrong passes of 2.5 % become 19 %.
So the unit is the cluster: n items with the losses d_j in [-1, 1], positive = candidate worse. H0: E sum_j (d_j -
margin) >= 0, the claim on the mean item. With no cluster larger than `largest`, preregistered, the factor

    1 + lambda (margin n - sum_j d_j)/largest,  lambda < 1/(1 - margin),

is never negative. It is divided by the largest size and not by the cluster's own, since losses may depend on the size
and the null says only that they are the margin on average over ALL items. (For the mean CLUSTER, give `bounded` each
cluster's mean.) Each cluster has its own bet, that of `flip` from the EARLIER ones; harm is a mixture as in `harm`.

A cluster is recorded as [units, items]: its summed losses in whole units of `bounded`, each item's rounded up.
Waudby-Smith & Ramdas 2024 (JRSS-B 86, section 4).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .bounded import SCALE, UNIT
from .flip import FlipBet, growth_optimal_bet
from .harm import SHARES
from .wealth import Floats, Ints, Wealth, check_fraction, log_mean_exp

CLUSTER_1 = FlipBet(c=50, v0=0.01, batch=1)
"""The bet of a policy that says nothing else: `c` counts clusters, `v0` is of (sum_j d_j / largest)^2."""


@dataclass(frozen=True, slots=True)
class ClusterState(Wealth):
    """The process between two clusters, in either direction. Start one with `ClusterState(pass_threshold(alpha))`, or
    with `harm_threshold(gates)` for harm. `items` counts CLUSTERS, `members` their items; `squares` sums units^2.
    Only harm is a mixture.
    """

    members: int = 0
    squares: int = 0


def log_wealth_path(
    clusters: npt.ArrayLike, margin: float, largest: int, bet: FlipBet = CLUSTER_1, *, harm: bool = False
) -> Floats:
    """Log wealth (..., k) after each of `clusters` (..., k, 2) = [units, items]. Raises ValueError as `advance`."""
    table = _check(clusters, margin, largest)
    if harm:
        return log_mean_exp(np.cumsum(_harm_gains(table, margin, largest), -2))
    return np.cumsum(_gains(table, margin, largest, bet, ClusterState(1.0)), -1)


def advance(
    state: ClusterState,
    clusters: npt.ArrayLike,
    margin: float,
    largest: int,
    bet: FlipBet = CLUSTER_1,
    *,
    harm: bool = False,
) -> ClusterState:
    """The process after `clusters` (k, 2) = [units, items] more; cutting a run changes no bit of the result.

    Raises ValueError naming the value for a margin outside (0, 1), a cluster without items or with more than `largest`,
    or a summed loss beyond its number of items.
    """
    table = _check(clusters, margin, largest)
    ones = np.ones(len(table), np.int64)
    if harm:
        return state.gained(_harm_gains(table, margin, largest), ones)
    moved = state.gained(_gains(table, margin, largest, bet, state), ones)
    units, members = table[:, 0], int(table[:, 1].sum())
    return replace(moved, members=state.members + members, squares=state.squares + int(units @ units))


def _check(clusters: npt.ArrayLike, margin: float, largest: int) -> Ints:
    check_fraction("margin", margin)
    table = np.asarray(clusters)
    if not table.size:
        return np.zeros((0, 2), np.int64)
    if table.ndim < 2 or table.shape[-1] != 2 or table.dtype.kind not in "iu":
        raise ValueError(f"clusters must be whole [units, items], got {table.dtype} of shape {table.shape}")
    units, items = table[..., 0], table[..., 1]
    if (wrong := (items < 1) | (items > largest)).any():
        raise ValueError(f"a cluster must hold 1 to {largest} items, got {items[wrong][0]}")
    if (wrong := np.abs(units) > SCALE * items).any():
        raise ValueError(f"{items[wrong][0]} items can not have lost {units[wrong][0]} units of 1/{SCALE}")
    return table.astype(np.int64, copy=False)


def _gains(table: Ints, margin: float, largest: int, bet: FlipBet, state: ClusterState) -> Floats:
    """Log gain (..., k) of each cluster."""
    units, items = table[..., 0], table[..., 1]
    earlier = state.items + np.arange(units.shape[-1])
    members = state.members + np.cumsum(items, -1) - items
    squares = state.squares + np.cumsum(units * units, -1) - units * units
    size = (members / largest + 8) / (earlier + 8)  # of the largest: as if 8 of those had come before the first
    v = (squares * (UNIT / largest) ** 2 + bet.c * bet.v0) / (earlier + bet.c)
    stake = np.minimum(growth_optimal_bet(v, margin * size), bet.cap / (1 - margin))
    gains: Floats = np.log1p(stake / largest * (margin * items - units * UNIT))
    return gains


def _harm_gains(table: Ints, margin: float, largest: int) -> Floats:
    """Log gains (..., k, 24). d was rounded up, so harm is bet on a unit more than the margin."""
    bar = margin + UNIT
    excess = (table[..., 0] * UNIT - bar * table[..., 1]) / largest
    gains: Floats = np.log1p(SHARES / (1 + bar) * excess[..., None])
    return gains
