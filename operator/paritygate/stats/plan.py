"""How many items a gate needs, before a device is taken.

The log wealth of the best fixed bet is nearly Brownian motion with drift m^2/2f and variance m^2/f, so the items to a
pass are nearly inverse Gaussian (Wald 1947; Siegmund 1985, III). The real rule has to learn f and is up to a sixth
slower, more when flips are rarer than three margins: there the plan simulates the real rule.
"""

import math

import numpy as np

from .flip import FLIP_1, FlipBet, log_wealth_path
from .wealth import Floats, check_fraction, pass_threshold

ALLOWANCE = 1.15  # the real bet against the best fixed bet, when f >= 3 m (simulated: 1.02 to 1.16 with v0 = f)
RARE = 3.0  # below this many margins, flips are too few for the Brownian picture
PATHS = 2000
WIDEST = 0.999  # margin; at 1 there is nothing to prove


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
    high = 1.0
    while pass_time_cdf(high, alpha) < power:
        high *= 2
    low = 0.0
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
        reached = log_wealth_path(clean, margin, bet) >= pass_threshold(alpha)
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
    """Items to a pass (paths,) of the REAL rule with at most `items` (cut down to whole batches); inf = no pass.

    The candidate truly loses `loss` and flips at `flip_rate`: loss 0 gives the power, loss = margin the wrong
    promotions. Raises ValueError unless |loss| <= flip_rate <= 1.
    """
    if not abs(loss) <= flip_rate <= 1:
        raise ValueError(f"a loss of {loss} needs a flip rate between {abs(loss)} and 1, got {flip_rate}")
    draw, batches = np.random.default_rng(seed), items // bet.batch
    shares = np.array([(flip_rate + loss) / 2, (flip_rate - loss) / 2, 1 - flip_rate, 0])
    ends = np.full(paths, np.inf)
    chunk = max(1, 2_000_000 // max(batches, 1))  # bounds memory, not the result's law
    for start in range(0, paths if batches else 0, chunk):
        part = ends[start : start + chunk]
        counts = draw.multinomial(bet.batch, shares, size=(part.size, batches))
        reached = log_wealth_path(counts, margin, bet) >= pass_threshold(alpha)
        part[reached.any(-1)] = (reached.argmax(-1)[reached.any(-1)] + 1) * bet.batch
    return ends


def planned_power(
    items: int, *, alpha: float, margin: float, flip_rate: float, bet: FlipBet = FLIP_1, seed: int = 0
) -> float:
    """P(an equal candidate passes within `items`): the formula with its allowance, the real rule for f < 3 margins.

    When a refusal hangs on the answer, take `(simulate(...) <= items).mean()` for every f.
    """
    if flip_rate >= RARE * check_fraction("margin", margin):
        units = items / (ALLOWANCE * flip_rate / margin**2)
        return pass_time_cdf(units, alpha) if items >= fewest_items(alpha, margin, bet) else 0.0
    ends = simulate(items, alpha=alpha, margin=margin, flip_rate=flip_rate, seed=seed, bet=bet)
    return float(np.isfinite(ends).mean())


def items_needed(
    *, alpha: float, margin: float, flip_rate: float, power: float, bet: FlipBet = FLIP_1, seed: int = 0
) -> int:
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
            ends = simulate(horizon, alpha=alpha, margin=margin, flip_rate=flip_rate, seed=seed, bet=bet)
            items, horizon = float(np.quantile(ends, power, method="inverted_cdf")), 2 * horizon
    return max(floor, math.ceil(items / bet.batch) * bet.batch)


def smallest_margin(
    items: int, *, alpha: float, flip_rate: float, power: float, bet: FlipBet = FLIP_1, seed: int = 0
) -> float | None:
    """The smallest margin (to 0.5 % of itself) that `items` can prove with probability `power`; None if none can.

    What `Planned` offers when a slice is too small for its margin. Raises ValueError as `items_needed`.
    """

    def proves(margin: float) -> bool:
        return planned_power(items, alpha=alpha, margin=margin, flip_rate=flip_rate, bet=bet, seed=seed) >= power

    if items < 1:
        return None
    # No rule proves less than the formula without its allowance, nor less than a run without a flip.
    low = max(
        math.sqrt(pass_time_quantile(power, alpha) * flip_rate / items), -math.expm1(-pass_threshold(alpha) / items)
    )
    high = low
    while not proves(high := min(high * 1.2, WIDEST)):
        if high == WIDEST:
            return None
        low = high
    while high > low * 1.005:
        middle = (low + high) / 2
        low, high = (low, middle) if proves(middle) else (middle, high)
    return high


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
