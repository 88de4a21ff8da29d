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
counts: bets on learnt means lose so much while they learn that some harm was never seen (simulated: a gap that grew
from 0 to 8 points, margin 3, after 7,300 items and not by 19,200; from 5 to 13 points after 1,000 and 2,500). Either is
the same within a cell of guesses: each bet's log wealth is concave in pi there and smallest at an end of the cell, so a
finite grid is exact. The profile is our own construction; betting and mixtures: Waudby-Smith & Ramdas 2024 (JRSS-B 86,
section 4); means of e-processes: Vovk & Wang 2021 (AoS 49).

A batch holds `bet.batch` items of both groups together, in the gate's own order, recorded as
[[n10, n01, n11, n00] of g, the same of h], the counts of `flip`.
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
    harm_threshold,
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


@dataclass(frozen=True, slots=True)
class GapState:
    """The process between two batches, from `start` or `start_harm`.

    `signs` are the tests of the two signs: a pass needs both, each latched at a time of its own (Berger 1982), harm
    needs one. `totals` are the counts so far, g's and then h's; `logs` the log wealths of learnt bets at all guesses.
    """

    signs: tuple[Wealth, Wealth]
    harm: bool = False
    totals: tuple[int, ...] = (0,) * 8
    logs: tuple[float, ...] = ()

    @property
    def items(self) -> int:
        """Items counted, of both groups."""
        return sum(self.totals)

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


def start(alpha: float) -> GapState:
    """Before the first item, for the claim that the gap grows by less than the margin."""
    return GapState((Wealth(pass_threshold(alpha)), Wealth(pass_threshold(alpha))))


def start_harm(gates: int, alpha_fail: float = 0.05) -> GapState:
    """Before the first item, for the claim that the gap grows by more than the margin. The signs share the error."""
    threshold = harm_threshold(gates, alpha_fail) + math.log(2)
    return GapState((Wealth(threshold), Wealth(threshold)), harm=True)


def advance(state: GapState, batches: npt.ArrayLike, margin: float, bet: FlipBet = GAP_1) -> GapState:
    """The process after `batches` (k, 2, 4) more; cutting a run into several calls changes no bit of the result.

    Raises ValueError naming the value for a margin outside (0, 1), negative or fractional counts, a batch (but the
    last) that does not hold `bet.batch` items of both groups, or a run that already ended with a short batch.
    """
    counts = _check(batches, bet.batch, state.items)
    if counts.ndim != 3:
        raise ValueError(f"one run has batches of shape (k, 2, 4), got {counts.shape}")
    parts = _parts(margin, bet, state.harm)
    for at in range(0, len(counts), _BATCHES_AT_ONCE):
        state = _advance(state, counts[at : at + _BATCHES_AT_ONCE], parts)
    return state


def log_e_path(
    batches: npt.ArrayLike,
    margin: float,
    bet: FlipBet = GAP_1,
    *,
    harm: bool = False,
    means: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> Floats:
    """Log wealth (..., k, 2) of the two signs after each of `batches` (..., k, 2, 4). Errors as `advance`.

    With `means`, (E d, E s) of g and of h, only at the guesses next to them: an upper bound of it, for simulations.
    """
    counts, parts = _check(batches, bet.batch, 0), _parts(margin, bet, harm)
    if means:
        parts = [part.near(means[1 - part.first][place % 2]) for place, part in enumerate(parts)]
    return _by_sign([_path(part, counts) for part in parts], harm)


def planned_path(batches: npt.ArrayLike, margin: float, bet: FlipBet = GAP_1) -> Floats:
    """`log_e_path` of a pass when next to nothing is lost, at a fraction of its cost: what is bet on the losses, at
    guesses of up to three margins. For plans alone: it is no evidence. Errors as `advance`.
    """
    counts = _check(batches, bet.batch, 0)
    parts = [replace(p, edges=p.edges[np.abs(p.edges) <= 3 * margin]) for p in _parts(margin, bet, harm=False)[::2]]
    paths: Floats = np.stack([_path(part, counts) for part in parts], -1) + _PASS_SHARES[0]
    return paths


def estimate(batches: npt.ArrayLike) -> float | None:
    """By how much the gap grew in what was counted, (k, 2, 4) batches in all; None while a group has no items."""
    totals = check_counts(batches, 4).reshape(-1, 2, 4).sum(0)
    if not totals.sum(-1).all():
        return None
    lost, ahead = totals @ LOSSES / totals.sum(-1), totals @ SUMS / totals.sum(-1)
    return _growth(lost[1] - lost[0], ahead[0] - ahead[1], lost[0] - lost[1], ahead[1] - ahead[0])


def interval(batches: npt.ArrayLike, alpha: float) -> tuple[float, float]:
    """(low, high) for the gap's growth |c| - |b|, in (-2, 2), a look after each of `batches` (k, 2, 4).

    From `reported_interval` of both groups' d and s at alpha/4 each: P(it ever misses the truth) <= alpha. Wider than
    what the gate's own evidence proves. Raises ValueError for an alpha outside (0, 1) or broken counts.
    """
    counts = check_counts(batches, 4).reshape(-1, 2, 4)
    d_g, d_h = (reported_interval(counts[:, group], alpha / 4) for group in (0, 1))
    s_g, s_h = (reported_interval(counts[:, group][:, [2, 3, 0, 1]], alpha / 4) for group in (0, 1))
    low = _growth(d_h[0] - d_g[1], s_g[0] - s_h[1], d_g[0] - d_h[1], s_h[0] - s_g[1])
    return low, _growth(d_h[1] - d_g[0], s_g[1] - s_h[0], d_g[1] - d_h[0], s_h[1] - s_g[0])


def proven_margin(batches: npt.ArrayLike, bet: FlipBet, alpha: float) -> float | None:
    """The smallest of 50 margins, from 0.0025 to 0.95, that `batches` (k, 2, 4) prove with all larger ones; or None."""
    counts, proven = check_counts(batches, 4).reshape(-1, 2, 4), None
    for margin in _PROVABLE[::-1].tolist():
        state, at = start(alpha), 0
        while at < len(counts) and not state.latched:  # a wide margin latches early
            state, at = advance(state, counts[at : at + 32], margin, bet), at + 32
        if not state.latched:
            return proven
        proven = margin
    return proven


def _growth(more_lost: float, ahead: float, more_lost_by_g: float, h_ahead: float) -> float:
    return float(max(min(more_lost, ahead), min(more_lost_by_g, h_ahead)))


def _check(batches: npt.ArrayLike, batch: int, items_before: int) -> Ints:
    counts = np.asarray(batches)
    if counts.size == 0:
        return np.zeros((0, 2, 4), np.int64)
    if counts.ndim < 3 or counts.shape[-2:] != (2, 4):
        raise ValueError(f"batches must have 4 counts for each of 2 groups, got an array of shape {counts.shape}")
    counts = check_counts(counts, 4)
    check_sizes(counts.sum(-1), batch, items_before)
    return counts


@dataclass(frozen=True, slots=True)
class _Part:
    """H0: E first - E second >= bound, for the values of an item; guesses lie in the cells between `edges`."""

    values: Floats
    first: int
    bound: float
    edges: Floats
    bet: FlipBet | None
    """That learns the mean of both groups; None: the mixture of `_STAKES`."""

    @property
    def learnt(self) -> int:
        """Log wealths that are kept from batch to batch."""
        return 2 * (self.edges.size - 1) if self.bet else 0

    def near(self, guess: float) -> "_Part":
        """The same in the one cell that holds this guess."""
        after = int(np.clip(np.searchsorted(self.edges, guess, side="right"), 1, self.edges.size - 1))
        return replace(self, edges=self.edges[after - 1 : after + 1])


def _parts(margin: float, bet: FlipBet, harm: bool) -> list[_Part]:
    """[losses, sums] for the growth towards g, then towards h. Harm: against "at most", with the groups exchanged."""
    bound = check_fraction("margin", margin) * (-1 if harm else 1)
    last = min(1.0, 1 - bound)  # of E second; beyond it E first could not be what the null says
    near, even = _edges(margin, last), np.linspace(-1, last, 101)
    parts = []
    for ahead in (0, 1):
        first = ahead if harm else 1 - ahead
        parts.append(_Part(LOSSES, first, bound, near, None if harm else bet))
        parts.append(_Part(SUMS, 1 - first, bound, even, None))
    return parts


def _edges(margin: float, last: float) -> Floats:
    """Guesses of a mean loss: a sixth of the margin apart near 0, an eighth of themselves further out."""
    half = [0.0]
    while half[-1] < 1:
        half.append(min(1.0, half[-1] + max(margin / 6, half[-1] / 8)))
    edges = np.array([-edge for edge in half[:0:-1]] + half)
    return np.append(edges[edges < last], last)


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


def _path(part: _Part, counts: Ints) -> Floats:
    """Log wealth (..., k) at the guess where it is smallest, from the first batch on."""
    if part.bet is None:
        return _mixed(part, np.cumsum(counts, -3))
    smallest: Floats = np.cumsum(_gains(part, part.bet, counts, np.zeros((2, 4), np.int64)), -2).min(-1)
    return smallest


def _stake(spread: Floats, distance: Floats) -> Floats:
    """The bet against a mean that lies `distance` beyond what is believed; none against one that does not."""
    return np.where(distance > 0, growth_optimal_bet(spread, np.clip(distance, 1e-9, 0.99)), 0.0)


def _by_sign(paths: list[Floats], harm: bool) -> Floats:
    """The tests (..., k, 2) of the signs. Pass: both parts' nulls hold, so wealth may be bet on either. Harm: one."""
    if harm:
        return np.stack([np.minimum(paths[0], paths[1]), np.minimum(paths[2], paths[3])], -1)
    losses, sums = _PASS_SHARES
    return np.stack([np.logaddexp(losses + paths[i], sums + paths[i + 1]) for i in (0, 2)], -1)


def _advance(state: GapState, counts: Ints, parts: list[_Part]) -> GapState:
    before, logs, paths = np.array(state.totals).reshape(2, 4), [np.zeros((len(counts), 0))], []
    begun = np.array(state.logs or (0.0,) * sum(part.learnt for part in parts))
    for part in parts:
        if part.bet is None:
            paths.append(_mixed(part, before + np.cumsum(counts, 0)))
            continue
        at, begun = begun[: part.learnt], begun[part.learnt :]
        logs.append(np.cumsum(np.concatenate((at[None], _gains(part, part.bet, counts, before))), axis=0)[1:])
        paths.append(logs[-1].min(-1))
    items = state.items + np.cumsum(counts.sum((-1, -2)))
    tests = _by_sign(paths, state.harm)
    first, second = (sign.looked(tests[:, i], items) for i, sign in enumerate(state.signs))
    totals = tuple((before + counts.sum(0)).ravel().tolist())
    return replace(state, signs=(first, second), totals=totals, logs=tuple(np.concatenate(logs, -1)[-1].tolist()))
