"""Evidence as sentences: value, limit, interval, n, and what to do next."""

from collections.abc import Mapping, Sequence

from paritygate.api import OF_ITEMS, TRAITS, Claim, Evidence, GateRecord, Metric

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
        items = f" (n={record.n:,})" if record.n else ""
        return f"{record.name}: {value}, margin {_value(float(claim.margin or 0), points)}{items}"
    unit = f" ({record.n:,} blocks)" if traits.evidence is Evidence.TIMES else ""
    value = "not measured" if record.estimate is None else f"{record.estimate:.3f}{_interval(record, points=False)}"
    return f"{record.name}: {what} {value}, limit {float(claim.limit or 0):.2f}{unit}"


def shortfall(claim: Claim, record: GateRecord) -> str:
    """Why a gate is open, with what is missing."""
    said = describe(claim, record)
    if record.planned and claim.metric in OF_ITEMS:
        if record.n == record.planned.have and (record.estimate or 0) >= float(claim.margin or 0):
            return f"{said}: all items were used and it lies at the margin or beyond; more of them would not prove it"
        missing = max(record.planned.needed - record.planned.have, 0)
        more = f"about {missing:,} more items" if missing else "more items than planned, or a wider margin"
        return f"{said}: neither proved nor refuted; needs {more}"
    return f"{said}: neither proved nor refuted; needs more blocks or a wider limit"


def provable(claims: Mapping[str, Claim], records: Sequence[GateRecord]) -> str:
    """What was proved, the answers first, at most two by name."""
    items = [r for r in records if claims[r.claim].metric in OF_ITEMS]
    said = [describe(claims[r.claim], r) for r in (items or list(records))[:2]]
    rest = len(records) - len(said)
    return "; ".join(said) + (f"; and {rest} more" if rest > 0 else "")


def underpowered(record_name: str, claim: Claim, needed: int, have: int, smallest: float | None) -> str:
    """A gate that its items can't prove, with the ways out in figures."""
    points = TRAITS[claim.metric].evidence in SHARES
    margin = _value(float(claim.margin or 0), points)
    wider = f", or a margin of {_value(smallest, points)}" if smallest else ""
    return f"{record_name}: {have:,} items can't prove {margin}; about {needed:,} items are needed{wider}"


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
