"""Latency ratios and the A/A control, section 9: a profile over every guess of the baseline's quantile."""

import base64
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

# Fewer bets than the document has, on purpose: the 17 that the latency process says it bets.
SIZES, HEDGES, ALONE = (0.2, 0.4, 0.9), (0.0, 0.15, -0.15, 0.7, -0.8), (5.0, -0.9)
CORNER, ROUND, EVEN = 0.01, 50, 10
STAKES = (1.0, 1.0, 0.7, 0.4)
NAMES = ("baseline", "candidate")


def decode(text: str) -> np.ndarray:
    """(blocks, 4) in ns: two times of the first model, two of the second."""
    return np.frombuffer(base64.b64decode(text), "<i8").reshape(-1, 4).astype(float)


def dithered(times: np.ndarray, seed: bytes, place: str) -> np.ndarray:
    """Plus U(0, one tick of the clock), drawn by lot: with ties the level of the quantile is not p."""
    stream = hashlib.shake_256(seed + f"dither/{place}".encode()).digest(8 * times.size)
    return times + ((np.frombuffer(stream, ">u8") >> np.uint64(11)) / 2**53).reshape(times.shape)


def looks(blocks: int, most: int) -> list[int]:
    """Where a round of fresh processes ends: ten of 50, then an eighth of all before; the last has the rest."""
    found = [ROUND]
    while found[-1] <= most:
        found.append(found[-1] + (ROUND if len(found) < EVEN else found[-1] // 8))
    # What is left for a last round that would be cut short belongs to the one before it.
    return [end for end in (*found[:-2], most) if end <= blocks]


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


def order_statistic(values: np.ndarray, quantile: float) -> float:
    """The smallest value that is not exceeded by a share of `quantile` of them at least."""
    ranked = np.sort(values, axis=None)
    return float(ranked[max(0, math.ceil(quantile * len(ranked) - 1e-9) - 1)])


def log_rounds(kept: Sequence[bool]) -> float:
    """The largest log wealth so far of bets, of stakes fixed beforehand, that most rounds keep the limit."""
    bets, wealth = [1.0] * len(STAKES), [1.0]
    for one in kept:
        bets = [bet * (1 + stake if one else 1 - stake) for bet, stake in zip(bets, STAKES, strict=True)]
        wealth.append(sum(bets) / len(bets))
    return math.log(max(wealth))


@dataclass(frozen=True, slots=True)
class Ratio:
    """ "The second's quantile is at most `limit` times the first's", and what its dither is drawn from."""

    quantile: float
    limit: float
    most: int
    seed: bytes

    def path(self, blocks: np.ndarray, sign: int, swap: bool = False) -> Iterator[tuple[int, float]]:
        """(blocks, log wealth) at each look, of calls or of rounds, whichever is less; `swap` exchanges the models."""
        places = [blocks[:, :2], blocks[:, 2:]][:: -1 if swap else 1]
        first, second = (dithered(one, self.seed, name) for one, name in zip(places, NAMES, strict=True))
        start, kept = 0, []
        for n in looks(len(blocks), self.most):
            one, two = (order_statistic(times[start:n], self.quantile) for times in (first, second))
            kept.append(sign * two <= sign * self.limit * one)
            start = n
            yield n, min(log_e(first[:n], second[:n], self.quantile, self.limit, sign), log_rounds(kept))


def latch(steps: Iterable[tuple[int, float]], threshold: float) -> int | None:
    """The first look at which the side closed."""
    return next((n for n, wealth in steps if wealth >= threshold), None)


def control_state(blocks: np.ndarray, ratio: Ratio, alpha: float, alpha_fail: float) -> str:
    """Quiet, Noisy or Biased: the baseline in both places, judged at the strictest ratio with some slack."""
    alike, near = replace(ratio, limit=1.0), replace(ratio, limit=max(ratio.limit, 1.05))
    if any(latch(alike.path(blocks, -1, swap), math.log(2 / alpha_fail)) for swap in (False, True)):
        return "Biased"
    quiet = all(latch(near.path(blocks, 1, swap), math.log(1 / alpha)) for swap in (False, True))
    return "Quiet" if quiet else "Noisy"
