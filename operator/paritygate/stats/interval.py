"""What a report prints beside a verdict: an anytime-valid interval and the smallest margin proved. Neither decides."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .flip import FlipBet, log_wealth_path
from .harm import log_harm
from .wealth import Floats, check_counts, check_fraction, pass_threshold

# Finer where margins are usually set: 0.01 points up to 10, 0.1 points above.
MARGIN_GRID = np.concatenate((np.arange(1, 1000) / 10_000, np.arange(100, 1000) / 1000))


def reported_interval(batches: npt.ArrayLike, alpha: float) -> tuple[float, float]:
    """(low, high) for the true loss E d from `batches` (k, 4) = [n10, n01, n11, n00], a look after each batch.

    All losses that the grid mixture rejected at no look so far, in either direction at alpha/2: P(it ever misses the
    truth) <= alpha. Waudby-Smith & Ramdas 2024, section 4.4 (hedged, running intersection). (-1, 1) for no items;
    low > high says that the items were not drawn from one population. Raises ValueError for an alpha outside (0, 1)
    or broken counts.
    """
    threshold = pass_threshold(check_fraction("alpha", alpha) / 2)
    totals = np.cumsum(check_counts(batches, 4), axis=0)
    n10, n01, n0 = totals[:, 0], totals[:, 1], totals[:, 2] + totals[:, 3]
    return (
        -least_rejected(lambda loss: log_harm(n10, n01, n0, -loss), threshold),
        least_rejected(lambda loss: log_harm(n01, n10, n0, -loss), threshold),
    )


def least_rejected(path: Callable[[float], Floats], threshold: float) -> float:
    """The least mean in (-1, 1), to 2^-23, whose log wealth `path` (k,) against "at least this" reached the threshold.

    Each factor 1 + g (m - d)/(1 - m) of a mixture grows with m, so the rejected means are exactly those above one
    value. 1 if none is.
    """
    low, high = -1.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        rejected = path(middle).max(initial=-np.inf) >= threshold
        low, high = (low, middle) if rejected else (middle, high)
    return high


def proven_margin(batches: npt.ArrayLike, bet: FlipBet, alpha: float) -> float | None:
    """The smallest margin m' on `MARGIN_GRID` such that the gate's own bet latches at m' and at every larger one.

    Recomputed from the batch log (k, 4). None if nothing is proved. The chance that it ever claims less than the true
    loss is at most alpha: it would need the test at the grid's last margin below the loss to latch. A passed gate
    prints the smaller of this and its margin. Raises ValueError as `flip.advance`.
    """
    threshold, counts = pass_threshold(alpha), check_counts(batches, 4)
    return smallest_latched(lambda margins, k: log_wealth_path(counts[:k], margins, bet), len(counts), threshold)


def smallest_latched(path: Callable[[Floats, int], Floats], looks: int, threshold: float) -> float | None:
    """The smallest margin on `MARGIN_GRID` that latches, with every larger one, within `looks` looks; None if none.

    `path(margins (g, 1), k)` is the log wealth (g, k) at the first k looks: wide margins latch early, and only those
    that have not yet are followed on.
    """
    proven: float | None = None
    for margins in np.array_split(MARGIN_GRID[::-1], 60):  # downwards, a few at a time: stop at the first not proved
        latched, seen = np.zeros(margins.size, np.bool_), 32
        while not latched.all() and seen < 2 * looks:
            still = margins[~latched]
            latched[~latched] = (path(still[:, None], min(seen, looks)) >= threshold).any(-1)
            seen *= 2
        count = int(latched.argmin()) if not latched.all() else latched.size
        if count:
            proven = float(margins[count - 1])
        if count < latched.size:
            break
    return proven
