"""`grid24/1`: proof that the candidate is worse than its margin, the mirror image of the pass.

H0': E d <= margin, for the d and the batches of `flip`. An equal mixture of 24 fixed bets, so its wealth depends on
the total counts alone and there is no bet to predict. Mixtures of betting wealth: Waudby-Smith & Ramdas 2024 (JRSS-B
86, section 4.4); Howard et al. 2021 (AoS 49).
"""

import numpy as np
import numpy.typing as npt

from .flip import LOSSES
from .wealth import Floats, Gains, Ints, check_counts, check_fraction, log_gains, log_mean_exp

SHARES = np.geomspace(0.02, 0.999, 24)  # of the largest bet that cannot go bankrupt


def mixture_gains(values: Floats, counts: Ints, mean: npt.ArrayLike) -> Floats:
    """Log gains (..., k, 24) of the bets against "the mean of the values is at least `mean`", which lies in (-1, 1).

    `values` (..., J) and `counts` (..., k, J) as for `log_gains`; `mean` broadcasts against (..., k).
    """
    m = np.asarray(mean, np.float64)[..., None]
    return log_gains(values[..., None, :], counts[..., None, :], m, SHARES / (1 - m))


def log_harm(n10: npt.ArrayLike, n01: npt.ArrayLike, n0: npt.ArrayLike, margin: float) -> Floats:
    """Log wealth against `E d <= margin` after the given TOTAL counts of d = +1, -1 and 0, which broadcast.

    `margin` in (-1, 1): the mirror `log_harm(n01, n10, n0, -margin)` bets against `E d >= margin`, which is the pass
    side of the reported interval. Raises ValueError outside that range.
    """
    if not abs(margin) < 1:
        raise ValueError(f"margin must lie strictly between -1 and 1, got {margin}")
    totals = np.stack(np.broadcast_arrays(n10, n01, n0), axis=-1)
    return log_mean_exp(mixture_gains(-LOSSES[:3], totals, -margin))


def gains(batches: npt.ArrayLike, margin: float) -> Gains:
    """What `batches` (..., k, 4) = [n10, n01, n11, n00], of any size, gain, a look behind each.

    Raises ValueError naming the value for a margin outside (0, 1), negative or fractional counts.
    """
    counts = check_counts(batches, 4)
    return Gains(mixture_gains(-LOSSES, counts, -check_fraction("margin", margin)), counts.sum(-1))
