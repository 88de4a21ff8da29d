"""What a report prints beside a verdict: an anytime-valid interval and the smallest margin proved. Neither decides."""

import numpy as np
import numpy.typing as npt

from .flip import LOSSES, FlipBet, gains
from .harm import mixture_gains
from .wealth import Floats, Ints, check_counts, check_fraction, log_mean_exp, pass_threshold

# Finer where margins are usually set: 0.01 points up to 10, 0.1 points above.
MARGIN_GRID = np.concatenate((np.arange(1, 1000) / 10_000, np.arange(100, 1000) / 1000))


def reported_interval(batches: npt.ArrayLike, alpha: float, *, losses: Floats = LOSSES) -> tuple[float, float]:
    """(low, high) for the true loss E d from the batches (k, J) of `flip`, of any size, a look after each.

    All losses that the mixture of `harm` rejected at no look so far, in either direction at alpha/2: P(it ever misses
    the truth) <= alpha. Waudby-Smith & Ramdas 2024, section 4.4 (hedged, running intersection). (-1, 1) for no items;
    low > high says that the items were not drawn from one population. Raises ValueError for an alpha outside (0, 1)
    or broken counts.
    """
    threshold = pass_threshold(check_fraction("alpha", alpha) / 2)
    counts = check_counts(batches, losses.shape[-1])
    return -_least_rejected(-losses, counts, threshold), _least_rejected(losses, counts, threshold)


def _least_rejected(values: Floats, counts: Ints, threshold: float) -> float:
    """The least mean in (-1, 1), to 2^-23, against which ("at least this") the mixture reached the threshold.

    Each factor 1 + g (m - d)/(1 - m) of it grows with m, so the rejected means are exactly those above one value. 1 if
    none is.
    """
    low, high = -1.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        logs = np.cumsum(mixture_gains(values, counts, middle), axis=-2)
        near = logs[logs.max(-1) >= threshold]  # a mixture has no more than the best of its bets
        rejected = (log_mean_exp(near) >= threshold).any()
        low, high = (low, middle) if rejected else (middle, high)
    return high


def proven_margin(batches: npt.ArrayLike, bet: FlipBet, alpha: float, *, losses: Floats = LOSSES) -> float | None:
    """The smallest margin m' on `MARGIN_GRID` such that the gate's own bet latches at m' and at every larger one.

    Recomputed from the batches (k, J) of `flip`. None if nothing is proved. The chance that it ever claims less than
    the true loss is at most alpha: it would need the test at the grid's last margin below the loss to latch. A passed
    gate prints the smaller of this and its margin. Raises ValueError as `flip.gains`.
    """
    threshold, counts, proven = pass_threshold(alpha), check_counts(batches, losses.shape[-1]), None
    values = np.broadcast_to(losses, counts.shape)
    for margins in np.array_split(MARGIN_GRID[::-1], 60):  # downwards, a few at a time: stop at the first not proved
        latched, seen = np.zeros(margins.size, np.bool_), 32
        while not latched.all() and seen < 2 * len(counts):  # wide margins latch early: follow the others on
            still = margins[~latched, None]
            path = gains(counts[:seen], still, bet, losses=values[:seen]).path()
            latched[~latched] = (path >= threshold).any(-1)
            seen *= 2
        count = latched.size if latched.all() else int(latched.argmin())
        if count:
            proven = float(margins[count - 1])
        if count < latched.size:
            break
    return proven
