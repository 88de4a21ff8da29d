"""E-processes over counts, written from the statistics document alone, one batch after another.

A side of a gate is a function from its batches to the log wealth after each of them. Natural logarithms throughout.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache

import numpy as np

Losses = Sequence[tuple[float, int]]
"""What one batch showed: (loss d, how many items had it)."""

PRIOR_ITEMS, CAP, LOCKED_CAP, BETS = 200.0, 0.999, 0.95, 24
SHARES = tuple(0.02 * (0.999 / 0.02) ** (k / (BETS - 1)) for k in range(BETS))


def stake(flips: float, margin: float) -> float:
    """lstar: the positive root of m (1 - m^2) l^2 + (v - 2 m^2) l - m = 0."""
    half = flips - 2 * margin * margin
    root = math.sqrt(half * half + 4 * margin * margin * (1 - margin * margin))
    if half > 0:
        return 2 * margin / (half + root)
    return (root - half) / (2 * margin * (1 - margin * margin))


def log_mean(logs: Iterable[float]) -> float:
    """log of the mean of exp."""
    logs = list(logs)
    top = max(logs)
    if math.isinf(top):
        return top
    return top + math.log(math.fsum(math.exp(one - top) for one in logs) / len(logs))


def flip(batches: Iterable[Losses], margin: float, prior: float) -> Iterator[float]:
    """`flip/1`, section 2: one stake a batch, from the squares of the losses in earlier ones."""
    seen, squares, wealth = 0, 0.0, 0.0
    for batch in batches:
        mean_square = (squares + PRIOR_ITEMS * prior) / (seen + PRIOR_ITEMS)
        bet = min(stake(mean_square, margin), CAP / (1 - margin))
        wealth += math.fsum(count * math.log1p(bet * (margin - loss)) for loss, count in batch)
        seen += sum(count for _, count in batch)
        squares += math.fsum(count * loss * loss for loss, count in batch)
        yield wealth


def grid(batches: Iterable[Losses], margin: float) -> Iterator[float]:
    """`grid24/1`, section 2: the mirror, an equal mixture of 24 bets on total counts."""
    bets = [share / (1 + margin) for share in SHARES]
    gains: dict[float, list[float]] = {}
    logs = [0.0] * BETS
    for batch in batches:
        for loss, count in batch:
            if count:
                if loss not in gains:
                    gains[loss] = [math.log1p(bet * (loss - margin)) for bet in bets]
                logs = [log + count * one for log, one in zip(logs, gains[loss], strict=True)]
        yield log_mean(logs)


def rate(batches: Iterable[tuple[int, int]], limit: float) -> Iterator[float]:
    """`rate/1`, section 2, over (hits, misses)."""
    hits_seen, seen, wealth = 0, 0, 0.0
    for hits, misses in batches:
        believed = min(limit, (hits_seen + PRIOR_ITEMS * limit / 2) / (seen + PRIOR_ITEMS))
        bet = (limit - believed) / (limit * (1 - limit))
        wealth += hits * math.log1p(-bet * (1 - limit)) + misses * math.log1p(bet * limit)
        hits_seen, seen = hits_seen + hits, seen + hits + misses
        yield wealth


def mean_rate(batches: Iterable[Losses], limit: float) -> Iterator[float]:
    """`rate/1` over shares of hits: the same stake, of the mean share in earlier batches."""
    seen, shares, wealth = 0, 0.0, 0.0
    for batch in batches:
        believed = min(limit, (shares + PRIOR_ITEMS * limit / 2) / (seen + PRIOR_ITEMS))
        bet = (limit - believed) / (limit * (1 - limit))
        wealth += math.fsum(count * math.log1p(bet * (limit - share)) for share, count in batch)
        seen += sum(count for _, count in batch)
        shares += math.fsum(share * count for share, count in batch)
        yield wealth


def allowed_loss(population: int, margin: str) -> int:
    """Net losses of the full set that already break the margin: ceil(N m), exactly."""
    return math.ceil(population * Fraction(margin))


def locked_flip(batches: Iterable[Losses], population: int, allowed: int, prior: float) -> Iterator[float]:
    """Section 5: the bet of `flip` against the mean that the unseen rest would need; certain when it cannot."""
    seen = lost = squares = 0
    wealth = 0.0
    for batch in batches:
        needed = Fraction(allowed - lost, population - seen)
        if 0 < needed < 1:
            mean = float(needed)
            mean_square = (squares + PRIOR_ITEMS * prior) / (seen + PRIOR_ITEMS)
            bet = min(stake(mean_square, mean), LOCKED_CAP / (1 - mean))
            wealth += math.fsum(count * math.log1p(bet * (mean - loss)) for loss, count in batch)
        seen += sum(count for _, count in batch)
        lost += sum(int(loss) * count for loss, count in batch)
        squares += sum(int(loss * loss) * count for loss, count in batch)
        if allowed - lost > population - seen:
            wealth = math.inf
        yield wealth


def locked_grid(batches: Iterable[Losses], population: int, allowed: int) -> Iterator[float]:
    """Section 5, the harm side: 24 running logs against at most `allowed` - 1 net losses of the full set."""
    seen = lost = 0
    logs = [0.0] * BETS
    for batch in batches:
        bound = Fraction(allowed - 1 - lost, population - seen)
        if -1 < bound < 1:
            mean = float(bound)
            for k, share in enumerate(SHARES):
                bet = share / (1 + mean)
                logs[k] += math.fsum(count * math.log1p(bet * (loss - mean)) for loss, count in batch)
        seen += sum(count for _, count in batch)
        lost += sum(int(loss) * count for loss, count in batch)
        if allowed - 1 - lost < seen - population:
            logs = [math.inf] * BETS
        yield log_mean(logs)


STEPS = 201
SIZES, FACTORS, ALONE = (0.1, 0.2, 0.35, 0.5, 0.7), (1, 0.97, 1.03, 0.8, 1.2), (0.25, -0.25, 0.5, -0.5, 0.9, -0.9)
FINEST = (0.03, 1)
Row = tuple[float, float, float, float]


def ratio_row(cell: int, metric: str, beta: float) -> Row:
    """(a_B, b_B, a_C, b_C) of the cell 4 y + 2 yB + yC, section 7."""
    label = cell >> 2

    def part(answer: int) -> tuple[float, float]:
        both = float(label * answer)
        if metric == "Precision":
            return both, float(answer)
        if metric == "FBeta":
            return both, (beta * beta * label + answer) / (1 + beta * beta)
        return both, label + answer - both

    return (*part(cell >> 1 & 1), *part(cell & 1))


@cache
def _ratio_logs(rows: tuple[Row, ...], margin: float, towards: int) -> np.ndarray:
    """log X(pi) of every bet, guess and cell; `towards` +1 bets for the claim and -1 against it."""
    pairs = [*((size, factor) for size in SIZES for factor in FACTORS), FINEST]
    hedged = [(towards * size, -towards * size * factor) for size, factor in pairs]
    guess = np.linspace(0, 1, STEPS)[:, None]
    a_base, b_base, a_cand, b_cand = np.array(rows).T
    kept = []
    for size, hedge in [*hedged, *((0.0, one) for one in ALONE)]:
        payoff = 1 + size * (a_cand - (guess - margin) * b_cand) + hedge * (a_base - guess * b_base)
        if payoff.min() > 1e-6:
            kept.append(np.log(payoff))
    return np.array(kept)


def profile(batches: Iterable[Sequence[int]], rows: tuple[Row, ...], margin: float, towards: int) -> Iterator[float]:
    """Section 8: the smallest cell of guesses, of the mean over bets of the smaller end."""
    logs = _ratio_logs(rows, margin, towards)
    total = np.zeros(len(rows))
    for batch in batches:
        total += batch
        wealth = logs @ total
        cells = np.minimum(wealth[:, :-1], wealth[:, 1:])
        top = cells.max(0)
        yield float((top + np.log(np.exp(cells - top).mean(0))).min())
