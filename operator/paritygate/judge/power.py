"""What a number of items can do for a claim, before any of them is judged."""

from functools import lru_cache

from paritygate.api import TRAITS, Claim, EvaluationPlan, Evidence, Inference, Power
from paritygate.stats import plan as planning
from paritygate.stats.flip import FlipBet

from .budget import alpha_of
from .columns import column_of
from .processes.confusion import ratio_of
from .scenarios import SPREAD, planned_bounded, planned_gap, planned_locked, planned_rate, planned_ratio

LEAST_POWER = 0.5
"""A hard gate that would pass an equal candidate less often than this is underpowered."""

PLENTY = 4
"""Times the items needed: beyond it nothing is simulated, it costs time and memory and changes nothing."""

_EDGE = 1e-4  # of a share that is planned for


def planned(
    plan: EvaluationPlan,
    claim: Claim,
    have: int,
    share: float | None = None,
    with_margin: bool = True,
    items: int | None = None,
) -> Power | None:
    """What `have` items can do for a claim that is counted item by item, or as many clusters with `items` in them.

    `share`: of the class among all items, or of the second group of a gap. `with_margin` False leaves out the smallest
    provable margin, which costs a search. A cluster is planned as one item: as if those in it did all alike, which is
    the worst that can be. A gate is planned as if all items that the plan's cap allows were its own.
    """
    within = _within(plan, have, items)
    power = _planned(plan, claim, have if within is None else within, within is None, share, with_margin)
    if power is None or (items is None and within is None):
        return power
    needed = have if TRAITS[claim.metric].evidence is Evidence.REGRESSIONS else power.needed  # every one is looked at
    return power.model_copy(update={"needed": needed, "have": have, "items": items, "within": within})


def _within(plan: EvaluationPlan, have: int, items: int | None) -> int | None:
    """How many of the items or clusters the plan's cap allows, if not all."""
    held = have if items is None else items
    if plan.max_items is None or held <= plan.max_items:
        return None
    return have * plan.max_items // held


def _planned(
    plan: EvaluationPlan, claim: Claim, have: int, all_of_them: bool, share: float | None, with_margin: bool
) -> Power | None:
    alpha, margin, flips = alpha_of(plan), float(claim.margin or 0), float(plan.flip_rate)
    told = None
    match TRAITS[claim.metric].evidence:
        # Of a part of a locked set the rest stays open: planned as if it were drawn anew.
        case Evidence.FLIPS if plan.inference is Inference.LOCKED_SET and all_of_them:
            found = planned_locked(have, alpha, margin, flips)
        case Evidence.FLIPS:
            return _flips(have, alpha, margin, flips, with_margin)
        case Evidence.RATE:
            found = planned_rate(have, alpha, margin, flips)
        case Evidence.BOUNDED:
            found = planned_bounded(have, alpha, margin, SPREAD[column_of(claim).kind])
        case Evidence.CONFUSION:
            told = share or 0.0
            # A class that every item bears, or none, has no precision to lose: planned as one that is nearly so. Two
            # digits of its share plan well enough, and a thousand classes need not all be planned one by one.
            known = min(max(float(f"{told:.2g}"), _EDGE), 1 - _EDGE)
            found = planned_ratio(have, alpha, margin, ratio_of(claim.metric, float(claim.beta or 1)), known, flips)
        case Evidence.GAP:
            told = share or 0.0
            second = round(have * told)
            found = planned_gap(have - second, second, alpha, margin, flips)
        case Evidence.REGRESSIONS:
            return Power(needed=have, have=have, power=1.0 if have and all_of_them else 0.0)
        case _:
            return None
    return Power(needed=found.needed, have=have, power=found.power, share=told)


@lru_cache(maxsize=256)
def _needed(alpha: float, margin: float, flips: float) -> int:
    """However many there are: each of a thousand classes has another number of items."""
    bet = FlipBet(v0=flips)
    return planning.items_needed(alpha=alpha, margin=margin, flip_rate=flips, power=planning.TARGET_POWER, bet=bet)


@lru_cache(maxsize=4096)
def _flips(have: int, alpha: float, margin: float, flips: float, with_margin: bool) -> Power:
    bet = FlipBet(v0=flips)
    needed = _needed(alpha, margin, flips)
    least = min(have, PLENTY * needed)
    power = planning.planned_power(least, alpha=alpha, margin=margin, flip_rate=flips, bet=bet)
    smallest = None
    if with_margin and power < LEAST_POWER:
        smallest = planning.smallest_margin(have, alpha=alpha, flip_rate=flips, power=planning.TARGET_POWER, bet=bet)
    return Power(needed=needed, have=have, power=power, smallest_margin=smallest)
