"""The promise where items, slices, groups or scores depend on each other, and the power that plans promise."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from paritygate.judge import scenarios
from paritygate.stats import bounded, flip, gap, harm, judged, locked, multiple, plan, rate, ratio
from paritygate.stats.wealth import Wealth, harm_threshold, pass_threshold

ALPHA, PATHS = 0.05, 4000
ALLOWED = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / PATHS)
LOCKED = 2000  # items in the locked set


def parts() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Measurements, the longest first, each of which gives some rows."""
    for g, h in (((0.9, 0.9), (0.9, 0.87)), ((0.9, 0.87), (0.8, 0.74)), ((0.89, 0.9), (0.9, 0.86))):
        yield partial(_gap_at_the_margin, g, h, False)
        yield partial(_gap_at_the_margin, g, h, True)
    yield partial(_judged_at_the_margin, 0.2)
    yield partial(_judged_at_the_margin, 0.5)
    yield _overlapping_slices_at_the_margin
    yield _resumed_at_the_margin
    yield _tiny_slice_at_the_margin
    yield _culprits
    yield partial(_exploratory_list, 0.02)
    yield partial(_exploratory_list, 0.10)
    yield _items_to_a_narrow_gap
    yield _items_of_twenty_slices
    yield _no_flips_at_all
    yield _power_of_flips
    yield _power_of_other_kinds


def row(name: str, value: float, unit: str, limit: float, better: str = "lower") -> dict[str, Any]:
    """A figure and its limit."""
    kept = value <= limit if better == "lower" else value >= limit
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": better, "ok": bool(kept)}


def wrong(name: str, share: float) -> list[dict[str, Any]]:
    """The share of `PATHS` paths at the boundary that ended in a proof."""
    return [row(f"wrong at the boundary, {name}", share, f"share of {PATHS} paths", round(ALLOWED, 4))]


def _passed(wealth: np.ndarray) -> np.ndarray:
    return np.asarray((wealth >= pass_threshold(ALPHA)).any(-1))


def _kinds(baseline: float, candidate: float, flips: float) -> list[float]:
    """Shares of n10, n01, n11 and n00 in a group with these accuracies."""
    lost, won = (flips + baseline - candidate) / 2, (flips - baseline + candidate) / 2
    return [lost, won, baseline - lost, 1 - baseline - won]


def _gap_at_the_margin(g: tuple[float, float], h: tuple[float, float], harmed: bool) -> list[dict[str, Any]]:
    """Of two groups with these accuracies (baseline, candidate), whose gap grows by exactly 3 points."""
    kinds, draw, proved = (_kinds(*g, 0.08), _kinds(*h, 0.08)), np.random.default_rng(15), 0
    threshold = harm_threshold(1, ALPHA) + math.log(2) if harmed else pass_threshold(ALPHA)

    def latched(counts: np.ndarray, **bound: Any) -> np.ndarray:
        signs = (gap.log_e_path(counts, 0.03, gap.GAP_1, harm=harmed, **bound) >= threshold).any(1)
        return np.asarray(signs.any(1) if harmed else signs.all(1))  # a pass needs both, at times of their own

    means = tuple((kind[0] - kind[1], kind[2] - kind[3]) for kind in kinds)
    shares = [share / 2 for share in kinds[0] + kinds[1]]
    for _ in range(0, PATHS, 200):
        counts = draw.multinomial(32, shares, size=(200, 192))
        # Wealth at the true means is no less than the evidence: only where that suffices the whole is worked out.
        proved += sum(int(latched(counts[[run]]).sum()) for run in np.flatnonzero(latched(counts, means=means)))
    name = f"gap of groups, {g[0]:.0%} to {g[1]:.0%} and {h[0]:.0%} to {h[1]:.0%}, margin 3%{', harm' * harmed}"
    return wrong(name, proved / PATHS)


def _items_to_a_narrow_gap() -> list[dict[str, Any]]:
    draw, shares = np.random.default_rng(16), _kinds(0.9, 0.9, 0.04)
    counts = draw.multinomial(32, [share / 2 for share in shares * 2], size=(101, 160))
    wealth = np.concatenate([gap.log_e_path(run, 0.03, flip.FlipBet(v0=0.04, batch=32)) for run in counts[:, None]])
    reached = (wealth >= pass_threshold(ALPHA)).cumsum(1).astype(bool).all(-1)
    ends = np.where(reached.any(-1), 32 * (reached.argmax(-1) + 1), np.inf)
    return [row("median items to a pass, gap, margin 3%, flips 4%", float(np.median(ends)), "items", 2600)]


def _judged_at_the_margin(share: float) -> list[dict[str, Any]]:
    """A judge who is blind to 40 % of the harms, corrected by humans on a share of the items."""
    draw, m, f, largest, passed = np.random.default_rng(18), 0.02, 0.04, judged.largest_loss(share), []
    for _ in range(0, PATHS, 250):
        human = draw.choice([1, -1, 0], (250, 2000), p=[(f + m) / 2, (f - m) / 2, 1 - f])
        judge = np.where((human == 1) & (draw.random(human.shape) < 0.4), 0, human)
        losses = judged.corrected_losses(judge, human, draw.random(human.shape) < share, share)
        bet = flip.FlipBet(v0=0.05 / largest**2)
        passed.append(_passed(bounded.gains(bounded.to_units(losses), m / largest, bet).path()))
    return wrong(f"judge corrected on {share:.0%}, margin 2%", float(np.mean(passed)))


def _overlapping_slices_at_the_margin() -> list[dict[str, Any]]:
    """Five slices, each a random half of the items in an order of its own, all at the margin; who releases waits for
    whatever look suits: promoted once each has latched at some look. And the worst single slice of a fixed place."""
    draw, m, f, promoted, first = np.random.default_rng(19), 0.02, 0.04, 0, 0
    for _ in range(PATHS):
        d = draw.choice([1, -1, 0], 3200, p=[(f + m) / 2, (f - m) / 2, 1 - f])
        runs = np.stack([draw.permutation(d)[:1600] for _ in range(5)])  # a slice shares half of any other's items
        kinds = np.stack([(runs.reshape(5, -1, 8) == kind).sum(-1) for kind in (1, -1, 0, 2)], -1)
        latched = _passed(flip.gains(kinds, m).path())
        promoted, first = promoted + bool(latched.all()), first + bool(latched[0])
    return wrong("five overlapping slices at the margin, all latched", promoted / PATHS) + wrong(
        "five overlapping slices at the margin, the first latched", first / PATHS
    )


def _resumed_at_the_margin() -> list[dict[str, Any]]:
    draw, m, f, start, passed = np.random.default_rng(20), 0.02, 0.04, Wealth(pass_threshold(ALPHA)), 0
    for _ in range(PATHS):
        counts = draw.multinomial(8, [(f + m) / 2, (f - m) / 2, 1 - f, 0], size=400)
        state, at = start, 0
        for cut in [*np.sort(draw.integers(0, 400, 5)), 400]:
            state, at = state.after(flip.gains(counts[at:cut], m, state=state)), int(cut)
        passed += state.latched
    return wrong("flip, margin 2%, flips 4%, five retries resumed", passed / PATHS)


def _tiny_slice_at_the_margin() -> list[dict[str, Any]]:
    lost = np.random.default_rng(21).binomial(8, 0.05, size=(PATHS, 12))
    counts = np.stack((lost, 0 * lost, 8 - lost, 0 * lost), -1)
    share = float(_passed(flip.gains(counts, 0.05).path()).mean())
    return wrong("slice of 96 items, margin 5%, every flip harmful", share)


def _culprits() -> list[dict[str, Any]]:
    """Five guilty slices of twenty, the others at their margin."""
    draw, blamed, listed = np.random.default_rng(22), [], []
    for _ in range(400):
        innocent = draw.multinomial(32, [0.035, 0.015, 0.95, 0], size=(15, 60))
        guilty = draw.multinomial(32, [0.13, 0.01, 0.86, 0], size=(5, 60))
        wealth = harm.gains(np.concatenate((innocent, guilty)), 0.02).path()
        blamed.append((multiple.adjusted_harm(wealth.max(-1)) <= ALPHA)[:15].any())
        named = multiple.adjusted_exploratory(wealth[:, -1]) <= ALPHA
        listed.append(named[:15].sum() / max(1, named.sum()))
    unit, limit = "share of 400", ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 400)
    return [
        row("runs in which Holm names an innocent slice, 5 guilty of 20", float(np.mean(blamed)), unit, limit),
        row("innocent slices in the list of e-BH, 5 guilty of 20", float(np.mean(listed)), "share", ALPHA),
    ]


def _exploratory_list(guilty: float) -> list[dict[str, Any]]:
    """Two columns of eight slices that cut the same items, the second exactly at the margin throughout.

    The first slice of the first column loses `guilty`, its others as much less as keeps the second at the margin. One
    looks after every 128 items and stops, as an adversary would, as soon as an innocent slice is in the list.
    """
    margin, side, looks = 0.02, 8, 19
    losses = np.full((side, side), (margin * side - guilty) / (side - 1))
    losses[0] = guilty
    kinds = np.stack((0.02 + losses, np.full_like(losses, 0.02), 0.96 - losses), -1).reshape(-1) / side**2
    draw, shares = np.random.default_rng(26), []
    innocent = np.arange(2 * side) >= (1 if guilty > margin else 0)
    for _ in range(0, PATHS, 250):
        totals = np.cumsum(draw.multinomial(128, kinds, size=(250, looks)), axis=1)
        cells = totals.reshape(250, looks, side, side, 3)
        counts = np.concatenate((cells.sum(3), cells.sum(2)), axis=2)
        wealth = harm.log_harm(counts[..., 0], counts[..., 1], counts[..., 2], margin)
        for path in wealth:
            named = np.stack([multiple.adjusted_exploratory(look) <= ALPHA for look in path])
            wrongly = (named & innocent).any(-1)
            end = named[int(wrongly.argmax()) if wrongly.any() else -1]
            shares.append((end & innocent).sum() / max(1, end.sum()))
    name = "16 overlapping slices, all at the margin" if guilty <= margin else "16 overlapping slices, one guilty"
    limit = round(ALLOWED, 4)
    return [row(f"innocent share of the exploratory list, {name}", float(np.mean(shares)), "share", limit)]


def _items_of_twenty_slices() -> list[dict[str, Any]]:
    ends = plan.simulate(4000, alpha=ALPHA, margin=0.02, flip_rate=0.03, seed=23, paths=20 * 200)
    total = float(np.median(np.minimum(ends, 4000).reshape(200, 20).sum(-1)))
    return [row("median items of 20 slices in all, margin 2%, flips 3%", total, "items", 12_000)]


def _no_flips_at_all() -> list[dict[str, Any]]:
    ours, any_rule = plan.fewest_items(ALPHA, 0.01), plan.items_without_a_flip(ALPHA, 0.01)
    return [row(f"items to a pass without a flip / the {any_rule} of any rule", ours / any_rule, "ratio", 1.7)]


def _power_of_flips() -> list[dict[str, Any]]:
    rows = []
    for m, f in ((0.01, 0.02), (0.01, 0.05), (0.02, 0.02)):
        bet = flip.FlipBet(v0=f)
        items = plan.items_needed(alpha=ALPHA, margin=m, flip_rate=f, power=0.9, bet=bet)
        ends = plan.simulate(items, alpha=ALPHA, margin=m, flip_rate=f, seed=24, bet=bet, paths=PATHS)
        rows.append(_power(f"flip, margin {m:.0%}, flips {f:.0%}, {items} items", float(np.isfinite(ends).mean())))
    return rows


def _power(name: str, share: float) -> dict[str, Any]:
    return row(f"power when 90% is planned, {name}", share, "share", 0.87, better="higher")


def _power_of_other_kinds() -> list[dict[str, Any]]:
    draw, f = np.random.default_rng(25), 0.03
    items = scenarios.planned_rate(0, ALPHA, 0.03, 0.02).needed
    hits = draw.binomial(8, 0.01, size=(PATHS, items // 8))
    rows = [
        _power(
            f"rate, limit 3%, {items} items",
            float(_passed(rate.gains(np.stack((hits, 8 - hits), -1), 0.03).path()).mean()),
        )
    ]
    items = scenarios.planned_bounded(0, ALPHA, 0.01, 0.001).needed
    size = np.where(draw.random((PATHS, items)) < 0.1, 3, 1 / 3) * math.sqrt(0.001)
    units = bounded.to_units(size * draw.choice([-1, 1], size.shape))
    rows.append(
        _power(f"bounded loss, margin 1%, {items} items", float(_passed(bounded.gains(units, 0.01).path()).mean()))
    )
    items = scenarios.planned_locked(LOCKED, ALPHA, 0.01, f).needed
    counts = draw.multinomial(8, [f / 2, f / 2, 1 - f, 0], size=(PATHS, LOCKED // 8))
    wealth = locked.gains(counts, LOCKED, 0.01, flip.FlipBet(v0=f, cap=0.95)).path()[:, : items // 8]
    rows.append(_power(f"locked set of {LOCKED}, margin 1%, {items} items", float(_passed(wealth).mean())))
    items = scenarios.planned_ratio(0, ALPHA, 0.03, ratio.precision(), 0.2, 0.02).needed
    shares = [0.775, 0.005, 0.005, 0.015, 0.015, 0.005, 0.005, 0.175]
    totals = np.cumsum(draw.multinomial(items // 24, shares, size=(400, 24)), axis=1)
    rows.append(
        _power(
            f"precision, margin 3%, {items} items", float(_passed(ratio.log_e(ratio.precision(), totals, 0.03)).mean())
        )
    )
    items = scenarios.planned_gap(1, 1, ALPHA, 0.05, 0.04).needed
    counts = draw.multinomial(32, [0.01, 0.01, 0.43, 0.05] * 2, size=(200, items // 32))
    latched = [(gap.log_e_path(run, 0.05) >= pass_threshold(ALPHA)).any(0).all() for run in counts]
    return [
        *rows,
        row(
            f"power when 90% is planned, gap, margin 5%, {items} items",
            float(np.mean(latched)),
            "share",
            0.84,
            better="higher",
        ),
    ]
