"""`grid24/1`: proof that the candidate is worse than its margin, the mirror image of the pass.

H0': E d <= margin. An equal mixture of 24 fixed bets, so it depends on the total counts alone and there is no bet to
predict. Mixtures of betting wealth: Waudby-Smith & Ramdas 2024 (JRSS-B 86, section 4.4); Howard et al. 2021 (AoS 49).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .wealth import Floats, Wealth, check_counts, check_fraction, check_run, log_mean_exp

SHARES = np.geomspace(0.02, 0.999, 24)  # of the largest bet that cannot go bankrupt


@dataclass(frozen=True, slots=True)
class HarmState(Wealth):
    """The process between two looks. Start one with `HarmState(harm_threshold(gates))`. Totals as in `flip`."""

    n10: int = 0
    n01: int = 0


def log_harm(n10: npt.ArrayLike, n01: npt.ArrayLike, n0: npt.ArrayLike, margin: npt.ArrayLike) -> Floats:
    """Log wealth against `E d <= margin` after the given TOTAL counts of d = +1, -1 and 0.

    All arguments broadcast. `margin` in (-1, 1): the mirror `log_harm(n01, n10, n0, -margin)` bets against
    `E d >= margin`, which is the pass side of the reported interval. Raises ValueError outside that range.
    """
    m = np.asarray(margin, np.float64)[..., None]
    if not (np.abs(m) < 1).all():
        raise ValueError(f"margin must lie strictly between -1 and 1, got {margin!r}")
    stakes = SHARES / (1 + m)
    return log_mean_exp(
        np.asarray(n10)[..., None] * np.log1p(stakes * (1 - m))
        + np.asarray(n01)[..., None] * np.log1p(-stakes * (1 + m))
        + np.asarray(n0)[..., None] * np.log1p(-stakes * m)
    )


def log_harm_path(batches: npt.ArrayLike, margin: float) -> Floats:
    """Log wealth (..., k) after each batch of `batches` (..., k, 4) = [n10, n01, n11, n00]; errors as `advance`."""
    check_fraction("margin", margin)
    totals = np.cumsum(check_counts(batches, 4), axis=-2)
    return log_harm(totals[..., 0], totals[..., 1], totals[..., 2] + totals[..., 3], margin)


def advance(state: HarmState, batches: npt.ArrayLike, margin: float) -> HarmState:
    """The process after a look behind each of `batches` (k, 4) = [n10, n01, n11, n00], of any size.

    Raises ValueError naming the value for a margin outside (0, 1), negative or fractional counts.
    """
    check_fraction("margin", margin)
    counts = check_run(batches, 4)
    n10 = state.n10 + np.cumsum(counts[:, 0])
    n01 = state.n01 + np.cumsum(counts[:, 1])
    items = state.items + np.cumsum(counts.sum(-1))
    moved = state.after(log_harm(n10, n01, items - n10 - n01, margin), items)
    return replace(moved, n10=state.n10 + int(counts[:, 0].sum()), n01=state.n01 + int(counts[:, 1].sum()))
