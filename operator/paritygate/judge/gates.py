"""Claims cut along the slices of the data: one gate each, with its own order of items and its planned power."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from paritygate.api import Claim, Enforcement, EvaluationPlan, Metric, Power, Slice, Underpowered
from paritygate.stats.flip import FlipBet
from paritygate.stats.order import item_order
from paritygate.stats.plan import items_needed, planned_power, smallest_margin
from paritygate.stats.rate import RATE_1, log_wealth_path
from paritygate.stats.wealth import pass_threshold

from .plan import ITEM_METRICS, PlanError, order_seed

Ints = npt.NDArray[np.int64]

TARGET_POWER = 0.9
LEAST_POWER = 0.5
"""A hard gate that would pass an equal candidate less often than this is underpowered."""

PLENTY, ALL_BUT_SURE = 4, 0.99
"""Items beyond what is all but sure to be enough are not simulated: they cost time and memory and change nothing."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One claim about one slice (or about all items)."""

    claim: Claim
    slice: Slice | None
    sequence: Ints
    """Item indices of this gate in the global order; empty for gates that are not counted item by item."""
    power: Power | None

    @property
    def name(self) -> str:
        """`claim`, or `claim/value` of a slice."""
        return f"{self.claim.name}/{self.slice.value}" if self.slice else self.claim.name

    @property
    def hard(self) -> bool:
        """Whether it decides."""
        return self.claim.enforcement is Enforcement.HARD

    @property
    def underpowered(self) -> bool:
        """Whether the items at hand would pass an equal candidate less than every second time."""
        return self.power is not None and self.power.power < LEAST_POWER

    @property
    def excluded(self) -> bool:
        """Hard, too small to be proved, and allowed to be: it can still fail the candidate."""
        return self.hard and self.underpowered and self.claim.underpowered is Underpowered.HARM_ONLY

    @property
    def refused(self) -> bool:
        """Hard, too small to be proved, and not allowed to be: nothing is started."""
        return self.hard and self.underpowered and self.claim.underpowered is Underpowered.REFUSE


def expand(
    plan: EvaluationPlan, ids: Sequence[str], columns: Mapping[str, Sequence[str]], with_margins: bool = True
) -> tuple[Gate, ...]:
    """The gates of a plan over these items, claims in the plan's order, slices by value.

    `columns` holds one value per item for each slice column. `with_margins` False leaves out the smallest provable
    margin, which costs a search. Raises PlanError for a missing column.
    """
    order = item_order(order_seed(plan), ids)
    gates: list[Gate] = []
    for claim in plan.claims:
        if claim.metric not in ITEM_METRICS:
            gates.append(Gate(claim, None, np.zeros(0, np.int64), None))
        elif claim.slice_by is None:
            gates.append(Gate(claim, None, order, planned(plan, claim, len(order), with_margins)))
        else:
            gates += _slices(plan, claim, order, columns, with_margins)
    return tuple(gates)


def planned(plan: EvaluationPlan, claim: Claim, have: int, with_margin: bool = True) -> Power:
    """What `have` items can do for a claim that is counted item by item."""
    alpha, margin, flips = float(plan.alpha), float(claim.margin or 0), float(plan.flip_rate)
    if claim.metric is Metric.HARMFUL_FLIP_RATE:
        return _planned_rate(have, alpha, margin, flips)
    return _planned(have, alpha, margin, flips, with_margin)


def bet_of(plan: EvaluationPlan) -> FlipBet:
    """The preregistered bet: v0 is the technique's prior flip rate."""
    return FlipBet(v0=float(plan.flip_rate))


@lru_cache(maxsize=4096)
def _planned(have: int, alpha: float, margin: float, flips: float, with_margin: bool) -> Power:
    bet = FlipBet(v0=flips)
    needed = items_needed(alpha=alpha, margin=margin, flip_rate=flips, power=TARGET_POWER, bet=bet)
    power = planned_power(min(have, PLENTY * needed), alpha=alpha, margin=margin, flip_rate=flips, bet=bet)
    smallest = None
    if with_margin and power < LEAST_POWER:
        smallest = smallest_margin(have, alpha=alpha, flip_rate=flips, power=TARGET_POWER, bet=bet)
    return Power(needed=needed, have=have, power=power, smallest_margin=smallest)


@lru_cache(maxsize=1024)
def _planned_rate(have: int, alpha: float, limit: float, flips: float) -> Power:
    """By simulation of the real rule, seeded.

    The candidate planned for is one worth releasing: half of the technique's flips are harmful, but at most a third of
    the limit. A technique whose usual rate lies above the limit is no reason to refuse: this candidate may be better.
    """
    expected = min(flips / 2, limit / 3)
    horizon = 4096
    ends = _rate_ends(horizon, alpha, limit, expected)
    while horizon < have and (ends <= horizon).mean() < ALL_BUT_SURE:
        horizon = min(2 * horizon, have)
        ends = _rate_ends(horizon, alpha, limit, expected)
    needed = int(np.quantile(ends, TARGET_POWER, method="inverted_cdf"))
    return Power(needed=needed, have=have, power=float((ends <= min(have, horizon)).mean()))


def _rate_ends(horizon: int, alpha: float, limit: float, expected: float) -> Ints:
    """Items to a pass of 1000 runs; horizon + 1 = none."""
    batch, paths = RATE_1.batch, 1000
    hits = np.random.default_rng(0).binomial(batch, expected, (paths, horizon // batch))
    wealth = log_wealth_path(np.stack([hits, batch - hits], axis=-1), limit)
    passed = wealth >= pass_threshold(alpha)
    return np.where(passed.any(1), (passed.argmax(1) + 1) * batch, horizon + 1)


def _slices(
    plan: EvaluationPlan, claim: Claim, order: Ints, columns: Mapping[str, Sequence[str]], with_margins: bool
) -> list[Gate]:
    column = claim.slice_by or ""
    if column not in columns:
        known = ", ".join(sorted(columns)) or "none"
        raise PlanError(f"gate {claim.name}.sliceBy", f"the labels have no column {column!r}; they have: {known}")
    values = np.asarray(columns[column], dtype=object)
    return [
        Gate(
            claim,
            Slice(column=column, value=str(value)),
            sequence := order[values[order] == value],
            planned(plan, claim, len(sequence), with_margins),
        )
        for value in sorted(set(columns[column]))
    ]
