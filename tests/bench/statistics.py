"""The judge's promise and its price, by simulation of the product's own code at 5 % alpha.

Wrong promotions: candidates that truly lose the margin, up to six times the fixed-sample plan. Items: equal models to a
pass, as a number and against the fixed plan with 90 % power; a broken candidate to the proof of harm. Power: what the
plan promises, of the real rule.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
from paritygate.stats import bounded, harm, latency, locked, plan, rate, ratio
from paritygate.stats.wealth import harm_threshold, pass_threshold

from . import dependence, together
from .dependence import ALPHA, PATHS, row, wrong

WORKERS = 2
BOUNDARY = [(0.005, 0.01), (0.01, 0.01), (0.01, 0.02), (0.01, 0.05), (0.02, 0.02), (0.02, 0.10)]
LOCKED = 2000  # items in the locked set
# Kinds of item 4 y + 2 y_B + y_C: both models say a fifth is positive, 90 % of it rightly, and agree on 95 % of that.
KINDS = np.array([0.7742, 0.001, 0.001, 0.019, 0.0158, 0.009, 0.009, 0.171])
SLOWEST = 800  # blocks in a latency run
QUANTILES = {"p50": (0.5, 0.0), "p95": (0.95, NormalDist().inv_cdf(0.95))}
SIGMA, LIMIT = 0.15, 1.10


def measure() -> list[dict[str, Any]]:
    """Rows {name, value, unit, limit, better, ok}; about a minute on two cores."""
    with ProcessPoolExecutor(WORKERS) as pool:
        parts = [pool.submit(part) for part in _parts()]
        return [row for part in parts for row in part.result()]


def _parts() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    yield from dependence.parts()
    yield from together.parts()
    for m, f in BOUNDARY:
        yield partial(_flip_at_the_margin, m, f)
    yield _rate_at_the_limit
    yield _harm_at_the_margin
    yield partial(_bounded_at_the_margin, 80, 6400, 4000)
    yield partial(_bounded_at_the_margin, 320, 8192, 2000)
    yield _bounded_harm_at_the_margin
    yield partial(_locked_at_the_margin, 30, 10)
    yield partial(_locked_at_the_margin, 60, 40)
    yield _locked_harm_below_the_margin
    for metric in ("precision", "F1"):
        yield partial(_ratio_at_the_margin, metric, False)
        yield partial(_ratio_at_the_margin, metric, True)
    for name, direction in (("p50", "pass"), ("p95", "pass"), ("p95", "harm")):
        yield partial(_latency_at_the_limit, name, direction)
    yield partial(_blocks_to_a_pass, 1.05, 800)
    yield partial(_blocks_to_a_pass, 1.10, 400)
    yield partial(_items_to_a_pass, 0.02, 1250)
    yield partial(_items_to_a_pass, 0.05, 2700)
    yield _brier_items_to_a_pass
    yield _locked_items_to_a_pass
    yield _precision_items_to_a_pass
    yield _items_to_harm


def _fixed_plan(m: float, f: float) -> int:
    z = NormalDist().inv_cdf(1 - ALPHA) + NormalDist().inv_cdf(0.9)
    return math.ceil(z * z * f / m**2)


def _flip_at_the_margin(m: float, f: float) -> list[dict[str, Any]]:
    horizon = 6 * _fixed_plan(m, f)
    ends = plan.simulate(horizon, alpha=ALPHA, margin=m, flip_rate=f, loss=m, seed=1, paths=PATHS)
    return wrong(f"flip, margin {m:.1%}, flips {f:.0%}", float(np.isfinite(ends).mean()))


def _rate_at_the_limit() -> list[dict[str, Any]]:
    h = 0.03
    hits = np.random.default_rng(2).binomial(8, h, size=(PATHS, 6 * _fixed_plan(h, h) // 8))
    wealth = rate.gains(np.stack((hits, 8 - hits), -1), h).path()
    return wrong(f"rate, limit {h:.0%}", float((wealth >= pass_threshold(ALPHA)).any(-1).mean()))


def _harm_paths(m: float, loss: float, f: float, items: int, seed: int) -> Iterator[np.ndarray]:
    shares = [(f + loss) / 2, (f - loss) / 2, 1 - f, 0]
    draw = np.random.default_rng(seed)
    for _ in range(0, PATHS, 250):  # 24 bets at once: a part at a time bounds memory
        yield harm.gains(draw.multinomial(8, shares, size=(250, items // 8)), m).path()


def _harm_at_the_margin() -> list[dict[str, Any]]:
    m, f = 0.01, 0.05
    reached = [(path >= harm_threshold(1, ALPHA)).any(-1) for path in _harm_paths(m, m, f, _fixed_plan(m, f), seed=3)]
    return wrong(f"harm, margin {m:.0%}, flips {f:.0%}", float(np.mean(reached)))


def _losses(items: int, units: int, spread: int) -> Iterator[np.ndarray]:
    """Losses like a Brier score's: mostly tiny, one in ten up to `spread` units, with a mean of exactly `units`."""
    draw = np.random.default_rng(8)
    for _ in range(0, PATHS, 250):
        size = np.where(draw.random((250, items)) < 0.1, spread, 200)
        yield units + draw.integers(-size, size, endpoint=True)


def _bounded_at_the_margin(units: int, spread: int, items: int) -> list[dict[str, Any]]:
    m = units * bounded.UNIT
    paths = (bounded.gains(losses, m).path() for losses in _losses(items, units, spread))
    passed = [(path >= pass_threshold(ALPHA)).any(-1) for path in paths]
    return wrong(f"bounded loss, margin {units}/{bounded.SCALE}", float(np.mean(passed)))


def _bounded_harm_at_the_margin() -> list[dict[str, Any]]:
    units = 320
    recorded = _losses(800, units + 1, 8192)  # true losses just above a unit are recorded one higher
    paths = (bounded.harm_gains(losses, units * bounded.UNIT).path() for losses in recorded)
    reached = [(path >= harm_threshold(1, ALPHA)).any(-1) for path in paths]
    return wrong(f"bounded loss, margin {units}/{bounded.SCALE}, harm", float(np.mean(reached)))


def _brier_items_to_a_pass() -> list[dict[str, Any]]:
    draw, shape = np.random.default_rng(9), (1000, 1600)
    logits = 2 * draw.standard_normal(shape)
    moved = logits + 0.1 * draw.standard_normal(shape)
    baseline, candidate = (1 / (1 + np.exp(-scores)) for scores in (logits, moved))
    right = draw.random(shape) < baseline
    wealth = bounded.gains(bounded.to_units((candidate - right) ** 2 - (baseline - right) ** 2), 0.01).path()
    reached = wealth >= pass_threshold(ALPHA)
    median = float(np.median(np.where(reached.any(-1), 8 * (reached.argmax(-1) + 1), np.inf)))
    return [row("median items to a pass, Brier score, margin 1%, logits moved by 0.1", median, "items", 380)]


def _locked_sets(n10: int, n01: int, seed: int) -> Iterator[np.ndarray]:
    """A locked set of `LOCKED` items in as many random orders as there are paths: batches (250, k, 4) at a time."""
    whole, draw = np.repeat([1, -1, 0], [n10, n01, LOCKED - n10 - n01]), np.random.default_rng(seed)
    for _ in range(0, PATHS, 250):
        order = draw.permuted(np.tile(whole, (250, 1)), axis=1).reshape(250, -1, 8)
        lost, won = (order == 1).sum(-1), (order == -1).sum(-1)
        yield np.stack((lost, won, 8 - lost - won, np.zeros_like(lost)), -1)


def _locked_at_the_margin(n10: int, n01: int) -> list[dict[str, Any]]:
    paths = (locked.gains(sets, LOCKED, 0.01).path() for sets in _locked_sets(n10, n01, seed=10))
    passed = [(path >= pass_threshold(ALPHA)).any(-1) for path in paths]
    return wrong(f"locked set of {LOCKED}, margin 1%, {n10} lost and {n01} won", float(np.mean(passed)))


def _locked_harm_below_the_margin() -> list[dict[str, Any]]:
    paths = (locked.harm_gains(sets, LOCKED, 0.01).path() for sets in _locked_sets(39, 20, seed=11))
    reached = [(path >= harm_threshold(1, ALPHA)).any(-1) for path in paths]
    return wrong(f"locked set of {LOCKED}, margin 1%, 39 lost and 20 won, harm", float(np.mean(reached)))


def _locked_items_to_a_pass() -> list[dict[str, Any]]:
    paths = (locked.gains(sets, LOCKED, 0.01).path() for sets in _locked_sets(30, 30, seed=12))
    ends = [8 * ((path >= pass_threshold(ALPHA)).argmax(-1) + 1) for path in paths]  # at the latest when all are seen
    name = f"median items to a pass, locked set of {LOCKED}, margin 1%, flips 3%"
    return [row(name, float(np.median(ends)), "items", 950)]


def _spoilt(metric: ratio.RatioMetric, loss: float) -> np.ndarray:
    """Shares of the 8 kinds of item when enough of the candidate's own right positives are wrong instead."""
    low, high = 0.0, KINDS[5]
    for _ in range(60):
        moved = (low + high) / 2
        shares = KINDS + moved * np.array([0, 1, 0, 0, 0, -1, 0, 0])
        baseline, candidate = ratio.ratio_estimates(metric, shares)
        low, high = (low, moved) if (baseline or 0) - (candidate or 0) > loss else (moved, high)
    return np.asarray(shares)


def _ratio_at_the_margin(name: str, harm: bool) -> list[dict[str, Any]]:
    margin, metric = 0.02, ratio.precision() if name == "precision" else ratio.f_beta()
    shares = _spoilt(metric, margin)
    theta, draw, proved = ratio.ratio_estimates(metric, shares)[0] or 0, np.random.default_rng(13), 0
    for _ in range(0, PATHS, 250):
        totals = np.cumsum(draw.multinomial(200, shares / shares.sum(), size=(250, 100)), axis=1)
        # Wealth at the true ratio is no less than the evidence: only where that suffices the whole is worked out.
        near = ratio.profile(metric, totals, margin, theta, harm=harm) >= harm_threshold(1, ALPHA)
        wealth = ratio.log_e(metric, totals[near.any(-1)], margin, harm=harm)
        proved += int((wealth >= harm_threshold(1, ALPHA)).any(-1).sum())
    return wrong(f"{name}, margin {margin:.1%}{', harm' * harm}", proved / PATHS)


def _precision_items_to_a_pass() -> list[dict[str, Any]]:
    totals = np.cumsum(np.random.default_rng(14).multinomial(50, KINDS, size=(101, 120)), axis=1)
    reached = ratio.log_e(ratio.precision(), totals, 0.02) >= pass_threshold(ALPHA)
    median = float(np.median(np.where(reached.any(-1), 50 * (reached.argmax(-1) + 1), np.inf)))
    return [row("median items to a pass, precision 90%, margin 2%, 20% positives, 95% agree", median, "items", 2200)]


def _blocks(rng: np.random.Generator, count: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Lognormal times, sigma 15 %; the models of a block share 60 % of the noise's variance."""
    shared = math.sqrt(0.6) * rng.standard_normal((count, 1))
    own = math.sqrt(0.4) * rng.standard_normal((2, count, 2))
    return np.exp(SIGMA * (shared + own[0])), ratio * np.exp(SIGMA * (shared + own[1]))


def _latency_at_the_limit(name: str, direction: str) -> list[dict[str, Any]]:
    (p, z), proved = QUANTILES[name], 0
    rng, threshold = np.random.default_rng([4, *name.encode(), *direction.encode()]), pass_threshold(ALPHA)
    evidence = latency.log_e if direction == "pass" else latency.log_harm
    bound = partial(latency.profile, p=p, r=LIMIT, harm=direction == "harm", tau=[math.exp(SIGMA * z)])
    for _ in range(PATHS):
        b, c = _blocks(rng, SLOWEST, LIMIT)
        # Wealth at the true quantile is no less than the evidence: only where that suffices the whole is worked out.
        proved += any(
            bound(b[:n], c[:n])[0] >= threshold and evidence(b[:n], c[:n], p, LIMIT) >= threshold
            for n in latency.rounds(SLOWEST)
        )
    return wrong(f"latency {name}, limit {LIMIT:.2f}, {direction}", proved / PATHS)


def _blocks_to_a_pass(r: float, limit: int) -> list[dict[str, Any]]:
    rng, ends = np.random.default_rng(7), []
    for _ in range(101):
        b, c = _blocks(rng, 2 * limit, 1.0)
        stalled = np.where(rng.random((len(b), 1)) < 0.01, 3.0, 1.0)  # one call in a hundred, both models alike
        b, c = stalled * b, stalled * c
        passed = (n for n in latency.rounds(len(b)) if latency.log_e(b[:n], c[:n], 0.95, r) >= pass_threshold(ALPHA))
        ends.append(next(passed, math.inf))
    return [row(f"median blocks to a pass, p95, limit {r:.2f}, equal models", float(np.median(ends)), "blocks", limit)]


def _items_to_a_pass(f: float, limit: int) -> list[dict[str, Any]]:
    m = 0.01
    fixed = _fixed_plan(m, f)
    ends = plan.simulate(4 * fixed, alpha=ALPHA, margin=m, flip_rate=f, seed=5, paths=PATHS)
    median, name = float(np.median(ends)), f"margin {m:.0%}, flips {f:.0%}"
    return [
        row(f"median items to a pass, {name}", median, "items", limit),
        row(f"median items to a pass / fixed plan of {fixed}, {name}", median / fixed, "ratio", limit / fixed),
    ]


def _items_to_harm() -> list[dict[str, Any]]:
    paths, rows = list(_harm_paths(0.01, 0.03, 0.05, 4000, seed=6)), []
    for gates, limit in ((1, 950), (5, 1300), (20, 1650)):
        reached = [path >= harm_threshold(gates, ALPHA) for path in paths]
        ends = np.concatenate([np.where(hit.any(-1), 8 * (hit.argmax(-1) + 1), np.inf) for hit in reached])
        name = f"median items to harm, margin 1%, true loss 3 points, {gates} gate{'s' * (gates > 1)}"
        rows.append(row(name, float(np.median(ends)), "items", limit))
    return rows
