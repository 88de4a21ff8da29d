"""Evidence as sentences: value, limit, interval, n, and what to do next."""

from collections.abc import Mapping, Sequence
from math import log

from paritygate.api import OF_ITEMS, TRAITS, Claim, EvaluationPlan, Evidence, GateRecord, Metric, Power

from .budget import alpha_of

SHARES = frozenset({Evidence.FLIPS, Evidence.RATE, Evidence.CONFUSION, Evidence.GAP})
"""Shares of items: told in points. The others have a scale of their own."""


def describe(claim: Claim, record: GateRecord) -> str:
    """One gate in one sentence, with every number it rests on."""
    traits = TRAITS[claim.metric]
    if traits.evidence is Evidence.REGRESSIONS:
        return f"{record.name}: {record.n10:,} of {record.n:,} must-pass items lost, none may be"
    what = noun(claim)
    if traits.threshold == "margin":
        points = traits.evidence in SHARES
        value = f"{what} {_value(record.estimate, points)}{_interval(record, points)}"
        grouped = " clusters" if record.planned and record.planned.items is not None else ""
        items = f" (n={record.n:,}{grouped})" if record.n else ""
        return f"{record.name}: {value}, margin {_value(float(claim.margin or 0), points)}{items}"
    unit = f" ({record.n:,} blocks)" if traits.evidence is Evidence.TIMES else ""
    value = "not measured" if record.estimate is None else f"{record.estimate:.3f}{_interval(record, points=False)}"
    return f"{record.name}: {what} {value}, limit {float(claim.limit or 0):.2f}{unit}"


def shortfall(plan: EvaluationPlan, claim: Claim, record: GateRecord) -> str:
    """Why a gate is open, with what is missing."""
    said, unit = describe(claim, record), unit_of(record.planned)
    if plan.max_items is not None and record.planned and record.n < record.planned.have:
        further = max(record.planned.needed - record.n, 0)
        bar = log(1 / alpha_of(plan))
        wealth = "" if record.log_e is None else f" (log evidence {record.log_e:.2f} of {bar:.2f})"
        more = f"about {further:,} more {unit}" if further else f"more {unit} than planned"
        return (
            f"{said}: neither proved nor refuted with the {plan.max_items:,} items that evaluation.maxItems allows"
            f"{wealth}; needs {more} of the {record.planned.have - record.n:,} that are left: raise maxItems"
        )
    if record.planned and claim.metric in OF_ITEMS:
        if record.n == record.planned.have and (record.estimate or 0) >= float(claim.margin or 0):
            return f"{said}: all {unit} were used and it lies at the margin or beyond; more of them would not prove it"
        missing = max(record.planned.needed - record.planned.have, 0)
        more = f"about {missing:,} more {unit}" if missing else f"more {unit} than planned, or a wider margin"
        return f"{said}: neither proved nor refuted; needs {more}"
    return f"{said}: neither proved nor refuted; needs more blocks or a wider limit"


def provable(claims: Mapping[str, Claim], records: Sequence[GateRecord]) -> str:
    """What was proved, the answers first, at most two by name."""
    items = [r for r in records if claims[r.claim].metric in OF_ITEMS]
    said = [describe(claims[r.claim], r) for r in (items or list(records))[:2]]
    rest = len(records) - len(said)
    return "; ".join(said) + (f"; and {rest} more" if rest > 0 else "")


def underpowered(record_name: str, claim: Claim, power: Power) -> str:
    """A gate that its items can't prove, with the ways out in figures."""
    points, capped = TRAITS[claim.metric].evidence in SHARES, power.within is not None
    if capped and TRAITS[claim.metric].evidence is Evidence.REGRESSIONS:
        return (
            f"{record_name}: each of {power.have:,} must-pass items is run, and evaluation.maxItems allows "
            f"{power.within:,}: raise it"
        )
    margin = _value(float(claim.margin or 0), points)
    wider = f", or a margin of {_value(power.smallest_margin, points)}" if power.smallest_margin else ""
    unit = unit_of(power)
    have = f"{power.have:,} {unit}"
    if capped:
        have = f"{power.within:,} of {power.have:,} {unit}, which evaluation.maxItems allows,"
        wider = f": raise evaluation.maxItems{wider}"
    return f"{record_name}: {have} can't prove {margin}; about {power.needed:,} {unit} are needed{wider}"


def unit_of(power: Power | None) -> str:
    """What a gate counts."""
    return "clusters" if power is not None and power.items is not None else "items"


def noun(claim: Claim) -> str:
    """What a claim measures."""
    said = TRAITS[claim.metric].noun
    if claim.metric is Metric.LATENCY_RATIO:
        said = f"p{float(claim.quantile or 0) * 100:.0f} {said}"
    return f"{said} under {claim.perturbation}" if claim.perturbation else said


def _value(value: float | None, points: bool) -> str:
    if value is None:
        return "unknown"
    return f"{value * 100:.2f} points" if points else f"{value:.4f}"


def _interval(record: GateRecord, points: bool) -> str:
    if record.interval is None:
        return ""
    low, high = record.interval
    if points:
        return f" [{low * 100:.2f}, {high * 100:.2f}]"
    return f" [{low:.3f}, {high:.3f}]"
