"""`gap/1`: a second construction of the process for a gap between two groups, from what is said of it.

One sign of the growth: the gap reaches the margin only if BOTH parts do, losses (h loses more than g) and sums (g is
ahead in both models together); it stays within if ONE part does. A part says "E first - E second >= bound"; for a
guess pi of E second, first is bet to stay below pi + bound and second to exceed pi, each by the bet of `flip` around
the mean believed from earlier batches.
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
CAREFUL = 0.5
"""The cap of bets that have to learn each group's own mean."""


@dataclass(frozen=True, slots=True)
class Part:
    """H0: E first - E second >= bound."""

    values: np.ndarray
    first: int
    bound: float
    guesses: np.ndarray
    prior_items: float
    prior: float
    cap: float
    pooled: bool


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
        Part(LOSSES, first, bound, near, PRIOR_ITEMS, PRIOR, CAREFUL if harm else CAP, pooled=not harm),
        Part(SUMS, 1 - first, bound, wide, 50.0, 0.3, CAREFUL, pooled=False),
    ]


def _believed(part: Part, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of each group: the mean drawn towards that of both, which is drawn towards 0."""
    items, sums, squares = seen.sum(1), seen @ part.values, seen @ part.values**2
    both = sums.sum() / (items.sum() + part.prior_items)
    means = (sums + part.prior_items * both) / (items + part.prior_items)
    if part.pooled:
        means = np.array([both, both])
    off = squares - 2 * means * sums + items * means**2
    return means, (off + part.prior_items * part.prior) / (items + part.prior_items)


def _bets(part: Part, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stakes of first and second in each cell of guesses, chosen at its middle and safe at its ends."""
    means, spreads = _believed(part, seen)
    low, high = part.guesses[:-1], part.guesses[1:]
    first, second = [], []
    for a, b in zip(low, high, strict=True):
        over = (a + b) / 2 + part.bound - means[part.first]
        under = means[1 - part.first] - (a + b) / 2
        most = part.cap / max(1 - a - part.bound, 1e-12)
        first.append(min(stake(spreads[part.first], min(over, ALMOST)), most) if over > 0 else 0.0)
        second.append(min(stake(spreads[1 - part.first], min(under, ALMOST)), part.cap / (1 + b)) if under > 0 else 0.0)
    return np.array(first), np.array(second)


def _path(part: Part, batches: Sequence[np.ndarray]) -> Iterator[float]:
    """Log wealth of a part: at the worst guess."""
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
