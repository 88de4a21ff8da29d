"""`gap/2`: the gap in accuracy between two groups, g and h, grows by less than the margin.

With c = C_g - C_h and b = B_g - B_h the candidate's and the baseline's gap, |c| - |b| is the larger of two numbers, one
for either sign: min(c - b, c + b) and min(b - c, -c - b). Each of these parts compares a mean of one group with that of
the other, of right/wrong answers B and C:

    c - b = E_h d - E_g d,  d = B - C: how much more h loses
    c + b = E_g s - E_h s,  s = B + C - 1: how far g is ahead, in both models together

So the gap grows by the margin or more (the null of a pass) if for one sign BOTH parts reach the margin; it grows by no
more (the null of harm) if for either sign ONE part stays within it. A loss that differs between the groups is not
enough for harm: if the group that was behind gained, the gap shrank. For the same reason such a candidate can pass.

A part is a profile as in `ratio`: for a guess pi of E second, "E first - E second >= bound" says E first >= pi + bound.
Both groups' bets multiply to one wealth, and the evidence is the smallest wealth over all pi. Two intervals at alpha/2
that must not touch need nearly four times the items (simulated): there widths add, here variances do.

Losses are bet to be equal (a pass) growth-optimally at every pi, for the mean believed from EARLIER batches. All else,
where each group's own mean would have to be learnt, is an equal mixture of fixed pairs of stakes, a function of total
counts: bets on learnt means lose so much while they learn that some harm was never seen. (Median items to harm now, of
both groups, margin 3, simulated: a gap that grows from 0 to 15 points 1,000, from 0 to 8 5,700, from 5 to 13 1,200.)
Either is the same within a cell of guesses: each bet's log wealth is concave in pi there and smallest at an end of the
cell, so a finite grid is exact. The profile is our own construction; betting and mixtures: Waudby-Smith & Ramdas 2024
(JRSS-B 86, section 4); means of e-processes: Vovk & Wang 2021 (AoS 49).

A batch holds `bet.batch` items of both groups together, in the gate's own order, recorded as the 8 counts [n10, n01,
n11, n00] of g, then of h, as in `flip`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .flip import LOSSES, FlipBet, growth_optimal_bet
from .interval import reported_interval
from .wealth import (
    Floats,
    Ints,
    Wealth,
    check_counts,
    check_fraction,
    check_sizes,
    log_gains,
    log_mean_exp,
    pass_threshold,
)

SUMS = np.array([0.0, 0.0, 1.0, -1.0])
"""s of the four kinds of item that a batch counts."""

GAP_1 = FlipBet(batch=32)
"""The bet of a policy that says nothing else. A bet lasts longer than for `flip`: one is worked out for every guess."""

# (first, second): stakes on both groups, and on one alone, which ruins a far guess.
_STAKES = [(one, one * k) for one in (0.03, 0.06, 0.12, 0.25, 0.45) for k in (0.6, 1.0, 1.6)]
_STAKES += [pair for alone in (0.1, 0.3) for pair in ((alone, 0.0), (0.0, alone))]
_SMALLEST_PAYOFF = 1e-6
_PASS_SHARES = np.log([0.9, 0.1])  # of the first wealth: most is bet on the losses, some on who is ahead
_PROVABLE = np.concatenate((np.arange(1, 20) / 400, np.arange(5, 20) / 100, np.arange(4, 20) / 20))
_BATCHES_AT_ONCE = 128  # bounds memory
_NOTHING = np.zeros((2, 4), np.int64)


@dataclass(frozen=True, slots=True)
class GapState:
    """The process between two batches, from `start`.

    `signs` are the tests of the two signs, their sums the counts so far, their logs the log wealths of learnt bets at
    all guesses. A pass needs both, each latched at a time of its own (Berger 1982), harm needs one.
    """

    signs: tuple[Wealth, Wealth]
    harm: bool = False

    @property
    def items(self) -> int:
        """Items counted, of both groups."""
        return self.signs[0].items

    @property
    def log_e(self) -> float:
        """Log wealth of the claim: of the sign that lags, for a pass; of the mean of both at least, for harm."""
        return self._of_both([sign.log_e for sign in self.signs])

    @property
    def sup_log_e(self) -> float:
        """The largest log wealth so far, of the same."""
        return self._of_both([sign.sup_log_e for sign in self.signs])

    @property
    def latched_at(self) -> int | None:
        """Items after which the claim was proved; None if it is not."""
        times = [sign.latched_at for sign in self.signs if sign.latched_at is not None]
        if self.harm:
            return min(times, default=None)
        return max(times) if len(times) == 2 else None

    @property
    def latched(self) -> bool:
        """Whether the claim is proved."""
        return self.latched_at is not None

    def _of_both(self, wealth: list[float]) -> float:
        return max(wealth) - math.log(2) if self.harm else min(wealth)


def start(threshold: float, *, harm: bool = False) -> GapState:
    """Before the first item, with `pass_threshold(alpha)` for the claim that the gap grows by less than the margin, or
    with `harm_threshold(gates)` for the claim that it grows by more: there the signs share the error.
    """
    sign = Wealth(threshold + math.log(2) * harm)
    return GapState((sign, sign), harm)


def advance(state: GapState, batches: npt.ArrayLike, margin: float, bet: FlipBet = GAP_1) -> GapState:
    """The process after `batches` (k, 8) more; cutting a run into several calls changes no bit of the result.

    Raises ValueError naming the value for a margin outside (0, 1), negative or fractional counts, a batch (but the
    last) that does not hold `bet.batch` items of both groups, or a run that already ended with a short batch.
    """
    counts, pairs = _groups(batches, bet.batch, state.items), _pairs(margin, state.harm)
    if counts.ndim != 3:
        raise ValueError(f"one run has batches of shape (k, 8), got {np.shape(batches)}")
    for at in range(0, len(counts), _BATCHES_AT_ONCE):
        some = counts[at : at + _BATCHES_AT_ONCE]
        items = state.items + np.cumsum(some.sum((-1, -2)))
        first, second = (
            _after(sign, some, items, pair, None if state.harm else bet)
            for sign, pair in zip(state.signs, pairs, strict=True)
        )
        state = replace(state, signs=(first, second))
    return state


def log_e_path(
    batches: npt.ArrayLike,
    margin: float,
    bet: FlipBet = GAP_1,
    *,
    harm: bool = False,
    means: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> Floats:
    """Log wealth (..., k, 2) of the two signs after each of `batches` (..., k, 8). Errors as `advance`.

    With `means`, (E d, E s) of g and of h, only at the guesses next to them: an upper bound of it, for simulations.
    """
    counts, pairs = _groups(batches, bet.batch), _pairs(margin, harm)
    if means:
        pairs = [
            (losses.near(means[1 - losses.first][0]), sums.near(means[1 - sums.first][1])) for losses, sums in pairs
        ]
    return np.stack([_path(pair, None if harm else bet, counts)[0] for pair in pairs], -1)


def planned_path(batches: npt.ArrayLike, margin: float, bet: FlipBet = GAP_1) -> Floats:
    """`log_e_path` of a pass when next to nothing is lost, at a fraction of its cost: what is bet on the losses, at
    guesses of up to three margins. For plans alone: it is no evidence. Errors as `advance`.
    """
    counts, paths = _groups(batches, bet.batch), []
    for losses, _ in _pairs(margin, harm=False):
        near = replace(losses, edges=losses.edges[np.abs(losses.edges) <= 3 * margin])
        paths.append(np.cumsum(_gains(near, bet, counts, _NOTHING), -2).min(-1))
    least: Floats = np.stack(paths, -1) + _PASS_SHARES[0]
    return least


def interval(batches: npt.ArrayLike, alpha: float) -> tuple[float, float]:
    """(low, high) for the gap's growth |c| - |b|, in (-2, 2), a look after each of `batches` (k, 8), of any size.

    From `reported_interval` of both groups' d and s at alpha/4 each: P(it ever misses the truth) <= alpha. Wider than
    what the gate's own evidence proves. Raises ValueError for an alpha outside (0, 1) or broken counts.
    """
    counts = check_counts(batches, 8)
    d_g, d_h = (reported_interval(counts[:, group : group + 4], alpha / 4) for group in (0, 4))
    s_g, s_h = (reported_interval(counts[:, group + np.array([2, 3, 0, 1])], alpha / 4) for group in (0, 4))
    low = max(min(d_h[0] - d_g[1], s_g[0] - s_h[1]), min(d_g[0] - d_h[1], s_h[0] - s_g[1]))
    return low, max(min(d_h[1] - d_g[0], s_g[1] - s_h[0]), min(d_g[1] - d_h[0], s_h[1] - s_g[0]))


def proven_margin(batches: npt.ArrayLike, bet: FlipBet, alpha: float) -> float | None:
    """The smallest of 50 margins, from 0.0025 to 0.95, that `batches` (k, 8) prove with all larger ones; or None."""
    counts, proven = check_counts(batches, 8), None
    for margin in _PROVABLE[::-1].tolist():
        state, at = start(pass_threshold(alpha)), 0
        while at < len(counts) and not state.latched:  # a wide margin latches early
            state, at = advance(state, counts[at : at + 32], margin, bet), at + 32
        if not state.latched:
            return proven
        proven = margin
    return proven


@dataclass(frozen=True, slots=True)
class _Part:
    """H0: E first - E second >= bound, for the values of an item; guesses lie in the cells between `edges`."""

    values: Floats
    first: int
    bound: float
    edges: Floats

    def near(self, guess: float) -> "_Part":
        """The same in the one cell that holds this guess."""
        after = int(np.clip(np.searchsorted(self.edges, guess, side="right"), 1, self.edges.size - 1))
        return replace(self, edges=self.edges[after - 1 : after + 1])


_Pair = tuple[_Part, _Part]
"""Losses and sums of one sign."""


def _pairs(margin: float, harm: bool) -> list[_Pair]:
    """For the growth towards g, then towards h. Harm: against "at most", with the groups exchanged."""
    bound = check_fraction("margin", margin) * (-1 if harm else 1)
    last = min(1.0, 1 - bound)  # of E second; beyond it E first could not be what the null says
    half = [0.0]  # guesses of a mean loss: a sixth of the margin apart near 0, an eighth of themselves further out
    while half[-1] < 1:
        half.append(min(1.0, half[-1] + max(margin / 6, half[-1] / 8)))
    near, even = np.array([-edge for edge in half[:0:-1]] + half), np.linspace(-1, last, 101)
    near = np.append(near[near < last], last)
    firsts = (0, 1) if harm else (1, 0)
    return [(_Part(LOSSES, first, bound, near), _Part(SUMS, 1 - first, bound, even)) for first in firsts]


def _groups(batches: npt.ArrayLike, batch: int, items_before: int = 0) -> Ints:
    """Batches (..., k, 2, 4), by group."""
    counts = check_counts(batches, 8)
    check_sizes(counts, batch, items_before)
    return counts.reshape(*counts.shape[:-1], 2, 4)


def _after(sign: Wealth, counts: Ints, items: Ints, pair: _Pair, bet: FlipBet | None) -> Wealth:
    """The test of a sign after batches (k, 2, 4) more, at `items` (k,) items in all."""
    before = np.array(sign.sums or (0,) * 8, np.int64).reshape(2, 4)
    path, logs = _path(pair, bet, counts, before, sign.logs)
    sums = tuple((before + counts.sum(0)).ravel().tolist())
    return replace(sign.looked(path, items), sums=sums, logs=tuple(logs[-1].tolist()))


def _path(
    pair: _Pair, bet: FlipBet | None, counts: Ints, before: Ints = _NOTHING, begun: tuple[float, ...] = ()
) -> tuple[Floats, Floats]:
    """Log wealth (..., k) of a sign and of its learnt bets (..., k, cells * 2), after counts and logs so far.

    Pass: both parts' nulls hold, so wealth may be bet on either. Harm, without a `bet` that learns: one of them.
    """
    losses, sums = pair
    totals = before + np.cumsum(counts, -3)
    if bet is None:
        return np.minimum(_mixed(losses, totals), _mixed(sums, totals)), np.zeros((*totals.shape[:-2], 0))
    gains = _gains(losses, bet, counts, before)
    if begun and len(gains):
        gains = np.concatenate((np.array(begun)[None], gains))
    logs = np.cumsum(gains, -2)[..., 1 if begun else 0 :, :]
    learnt, mixed = _PASS_SHARES
    return np.logaddexp(learnt + logs.min(-1), mixed + _mixed(sums, totals)), logs


def _gains(part: _Part, bet: FlipBet, counts: Ints, before: Ints) -> Floats:
    """Log gains (..., k, cells * 2) at both ends of each cell, of batches (..., k, 2, 4) after `before` (2, 4)."""
    earlier = before + np.cumsum(counts, -3) - counts
    items, total, squares = earlier.sum(-1), earlier @ part.values, earlier @ part.values**2
    mean = total.sum(-1, keepdims=True) / (items.sum(-1, keepdims=True) + bet.c)
    spread = (squares - 2 * mean * total + items * mean**2 + bet.c * bet.v0) / (items + bet.c)
    lows, highs = part.edges[:-1], part.edges[1:]
    middle, bars = (lows + highs) / 2, np.stack((lows, highs), -1)
    one, two = part.first, 1 - part.first
    above = _stake(spread[..., one, None], middle + part.bound - mean)
    below = _stake(spread[..., two, None], mean - middle)
    above = np.minimum(above, bet.cap / np.maximum(1 - lows - part.bound, 1e-9))
    below = np.minimum(below, bet.cap / (1 + highs))
    firsts, seconds = (counts[..., group, None, None, :] for group in (one, two))
    gains = log_gains(part.values, firsts, bars + part.bound, above[..., None])
    gains += log_gains(part.values, seconds, bars, -below[..., None])
    return gains.reshape(*gains.shape[:-2], -1)


def _mixed(part: _Part, totals: Ints) -> Floats:
    """Log wealth (..., k) of the mixture at the guess where it is smallest, after `totals` (..., k, 2, 4)."""
    guesses, (one, two) = part.edges[:, None, None], np.array(_STAKES).T[:, :, None]
    payoffs = 1 + one * (guesses + part.bound - part.values), 1 + two * (part.values - guesses)
    # Of all guesses the first is the worst for first, the last for second, wherever one looks.
    kept = (1 - one * (2 - part.bound) > _SMALLEST_PAYOFF) & (1 - two * (1 + min(1, 1 - part.bound)) > _SMALLEST_PAYOFF)
    logs = np.zeros((*totals.shape[:-2], len(part.edges), int(kept.sum())))
    for group, payoff in zip((part.first, 1 - part.first), payoffs, strict=True):
        for kind, row in enumerate(np.log(payoff[:, kept[:, 0]]).transpose(2, 0, 1)):  # no matrix product: see `ratio`
            logs += totals[..., group, kind, None, None] * row
    smallest: Floats = log_mean_exp(np.minimum(logs[..., :-1, :], logs[..., 1:, :])).min(-1)
    return smallest


def _stake(spread: Floats, distance: Floats) -> Floats:
    """The bet against a mean that lies `distance` beyond what is believed; none against one that does not."""
    return np.where(distance > 0, growth_optimal_bet(spread, np.clip(distance, 1e-9, 0.99)), 0.0)
