"""Ratios of means: precision, F-beta, Jaccard, cost per success, compared with the baseline's own ratio.

Per item a row (a_B, b_B, a_C, b_C) in [0, 1]: numerator and denominator of baseline and candidate; theta = E a / E b.
H0: the candidate's theta is worse than the baseline's by the margin or more. theta_B is unknown. For a guess pi of it,
with s = +1 if more is better and -1 if less is, the payoff of a bet (l1 >= 0, l2) is

    X(pi) = 1 + l1 s (a_C - (pi - s margin) b_C) + l2 (a_B - pi b_B),

whose expectation is at most 1 under H0 at pi = theta_B. The evidence is the SMALLEST wealth over all pi of an equal
mixture of fixed bets, so Ville holds for it at the true pi, and it depends on total counts alone.

The log wealth of one bet is concave in pi, a sum of logs of linear functions, so between two neighbouring guesses it
is at least the smaller end: the mixture of the smaller ends bounds the wealth from below, and a finite grid is exact.

The profile is our own construction; betting and mixtures: Waudby-Smith & Ramdas 2024 (JRSS-B 86, sections 4.2, 4.4).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import isfinite

import numpy as np
import numpy.typing as npt

from .wealth import Floats, Ints, Wealth, check_counts, check_fraction, log_mean_exp, pass_threshold

# l2 close to -s l1 cancels what both models share; the last six bet on the baseline alone and ruin a far guess.
_BETS = [(l1, -l1 * k) for l1 in (0.1, 0.2, 0.35, 0.5, 0.7) for k in (1, 0.97, 1.03, 0.8, 1.2)]
_LEVELS = [(0.0, l2) for l2 in (-0.9, -0.5, -0.25, 0.25, 0.5, 0.9)]
_SMALLEST_PAYOFF = 1e-6
_GUESSES = 201
_LOOKS_AT_ONCE = 128  # bounds memory: a look holds one number per guess and bet
_LOOKS_WORKED_OUT = 16

Row = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class RatioMetric:
    """A preregistered ratio: which rows (a_B, b_B, a_C, b_C) an item can have, and which direction is better.

    Every item's row is one of `rows` or a mixture of them; bets that some row could ruin are left out beforehand. The
    claim holds if the baseline's theta lies in [0, theta_max]. Raises ValueError for rows outside [0, 1] or a theta_max
    that is not positive.
    """

    rows: tuple[Row, ...]
    more_is_better: bool = True
    theta_max: float = 1.0

    def __post_init__(self) -> None:
        _check_rows(self.rows)
        if not (isfinite(self.theta_max) and self.theta_max > 0):
            raise ValueError(f"theta_max must be positive, got {self.theta_max}")


@dataclass(frozen=True, slots=True)
class RatioState(Wealth):
    """The process between two looks, in either direction. Start one with `RatioState(pass_threshold(alpha))`, or with
    `harm_threshold(gates)` for harm. `totals` are the counts so far by row of the metric, () before the first look.
    """

    totals: tuple[int, ...] = ()


def precision() -> RatioMetric:
    """TP / PP. Rows 4 y + 2 y_B + y_C: the 8 kinds of item by label and answers, as for `f_beta` and `jaccard`."""
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


def log_e(
    metric: RatioMetric, totals: npt.ArrayLike, margin: float, *, harm: bool = False, rows: npt.ArrayLike | None = None
) -> Floats:
    """Log wealth (...) after items counted by row, `totals` (..., J) in all; for a pass, or for harm against H0': the
    candidate's theta is worse by no more than the margin.

    `rows` (J, 4) are the metric's own by default. `margin`, absolute, in (0, 1), on the scale of theta. Raises
    ValueError for another margin, negative or fractional counts, a row that is no mixture of the metric's, or a
    theta_max so large that no bet on the candidate is safe.
    """
    counts = check_counts(np.asarray(totals)[..., None, :], len(metric.rows if rows is None else np.asarray(rows)))
    flat = counts.reshape(-1, counts.shape[-1])
    table = _whole(metric, margin, harm) if rows is None else _log_payoffs(metric, margin, harm, rows, _grid(metric))
    parts = [_smallest(flat[i : i + _LOOKS_AT_ONCE], table) for i in range(0, len(flat), _LOOKS_AT_ONCE)]
    return np.concatenate([np.zeros(0), *parts]).reshape(counts.shape[:-2])


def profile(
    metric: RatioMetric,
    totals: npt.ArrayLike,
    margin: float,
    theta: float,
    *,
    harm: bool = False,
    rows: npt.ArrayLike | None = None,
) -> Floats:
    """Log wealth (...) at ONE guess `theta` of the baseline's ratio: an upper bound of `log_e`. Errors as `log_e`."""
    if not 0 <= theta <= metric.theta_max:
        raise ValueError(f"theta must lie between 0 and {metric.theta_max}, got {theta}")
    table = _log_payoffs(metric, margin, harm, rows, np.array([theta]))
    return log_mean_exp(np.asarray(totals, np.float64) @ table[:, 0])


def advance(
    state: RatioState,
    batches: npt.ArrayLike,
    metric: RatioMetric,
    margin: float,
    *,
    harm: bool = False,
    latch_only: bool = False,
) -> RatioState:
    """The process after a look behind each of `batches` (k, J), counts by row of the metric, of any size.

    Cutting a run into several calls changes no bit of the result. With `latch_only`, which is far cheaper while a run
    goes on, wealth stays as it was: only items, totals and the latch move on. Raises ValueError as `log_e`, or for
    totals of another metric.
    """
    counts = check_counts(batches, len(metric.rows))
    if counts.ndim != 2:
        raise ValueError(f"one run has batches of shape (k, {len(metric.rows)}), got {counts.shape}")
    before = np.array(state.totals or (0,) * len(metric.rows), np.int64)
    if before.size != len(metric.rows):
        raise ValueError(f"the run so far counted {before.size} rows, the metric has {len(metric.rows)}")
    totals = before + np.cumsum(counts, axis=0)
    if not len(totals):
        return state
    table, most, items = _whole(metric, margin, harm), _most(metric, totals, margin, harm), totals.sum(-1)
    exact = np.full(len(totals), -np.inf)  # wealth at the looks that it was worked out for

    def work_out(looks: Ints) -> bool:
        if looks.size:
            exact[looks] = _smallest(totals[looks], table)
        return looks.size > 0

    def doubtful(least: float) -> Ints:
        return np.flatnonzero((most >= least) & np.isneginf(exact))

    while not state.latched and not (exact >= state.threshold).any():
        if not work_out(doubtful(state.threshold)[:_LOOKS_WORKED_OUT]):
            break
    if latch_only:
        latch = int(items[(exact >= state.threshold).argmax()]) if exact.max() >= state.threshold else None
        moved = replace(state, items=int(items[-1]), latched_at=state.latched_at or latch)
    else:
        work_out(np.array([len(totals) - 1]))
        while (looks := doubtful(max(state.sup_log_e, exact.max()))).size:
            work_out(looks[np.argsort(-most[looks])[:_LOOKS_WORKED_OUT]])
        moved = state.looked(exact[exact > -np.inf], items[exact > -np.inf])
    return replace(moved, totals=tuple(totals[-1].tolist()))


def ratio_estimates(
    metric: RatioMetric, totals: npt.ArrayLike, rows: npt.ArrayLike | None = None
) -> tuple[float | None, float | None]:
    """(theta_B, theta_C) of the items counted by row, `totals` (J,); None where the denominator is still 0."""
    a_b, b_b, a_c, b_c = np.asarray(totals) @ np.asarray(metric.rows if rows is None else rows, np.float64)
    return (float(a_b / b_b) if b_b > 0 else None), (float(a_c / b_c) if b_c > 0 else None)


def interval(metric: RatioMetric, totals: npt.ArrayLike, alpha: float) -> tuple[float, float]:
    """(low, high) for how much worse the candidate's theta is, from the counts so far, `totals` (J,).

    Both ends at alpha/2: P(it ever misses the truth) <= alpha. Only losses can be excluded: low is -1 while none is
    proved to be positive. Raises ValueError for an alpha outside (0, 1) or broken counts.
    """
    low, high = _border(metric, totals, alpha / 2, harm=True), proven_margin(metric, totals, alpha / 2)
    return -1.0 if low is None else low, 1.0 if high is None else high


def proven_margin(metric: RatioMetric, totals: npt.ArrayLike, alpha: float) -> float | None:
    """The smallest margin, to a thousandth, that the counts so far, `totals` (J,), prove; None if they prove none.

    Errors as `interval`.
    """
    return _border(metric, totals, alpha, harm=False)


def supports_interval(metric: RatioMetric, totals: npt.ArrayLike, found: tuple[float, float], alpha: float) -> bool:
    """Whether the counts exclude all that `interval` leaves out: one look at each end. Errors as `interval`."""
    low, high = found
    return (low <= -1 or reaches(metric, totals, max(low - _STEP, _FINEST), alpha / 2, harm=True)) and (
        high >= 1 or reaches(metric, totals, high, alpha / 2)
    )


def reaches(metric: RatioMetric, totals: npt.ArrayLike, margin: float, alpha: float, *, harm: bool = False) -> bool:
    """Whether the counts so far, `totals` (J,), prove this margin, or harm beyond it; none outside (0, 1) is proved."""
    threshold = pass_threshold(check_fraction("alpha", alpha)) - _SLACK
    return 0 < margin < 1 and bool(log_e(metric, totals, margin, harm=harm) >= threshold)


_FINEST, _STEP = 0.0005, 0.001
_SLACK = 1e-9


def _border(metric: RatioMetric, totals: npt.ArrayLike, alpha: float, harm: bool) -> float | None:
    """The least margin, to a thousandth, that is proved, or that is not harmed; None if none is proved, or all are.

    Wealth near the estimated ratio is no less than the evidence and costs next to nothing: the whole is worked out only
    at the border that it leads to.
    """
    counts, threshold = np.asarray(totals, np.int64), pass_threshold(check_fraction("alpha", alpha))
    guesses = _grid(metric)[_guesses_near(metric, counts[None])[0]]

    def near(margin: float) -> bool:
        table = _log_payoffs(metric, margin, harm, None, guesses)
        return bool(_smallest(counts[None], table)[0] >= threshold - _SLACK)

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
    kinds = ((*parts(y, y_b), *parts(y, y_c)) for y, y_b, y_c in product((0, 1), repeat=3))
    return RatioMetric(tuple((a_b, b_b, a_c, b_c) for a_b, b_b, a_c, b_c in kinds))


def _check_rows(rows: npt.ArrayLike) -> Floats:
    table = np.asarray(rows, np.float64)
    if table.ndim != 2 or table.shape[1] != 4:
        raise ValueError(f"rows must have shape (J, 4), got {table.shape}")
    if (wrong := ~((table >= 0) & (table <= 1))).any():
        raise ValueError(f"a row must lie in [0, 1], got {table[wrong.any(1)][0].tolist()}")
    return table


def _payoffs(metric: RatioMetric, margin: float, harm: bool, rows: Floats, guesses: Floats) -> Floats:
    """X - for each row, guess and bet: (J, guesses, bets)."""
    s = 1.0 if metric.more_is_better else -1.0
    l1, l2 = np.array(_BETS).T
    if harm:
        l1, l2 = -l1, -l2
    levels = np.array(_LEVELS).T
    l1, l2 = np.concatenate((s * l1, levels[0])), np.concatenate((s * l2, levels[1]))
    a_b, b_b, a_c, b_c = (column[:, None, None] for column in rows.T)
    pi = guesses[:, None]
    payoffs: Floats = 1 + l1 * (a_c - (pi - s * margin) * b_c) + l2 * (a_b - pi * b_b)
    return payoffs


def _log_payoffs(metric: RatioMetric, margin: float, harm: bool, rows: npt.ArrayLike | None, guesses: Floats) -> Floats:
    check_fraction("margin", margin)
    own = _check_rows(metric.rows)
    # Affine in the row and in pi: the smallest payoff is at one of the metric's rows and at an end of [0, theta_max].
    extremes = _payoffs(metric, margin, harm, own, np.array([0.0, metric.theta_max]))
    kept = extremes.min((0, 1)) > _SMALLEST_PAYOFF
    if not kept[: len(_BETS)].any():
        raise ValueError(f"every bet on the candidate could be ruined at theta_max {metric.theta_max}: scale it down")
    payoffs = _payoffs(metric, margin, harm, own if rows is None else _check_rows(rows), guesses)[..., kept]
    if (payoffs <= _SMALLEST_PAYOFF / 2).any():
        raise ValueError("a row is no mixture of the metric's rows")
    return np.log(payoffs)


def _grid(metric: RatioMetric) -> Floats:
    return np.linspace(0, metric.theta_max, _GUESSES)


@lru_cache(maxsize=16)
def _whole(metric: RatioMetric, margin: float, harm: bool) -> Floats:
    """Log payoffs of the metric's own rows at every guess: half a MiB that all classes of a claim share."""
    table = _log_payoffs(metric, margin, harm, None, _grid(metric))
    table.flags.writeable = False
    return table


def _guesses_near(metric: RatioMetric, totals: Ints) -> Ints:
    """The four guesses (looks, 4) around the baseline's ratio in `totals` (looks, J)."""
    a_b, b_b = (totals @ np.asarray(metric.rows, np.float64)[:, :2]).T
    theta = np.divide(a_b, b_b, out=np.zeros_like(a_b), where=b_b > 0)
    cell = np.floor(theta / metric.theta_max * (_GUESSES - 1)).astype(np.int64)
    near: Ints = np.clip(cell, 1, _GUESSES - 3)[:, None] + np.arange(-1, 3)
    return near


def _most(metric: RatioMetric, totals: Ints, margin: float, harm: bool) -> Floats:
    """An upper bound of the evidence (looks,) after `totals` (looks, J): wealth near the estimated ratio alone."""
    table, near = _whole(metric, margin, harm), _guesses_near(metric, totals)
    most = np.empty(len(totals))
    for at in range(0, len(totals), _LOOKS_AT_ONCE):
        some = slice(at, at + _LOOKS_AT_ONCE)
        picked = table[:, near[some]]
        logs = totals[some, None] @ picked.transpose(1, 0, 2, 3).reshape(len(near[some]), len(table), -1)
        ends = logs.reshape(picked.shape[1:])
        most[some] = log_mean_exp(np.minimum(ends[:, :-1], ends[:, 1:])).min(-1)
    return most + _SLACK


def _smallest(totals: Ints, table: Floats) -> Floats:
    """Smallest wealth over all guesses (looks,), from total counts (looks, J) and log payoffs (J, guesses, bets)."""
    logs = np.zeros((len(totals), *table.shape[1:]))
    for count, row in zip(totals.T, table, strict=True):  # a matrix product's last bit varies with the number of looks
        logs += count[:, None, None] * row
    smallest: Floats = log_mean_exp(np.minimum(logs[:, :-1], logs[:, 1:])).min(-1)
    return smallest
