"""Latency ratios and the A/A control, section 9: a profile over every guess of the baseline's quantile.

Times without ties need no dither; with ties the record's draw by lot would have to be repeated, which is not done here.
"""

import base64
import math
from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

# Fewer bets than the document has, on purpose: the 17 that the latency process says it bets.
SIZES, HEDGES, ALONE = (0.2, 0.4, 0.9), (0.0, 0.15, -0.15, 0.7, -0.8), (5.0, -0.9)
CORNER, FIRST_LOOK = 0.01, 50


def decode(text: str) -> np.ndarray:
    """(blocks, 4) in ns: two times of the first model, two of the second."""
    return np.frombuffer(base64.b64decode(text), "<i8").reshape(-1, 4).astype(float)


def looks(blocks: int) -> list[int]:
    """From 50 on, each a tenth more than the last, and one at the end."""
    found, at = [], FIRST_LOOK
    while at < blocks:
        found.append(at)
        at = at * 11 // 10
    return [*found, blocks] if blocks else []


@cache
def _payoffs(quantile: float, sign: int) -> np.ndarray:
    """log Y of the cells (i, j) and of every bet that no corner ruins: (9, bets), cell 3 i + j."""
    tail = 1 - quantile
    bets = [(size, hedge) for size in SIZES for hedge in HEDGES] + [(0.0, hedge) for hedge in ALONE]
    rows = []
    for size, hedge in bets:
        lean = sign * size
        corners = (
            1 - hedge * tail,
            1 + hedge * quantile,
            1 - lean - hedge * tail,
            1 + lean + hedge * quantile,
        )
        if min(corners) > CORNER:
            rows.append([math.log(1 - lean * (j - i) / 2 + hedge * (i / 2 - tail)) for i in range(3) for j in range(3)])
    return np.array(rows).T


def log_e(first: np.ndarray, second: np.ndarray, quantile: float, ratio: float, sign: int) -> float:
    """Log wealth for (`sign` +1) or against (-1) "the second's quantile is at most `ratio` times the first's"."""
    scaled = second / ratio
    times = np.concatenate([first.ravel(), scaled.ravel()])
    guesses = np.unique(np.append(times, times.min() - 1.0))[:, None, None]
    above_first, above_second = (first > guesses).sum(2), (scaled > guesses).sum(2)
    cells = 3 * above_first + above_second
    counts = np.stack([(cells == cell).sum(1) for cell in range(9)], 1)
    wealth = counts @ _payoffs(quantile, sign)
    top = wealth.max(1, keepdims=True)
    return float((top[:, 0] + np.log(np.exp(wealth - top).mean(1))).min())


def path(
    blocks: np.ndarray, quantile: float, ratio: float, sign: int, swap: bool = False
) -> Iterator[tuple[int, float]]:
    """(blocks, log wealth) at each look; `swap` exchanges the two models."""
    first, second = blocks[:, :2], blocks[:, 2:]
    if swap:
        first, second = second, first
    for n in looks(len(blocks)):
        yield n, log_e(first[:n], second[:n], quantile, ratio, sign)


def latch(steps: Iterable[tuple[int, float]], threshold: float) -> int | None:
    """The first look at which the side closed."""
    return next((n for n, wealth in steps if wealth >= threshold), None)


def control_state(blocks: np.ndarray, quantile: float, limit: float, alpha: float, alpha_fail: float) -> str:
    """Quiet, Noisy or Biased: the baseline in both places."""
    if any(latch(path(blocks, quantile, 1.0, -1, swap), math.log(2 / alpha_fail)) for swap in (False, True)):
        return "Biased"
    quiet = (latch(path(blocks, quantile, max(limit, 1.05), 1, swap), math.log(1 / alpha)) for swap in (False, True))
    return "Quiet" if all(quiet) else "Noisy"
