"""Ratios of means: precision, F-beta and Jaccard of a class, compared with the baseline's own ratio.

Items are counted by kind, 4 y + 2 y_B + y_C: the label and what both models say about the class. A kind has a row
(a_B, b_B, a_C, b_C) in [0, 1]: numerator and denominator of baseline and candidate; theta = E a / E b. H0: the
candidate's theta is smaller than the baseline's by the margin or more. theta_B is unknown. For a guess pi of it the
payoff of a bet (l1 >= 0, l2) is

    X(pi) = 1 + l1 (a_C - (pi - margin) b_C) + l2 (a_B - pi b_B),

whose expectation is at most 1 under H0 at pi = theta_B. The evidence is the SMALLEST wealth over all pi of an equal
mixture of fixed bets, so Ville holds for it at the true pi, and it depends on total counts alone. Proof of harm bets
against H0', worse by no more than the margin, with -l1 and -l2.

The log wealth of one bet is concave in pi, a sum of logs of linear functions, so between two neighbouring guesses it
is at least the smaller end: the mixture of the smaller ends bounds the wealth from below, and a finite grid is exact.

The profile is our own construction; betting and mixtures: Waudby-Smith & Ramdas 2024 (JRSS-B 86, sections 4.2, 4.4).
Everywhere `margin` is absolute, in (0, 1), on the scale of theta, and ValueError names another one, an alpha outside
(0, 1), or counts that are negative, fractional or not of 8 kinds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import isfinite

import numpy as np
import numpy.typing as npt

from .wealth import Floats, Ints, check_counts, check_fraction, log_mean_exp, pass_threshold

KINDS = 8

# l2 close to -l1 cancels what both models share. The smallest stake is for margins of a quarter point, which the others
# overbid (they never proved them); it costs margins of one to three points 1 % of their items (simulated).
_BETS = [(l1, -l1 * k) for l1 in (0.1, 0.2, 0.35, 0.5, 0.7) for k in (1, 0.97, 1.03, 0.8, 1.2)] + [(0.03, -0.03)]
_LEVELS = [(0.0, l2) for l2 in (-0.9, -0.5, -0.25, 0.25, 0.5, 0.9)]  # on the baseline alone: they ruin a far guess
_SMALLEST_PAYOFF = 1e-6
_GUESSES = np.linspace(0, 1, 201)
_LOOKS_AT_ONCE = 128  # bounds memory: a look holds one number per guess and bet
_LOOKS_WORKED_OUT = 16
_FINEST, _STEP, _SLACK = 0.0005, 0.001, 1e-9


@dataclass(frozen=True, slots=True)
class RatioMetric:
    """A preregistered ratio: the row (a_B, b_B, a_C, b_C) of each of the 8 kinds of item."""

    rows: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class RatioState:
    """The process between two looks. Start one with `RatioState(pass_threshold(alpha))`, or with
    `harm_threshold(gates)` for harm. `totals` are the counts so far, `latched_at` the items of the first look at which
    log wealth had reached `threshold`.
    """

    threshold: float
    totals: tuple[int, ...] = (0,) * KINDS
    latched_at: int | None = None

    @property
    def items(self) -> int:
        """Items counted."""
        return sum(self.totals)


def precision() -> RatioMetric:
    """TP / PP."""
    return _confusion(lambda y, said: (y * said, said))


def f_beta(beta: float = 1.0) -> RatioMetric:
    """(1 + beta^2) TP / (beta^2 P + PP), as TP over a mean in [0, 1]. Raises ValueError unless beta is positive."""
    if not (isfinite(beta) and beta > 0):
        raise ValueError(f"beta must be positive, got {beta}")
    weight = beta * beta
    return _confusion(lambda y, said: (y * said, (weight * y + said) / (1 + weight)))


def jaccard() -> RatioMetric:
    """TP / (P + PP - TP)."""
    return _confusion(lambda y, said: (y * said, y + said - y * said))


def log_e(metric: RatioMetric, totals: npt.ArrayLike, margin: float, *, harm: bool = False) -> Floats:
    """Log wealth (...) after `totals` (..., 8) items in all, for a pass or for harm."""
    counts, table = check_counts(np.asarray(totals)[..., None, :], KINDS), _table(metric, margin, harm)
    flat = counts.reshape(-1, KINDS)
    parts = [_smallest(flat[i : i + _LOOKS_AT_ONCE], table) for i in range(0, len(flat), _LOOKS_AT_ONCE)]
    return np.concatenate([np.zeros(0), *parts]).reshape(counts.shape[:-2])


def profile(metric: RatioMetric, totals: npt.ArrayLike, margin: float, theta: float, *, harm: bool = False) -> Floats:
    """Log wealth (...) at ONE guess `theta` in [0, 1] of the baseline's ratio: an upper bound of `log_e`."""
    if not 0 <= theta <= 1:
        raise ValueError(f"theta must lie between 0 and 1, got {theta}")
    return log_mean_exp(np.asarray(totals, np.float64) @ _log_payoffs(metric, margin, harm, np.array([theta]))[:, 0])


def advance(
    state: RatioState, batches: npt.ArrayLike, metric: RatioMetric, margin: float, *, harm: bool = False
) -> RatioState:
    """The process after a look behind each of `batches` (k, 8), of any size; cutting a run into several calls changes
    nothing. Wealth is worked out only where it may have reached the threshold.
    """
    totals = _looks(batches, state.totals)
    if not len(totals):
        return state
    latched_at = state.latched_at
    if latched_at is None:
        table, doubtful = _table(metric, margin, harm), totals[_most(metric, totals, margin, harm) >= state.threshold]
        for at in range(0, len(doubtful), _LOOKS_WORKED_OUT):
            some = doubtful[at : at + _LOOKS_WORKED_OUT]
            if (reached := _smallest(some, table) >= state.threshold).any():
                latched_at = int(some[reached.argmax()].sum())
                break
    return replace(state, totals=tuple(totals[-1].tolist()), latched_at=latched_at)


def peak(metric: RatioMetric, batches: npt.ArrayLike, margin: float, *, harm: bool = False) -> float:
    """The largest log wealth of a run so far, a look behind each of its `batches` (k, 8) and one before: at least 0."""
    totals, largest = _looks(batches, (0,) * KINDS), 0.0
    most, table = _most(metric, totals, margin, harm), _table(metric, margin, harm)
    likeliest = np.argsort(-most)
    for at in range(0, len(totals), _LOOKS_WORKED_OUT):
        some = likeliest[at : at + _LOOKS_WORKED_OUT]
        if most[some[0]] < largest:
            break
        largest = max(largest, float(_smallest(totals[some], table).max()))
    return largest


def ratio_estimates(metric: RatioMetric, totals: npt.ArrayLike) -> tuple[float | None, float | None]:
    """(theta_B, theta_C) of the items counted, `totals` (8,); None where the denominator is still 0."""
    a_b, b_b, a_c, b_c = np.asarray(totals) @ np.asarray(metric.rows)
    return (float(a_b / b_b) if b_b > 0 else None), (float(a_c / b_c) if b_c > 0 else None)


def interval(metric: RatioMetric, totals: npt.ArrayLike, alpha: float) -> tuple[float, float]:
    """(low, high) for how much worse the candidate's theta is, from the counts so far, `totals` (8,).

    Both ends at alpha/2: P(it ever misses the truth) <= alpha. Only losses can be excluded: low is -1 while none is
    proved to be positive.
    """
    low, high = _border(metric, totals, alpha / 2, harm=True), proven_margin(metric, totals, alpha / 2)
    return -1.0 if low is None else low, 1.0 if high is None else high


def proven_margin(metric: RatioMetric, totals: npt.ArrayLike, alpha: float) -> float | None:
    """The smallest margin, to a thousandth, that the counts so far, `totals` (8,), prove; None if they prove none."""
    return _border(metric, totals, alpha, harm=False)


def supports_interval(metric: RatioMetric, totals: npt.ArrayLike, found: tuple[float, float], alpha: float) -> bool:
    """Whether the counts exclude all that `interval` leaves out: one look at each end."""
    low, high = found
    return (low <= -1 or reaches(metric, totals, max(low - _STEP, _FINEST), alpha / 2, harm=True)) and (
        high >= 1 or reaches(metric, totals, high, alpha / 2)
    )


def reaches(metric: RatioMetric, totals: npt.ArrayLike, margin: float, alpha: float, *, harm: bool = False) -> bool:
    """Whether the counts so far, `totals` (8,), prove this margin, or harm beyond it; none outside (0, 1) is proved."""
    threshold = pass_threshold(check_fraction("alpha", alpha)) - _SLACK
    return 0 < margin < 1 and bool(log_e(metric, totals, margin, harm=harm) >= threshold)


def _border(metric: RatioMetric, totals: npt.ArrayLike, alpha: float, harm: bool) -> float | None:
    """The least margin, to a thousandth, that is proved, or that is not harmed; None if none is proved, or all are.

    Wealth near the estimated ratio is no less than the evidence and costs next to nothing: the whole is worked out only
    at the border that it leads to.
    """
    counts, threshold = np.asarray(totals, np.int64), pass_threshold(check_fraction("alpha", alpha))
    guesses = _GUESSES[_guesses_near(metric, counts[None])[0]]

    def near(margin: float) -> bool:
        return bool(_smallest(counts[None], _log_payoffs(metric, margin, harm, guesses))[0] >= threshold - _SLACK)

    def whole(margin: float) -> bool:
        return bool(log_e(metric, counts, margin, harm=harm) >= threshold)

    for reached in (near, whole):
        low, high = _FINEST, 1 - _FINEST
        if not reached(low if harm else high):
            return None
        while high - low > _STEP:
            middle = (low + high) / 2
            low, high = (middle, high) if reached(middle) is harm else (low, middle)
        if whole(low if harm else high):
            break
    return high


def _confusion(parts: Callable[[int, int], tuple[float, float]]) -> RatioMetric:
    """The metric whose numerator and denominator for one model are `parts(label, what the model said)`."""
    return RatioMetric(tuple((*parts(y, y_b), *parts(y, y_c)) for y, y_b, y_c in product((0, 1), repeat=3)))


def _looks(batches: npt.ArrayLike, before: tuple[int, ...]) -> Ints:
    """Total counts (k, 8) behind each of the batches of one run."""
    counts = check_counts(batches, KINDS)
    if counts.ndim != 2:
        raise ValueError(f"one run has batches of shape (k, {KINDS}), got {counts.shape}")
    totals: Ints = np.array(before, np.int64) + np.cumsum(counts, axis=0)
    return totals


def _log_payoffs(metric: RatioMetric, margin: float, harm: bool, guesses: Floats) -> Floats:
    """Log X of each kind, guess and bet (8, guesses, bets), without the bets that some kind could ruin."""
    check_fraction("margin", margin)
    sign = -1 if harm else 1
    l1, l2 = np.array([(sign * l1, sign * l2) for l1, l2 in _BETS] + _LEVELS).T
    a_b, b_b, a_c, b_c = np.asarray(metric.rows, np.float64).T[..., None, None]

    def payoffs(pi: Floats) -> Floats:
        return np.asarray(1 + l1 * (a_c - (pi[:, None] - margin) * b_c) + l2 * (a_b - pi[:, None] * b_b))

    kept = payoffs(np.array([0.0, 1.0])).min((0, 1)) > _SMALLEST_PAYOFF  # linear in pi: smallest at an end
    return np.log(payoffs(guesses)[..., kept])


@lru_cache(maxsize=16)
def _table(metric: RatioMetric, margin: float, harm: bool) -> Floats:
    """Log payoffs at every guess: half a MiB that all classes of a claim share."""
    table = _log_payoffs(metric, margin, harm, _GUESSES)
    table.flags.writeable = False
    return table


def _guesses_near(metric: RatioMetric, totals: Ints) -> Ints:
    """The four guesses (looks, 4) around the baseline's ratio in `totals` (looks, 8)."""
    a_b, b_b = (totals @ np.asarray(metric.rows, np.float64)[:, :2]).T
    theta = np.divide(a_b, b_b, out=np.zeros_like(a_b), where=b_b > 0)
    cells = np.floor(theta * (len(_GUESSES) - 1)).astype(np.int64)
    near: Ints = np.clip(cells, 1, len(_GUESSES) - 3)[:, None] + np.arange(-1, 3)
    return near


def _most(metric: RatioMetric, totals: Ints, margin: float, harm: bool) -> Floats:
    """An upper bound of the evidence (looks,) after `totals` (looks, 8): wealth near the estimated ratio alone."""
    table, near = _table(metric, margin, harm), _guesses_near(metric, totals)
    most = np.empty(len(totals))
    for at in range(0, len(totals), _LOOKS_AT_ONCE):
        some = slice(at, at + _LOOKS_AT_ONCE)
        picked = table[:, near[some]]
        logs = totals[some, None] @ picked.transpose(1, 0, 2, 3).reshape(len(near[some]), KINDS, -1)
        ends = logs.reshape(picked.shape[1:])
        most[some] = log_mean_exp(np.minimum(ends[:, :-1], ends[:, 1:])).min(-1)
    return most + _SLACK


def _smallest(totals: Ints, table: Floats) -> Floats:
    """Smallest wealth over all guesses (looks,), from total counts (looks, 8) and log payoffs (8, guesses, bets)."""
    logs = np.zeros((len(totals), *table.shape[1:]))
    for count, row in zip(totals.T, table, strict=True):  # a matrix product's last bit varies with the number of looks
        logs += count[:, None, None] * row
    smallest: Floats = log_mean_exp(np.minimum(logs[:, :-1], logs[:, 1:])).min(-1)
    return smallest
