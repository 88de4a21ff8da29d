"""`gap/2`: a second construction of the process for a gap between two groups, from what is said of it.

One sign of the growth: the gap reaches the margin only if BOTH parts do, losses (h loses more than g) and sums (g is
ahead in both models together); it stays within if ONE part does. A part says "E first - E second >= bound"; for a
guess pi of E second, first is bet to stay below pi + bound and second to exceed pi. Equal losses are bet on by the bet
of `flip` around the mean that earlier batches show; all else by a mixture of fixed pairs of stakes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .bets import CAP, PRIOR_ITEMS, stake

Batch = Sequence[Sequence[int]]
"""[[n10, n01, n11, n00] of g, the same of h]."""

LOSSES, SUMS = np.array([1.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, -1.0])
PRIOR, ON_LOSSES, CELLS, ALMOST = 0.02, 0.9, 100, 1 - 1e-9
PAIRS = [(size, size * k) for size in (0.03, 0.06, 0.12, 0.25, 0.45) for k in (0.6, 1, 1.6)]
PAIRS += [(0.1, 0), (0.3, 0), (0, 0.1), (0, 0.3)]
"""Stakes on first and second."""


@dataclass(frozen=True, slots=True)
class Part:
    """H0: E first - E second >= bound."""

    values: np.ndarray
    first: int
    bound: float
    guesses: np.ndarray
    learns: bool


def _near_zero(margin: float, last: float) -> np.ndarray:
    """A sixth of the margin apart near 0, an eighth of themselves further out."""
    out = [0.0]
    while out[-1] < last:
        out.append(min(last, out[-1] + max(margin / 6, out[-1] / 8)))
    return np.array([-one for one in out[:0:-1]] + out)


def _parts(margin: float, sign: int, harm: bool) -> list[Part]:
    """[losses, sums] of the growth towards g (`sign` 0) or h (1)."""
    bound = -margin if harm else margin
    first = sign if harm else 1 - sign
    near = _near_zero(margin, 1.0)
    wide = np.linspace(-1.0, 1.0 - max(bound, 0.0), CELLS + 1)
    return [
        Part(LOSSES, first, bound, near, learns=not harm),
        Part(SUMS, 1 - first, bound, wide, learns=False),
    ]


def _believed(part: Part, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of both groups, drawn towards 0, and the spread of each around it."""
    items, sums, squares = seen.sum(1), seen @ part.values, seen @ part.values**2
    means = np.full(2, sums.sum() / (items.sum() + PRIOR_ITEMS))
    off = squares - 2 * means * sums + items * means**2
    return means, (off + PRIOR_ITEMS * PRIOR) / (items + PRIOR_ITEMS)


def _bets(part: Part, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stakes of first and second in each cell of guesses, chosen at its middle and safe at its ends."""
    means, spreads = _believed(part, seen)
    low, high = part.guesses[:-1], part.guesses[1:]
    first, second = [], []
    for a, b in zip(low, high, strict=True):
        over = (a + b) / 2 + part.bound - means[part.first]
        under = means[1 - part.first] - (a + b) / 2
        most = CAP / max(1 - a - part.bound, 1e-12)
        first.append(min(stake(spreads[part.first], min(over, ALMOST)), most) if over > 0 else 0.0)
        second.append(min(stake(spreads[1 - part.first], min(under, ALMOST)), CAP / (1 + b)) if under > 0 else 0.0)
    return np.array(first), np.array(second)


def _mixture(part: Part, batches: Sequence[np.ndarray]) -> Iterator[float]:
    """Log wealth of the pairs that no item can ruin, in equal parts: at the worst guess."""
    logs = []
    for first, second in PAIRS:
        below = 1 + first * (part.guesses[:, None] + part.bound - part.values)
        above = 1 + second * (part.values - part.guesses[:, None])
        if min(below.min(), above.min()) > 1e-6:
            both = (np.log(below), np.log(above)) if part.first == 0 else (np.log(above), np.log(below))
            logs.append(np.hstack(both))
    total = np.zeros((2, 4))
    for batch in batches:
        total = total + batch
        ends = np.array(logs) @ total.ravel()
        worse = np.minimum(ends[:, :-1], ends[:, 1:])
        top = worse.max(0)
        yield float((top + np.log(np.exp(worse - top).mean(0))).min())


def _path(part: Part, batches: Sequence[np.ndarray]) -> Iterator[float]:
    """Log wealth of a part: at the worst guess."""
    if not part.learns:
        yield from _mixture(part, batches)
        return
    seen = np.zeros((2, 4))
    ends = np.stack([part.guesses[:-1], part.guesses[1:]])[..., None]
    logs = np.zeros(ends.shape[:2])
    for batch in batches:
        first, second = (bets[None, :, None] for bets in _bets(part, seen))
        below = np.log1p(first * (ends + part.bound - part.values)) @ batch[part.first]
        above = np.log1p(second * (part.values - ends)) @ batch[1 - part.first]
        logs = logs + below + above
        seen = seen + batch
        yield float(logs.min())


def signs(batches: Sequence[Batch], margin: float, harm: bool) -> list[tuple[float, float]]:
    """Log wealth of both signs after each batch: for a pass each bets on either part, for harm on the weaker one."""
    counts = [np.array(batch, float) for batch in batches]
    both = []
    for sign in (0, 1):
        paths = [_path(part, counts) for part in _parts(margin, sign, harm)]
        if harm:
            both.append([min(pair) for pair in zip(*paths, strict=True)])
        else:
            both.append(
                [
                    float(np.logaddexp(math.log(ON_LOSSES) + losses, math.log(1 - ON_LOSSES) + sums))
                    for losses, sums in zip(*paths, strict=True)
                ]
            )
    return list(zip(*both, strict=True))


def growth(batches: Sequence[Batch]) -> float | None:
    """By how much the gap grew in what was counted; None while a group has no items."""
    total = np.array(batches).sum(0) if len(batches) else np.zeros((2, 4))
    items = total.sum(1)
    if not items.all():
        return None
    baseline, candidate = ((total[:, 2] + total[:, column]) / items for column in (0, 1))
    return float(abs(candidate[0] - candidate[1]) - abs(baseline[0] - baseline[1]))
