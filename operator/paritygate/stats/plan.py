"""How many items a gate needs, before a device is taken.

The log wealth of the best fixed bet is nearly Brownian motion with drift m^2/2f and variance m^2/f, so the items to a
pass are nearly inverse Gaussian (Wald 1947; Siegmund 1985, III). The real rule has to learn f and is up to a sixth
slower, more when flips are rarer than three margins: there, and for every other rule (`plan`), the real rule is
simulated, from a fixed seed. What an equal candidate looks like to a rule other than the flip rule, the caller says.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import flip
from .flip import FLIP_1, FlipBet
from .wealth import Floats, Ints, check_fraction, pass_threshold

ALLOWANCE = 1.15  # the real bet against the best fixed bet, when f >= 3 m (simulated: 1.02 to 1.16 with v0 = f)
RARE = 3.0  # below this many margins, flips are too few for the Brownian picture
WIDEST = 0.999  # margin; at 1 there is nothing to prove
TARGET_POWER = 0.9
PATHS = 2000
CHUNK = 100_000  # batches simulated at once: some ten MiB, for the operator plans many at a time within its limit
LOOKS = 512  # at most, in one simulated run: a batch of 1/512 of a long run costs no more than that share of it
LONGEST = 2**40  # items; a gate that needs more is reported to need that many

Rule = Callable[[Ints, int], Floats]
"""Log wealth (runs, k) after each batch of runs of counts (runs, k, J), in batches of so many items."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a gate needs: items for `TARGET_POWER`, and the chance that those at hand suffice."""

    needed: int
    power: float


def pass_time_cdf(units: float, alpha: float) -> float:
    """P(pass within `units` * f/m^2 items) for equal models: inverse Gaussian, mean 2a, shape a^2, a = ln(1/alpha)."""
    if units <= 0:
        return 0.0
    a, root = pass_threshold(alpha), math.sqrt(units)
    # Shape/x and x/mean simplify to a/sqrt(x) and sqrt(x)/2; exp(2 shape/mean) = 1/alpha.
    return _normal(root / 2 - a / root) + _normal(-root / 2 - a / root) / alpha


def pass_time_quantile(power: float, alpha: float) -> float:
    """Units of f/m^2 after which equal models have passed with probability `power`; inverse of `pass_time_cdf`."""
    check_fraction("power", power)
    low, high = 0.0, 1.0
    while pass_time_cdf(high, alpha) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if pass_time_cdf(middle, alpha) < power else (low, middle)
    return high


def items_without_a_flip(alpha: float, margin: float) -> int:
    """The floor for ANY valid rule: fewer items without one harmful flip can not reject a loss of `margin`.

    ceil(ln(1/alpha) / -ln(1 - margin)): at the margin such luck still has probability alpha. Ten clean items are no
    proof. Raises ValueError for arguments outside (0, 1).
    """
    return math.ceil(pass_threshold(alpha) / -math.log1p(-check_fraction("margin", margin)))


def fewest_items(alpha: float, margin: float, bet: FlipBet = FLIP_1) -> int:
    """Items after which the flip rule passes a run without a single flip: exact, by running it."""
    batches = -(-items_without_a_flip(alpha, margin) // bet.batch)
    while True:
        clean = np.tile(np.array([0, 0, bet.batch, 0]), (batches, 1))
        reached = flip.gains(clean, margin, bet).path() >= pass_threshold(alpha)
        if reached.any():
            return int(reached.argmax() + 1) * bet.batch
        batches *= 2


def simulate(
    items: int,
    *,
    alpha: float,
    margin: float,
    flip_rate: float,
    seed: int,
    loss: float = 0.0,
    bet: FlipBet = FLIP_1,
    paths: int = PATHS,
) -> Floats:
    """Items to a pass (paths,) of the REAL flip rule with at most `items` (cut down to whole batches); inf = no pass.

    The candidate truly loses `loss` and flips at `flip_rate`: loss 0 gives the power, loss = margin the wrong
    promotions. Raises ValueError unless |loss| <= flip_rate <= 1.
    """
    if not abs(loss) <= flip_rate <= 1:
        raise ValueError(f"a loss of {loss} needs a flip rate between {abs(loss)} and 1, got {flip_rate}")
    kinds = np.array([(flip_rate + loss) / 2, (flip_rate - loss) / 2, 1 - flip_rate, 0])

    def rule(counts: Ints, _: int) -> Floats:
        return flip.gains(counts, margin, bet).path()

    return _ends(rule, alpha, kinds, bet.batch, items // bet.batch, paths, seed)


def planned_power(
    items: int, *, alpha: float, margin: float, flip_rate: float, bet: FlipBet = FLIP_1, paths: int = PATHS
) -> float:
    """P(an equal candidate passes within `items`): the formula with its allowance, the real rule for f < 3 margins.

    When a refusal hangs on the answer, take `(simulate(...) <= items).mean()` for every f.
    """
    if flip_rate >= RARE * check_fraction("margin", margin):
        units = items / (ALLOWANCE * flip_rate / margin**2)
        return pass_time_cdf(units, alpha) if items >= fewest_items(alpha, margin, bet) else 0.0
    ends = simulate(items, alpha=alpha, margin=margin, flip_rate=flip_rate, seed=0, bet=bet, paths=paths)
    return float(np.isfinite(ends).mean())


def items_needed(*, alpha: float, margin: float, flip_rate: float, power: float, bet: FlipBet = FLIP_1) -> int:
    """Items, in whole batches, with which an equal candidate passes with probability `power`.

    For G hard gates plan each with power 1 - (1 - power)/G; for a slice of prevalence w divide by w.
    Raises ValueError for alpha, margin or power outside (0, 1) or a flip rate outside [0, 1].
    """
    if not 0 <= flip_rate <= 1:
        raise ValueError(f"flip_rate must lie between 0 and 1, got {flip_rate}")
    floor = fewest_items(alpha, margin, bet)
    items = ALLOWANCE * pass_time_quantile(power, alpha) * flip_rate / margin**2
    if flip_rate < RARE * margin:
        horizon, items = max(floor, 2 * math.ceil(items)), math.inf
        while math.isinf(items):
            ends = simulate(horizon, alpha=alpha, margin=margin, flip_rate=flip_rate, seed=0, bet=bet)
            items, horizon = _quantile(ends, power), 2 * horizon
    return max(floor, math.ceil(items / bet.batch) * bet.batch)


def smallest_margin(items: int, *, alpha: float, flip_rate: float, power: float, bet: FlipBet = FLIP_1) -> float | None:
    """The smallest margin (to 1 % of itself) that `items` can prove with probability `power`; None if none can.

    What `Planned` offers when a slice is too small for its margin. Raises ValueError as `items_needed`.
    """

    def proves(margin: float) -> bool:
        found = planned_power(items, alpha=alpha, margin=margin, flip_rate=flip_rate, bet=bet, paths=PATHS // 4)
        return found >= power

    if items < 1:
        return None
    # No rule proves less than the formula without its allowance, nor less than a run without a flip.
    brownian = math.sqrt(pass_time_quantile(power, alpha) * flip_rate / items)
    low = high = max(brownian, -math.expm1(-pass_threshold(alpha) / items))
    while not proves(high := min(high * 1.2, WIDEST)):
        if high == WIDEST:
            return None
        low = high
    while high > low * 1.01:
        middle = (low + high) / 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high


def plan(
    have: int,
    rule: Rule,
    alpha: float,
    kinds: Floats,
    horizon: float,
    paths: int = PATHS // 2,
    together: Callable[[int], int] = lambda batches: 1,
) -> Planned:
    """What a rule needs for `alpha`, and has with `have` items, when items are drawn as one of `kinds`, the chance of
    each. Runs of at first `horizon` items are simulated; `together` says how many of so many batches make one.
    """

    def run(items: float) -> Floats:
        batch, batches = _batches(math.ceil(items))
        few = together(batches)
        return _ends(rule, alpha, kinds, batch * few, max(1, batches // few), paths)

    times = run(horizon)
    while math.isinf(needed := _quantile(times, TARGET_POWER)) and horizon < LONGEST:
        horizon *= 2
        times = run(horizon)
    if horizon > 4 * needed or have > horizon:  # look closer, or further, but never beyond four times what is needed
        times = run(min(max(have, 2 * needed), 4 * needed))
    needed = min(_quantile(times, TARGET_POWER), LONGEST)
    return Planned(int(needed), float((times <= have).mean()))


def plan_whole(
    population: int, rule: Callable[[Ints, int, int], Floats], alpha: float, kinds: Floats, least: float
) -> Planned:
    """What a rule (that is also told the size) needs of a finite set, whose items are themselves drawn as `kinds`.

    `needed` is the number of its items that have to be seen or, if its power is too small, the size of a set that
    would do: sought from `least` upwards.
    """
    draw = np.random.default_rng(0)

    def ends(size: int) -> Floats:
        batch, batches = _batches(size)
        counts = draw.multinomial(batch, kinds, (PATHS // 4, batches))
        counts[:, -1] = draw.multinomial(size - batch * (batches - 1), kinds, len(counts))
        wealth = rule(counts, batch, size)
        certain = np.where(wealth[:, -1] == np.inf, size, np.inf)
        return np.minimum(_first(wealth >= pass_threshold(alpha), batch), certain)

    times, size = ends(population), population
    power = float(np.isfinite(times).mean())
    if math.isinf(_quantile(times, TARGET_POWER)):
        size = max(size, int(least))
    while math.isinf(needed := _quantile(times, TARGET_POWER)):
        size = math.ceil(1.25 * size)
        times = np.where(np.isfinite(ends(size)), size, np.inf)
    return Planned(int(needed), power)


def first_horizon(alpha: float, margin: float, v: float) -> float:
    """Items for `plan` to start with, where E d^2 is `v`: twice those of the formula, and of what luck alone needs."""
    least = items_without_a_flip(alpha, margin)
    return 2 * max(least, pass_time_quantile(TARGET_POWER, alpha) * v / margin**2)


def _ends(rule: Rule, alpha: float, kinds: Floats, batch: int, batches: int, paths: int, seed: int = 0) -> Floats:
    """Items to a pass (paths,) of the rule, inf = no pass, for items drawn as one of `kinds`, the chance of each."""
    draw, ends = np.random.default_rng(seed), np.full(paths, np.inf)
    at_once = max(1, CHUNK // max(batches, 1))  # the draws are the same, however they are cut
    for start in range(0, paths if batches else 0, at_once):
        part = ends[start : start + at_once]
        counts = draw.multinomial(batch, kinds, (part.size, batches))
        part[:] = _first(rule(counts, batch) >= pass_threshold(alpha), batch)
    return ends


def _batches(items: int) -> tuple[int, int]:
    """Items a batch, in eights, and how many batches, of a run with at most `LOOKS` of them."""
    batch = 8 * -(-items // (8 * LOOKS))
    return batch, -(-items // batch)


def _first(passed: npt.NDArray[np.bool_], batch: int) -> Floats:
    """Items (paths,) at the first look that passed (paths, looks), inf = none."""
    return np.where(passed.any(-1), (passed.argmax(-1) + 1.0) * batch, np.inf)


def _quantile(times: Floats, power: float) -> float:
    return float(np.quantile(times, power, method="inverted_cdf"))


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
