"""Evidence as sentences: value, limit, interval, n, and what to do next."""

from collections.abc import Mapping, Sequence

from paritygate.api import Claim, GateRecord, Metric

from .plan import ITEM_METRICS


def describe(claim: Claim, record: GateRecord) -> str:
    """One gate in one sentence, with every number it rests on."""
    if claim.metric in ITEM_METRICS:
        what = "accuracy lost" if claim.metric is Metric.ACCURACY else "harmful flips"
        value = f"{what} {_points(record.estimate)}{_interval(record, points=True)}"
        return f"{record.name}: {value}, margin {_points(float(claim.margin or 0))} (n={record.n:,})"
    what = {
        Metric.LATENCY_RATIO: f"p{float(claim.quantile or 0) * 100:.0f} latency ratio",
        Metric.SIZE_RATIO: "size ratio",
        Metric.PEAK_MEMORY_RATIO: "peak memory ratio",
    }[claim.metric]
    unit = f" ({record.n:,} blocks)" if claim.metric is Metric.LATENCY_RATIO else ""
    value = "not measured" if record.estimate is None else f"{record.estimate:.3f}{_interval(record, points=False)}"
    return f"{record.name}: {what} {value}, limit {float(claim.limit or 0):.2f}{unit}"


def shortfall(claim: Claim, record: GateRecord) -> str:
    """Why a gate is open, with what is missing."""
    said = describe(claim, record)
    if record.planned and claim.metric in ITEM_METRICS:
        missing = max(record.planned.needed - record.planned.have, 0)
        more = f"about {missing:,} more items" if missing else "more items than planned, or a wider margin"
        return f"{said}: neither proved nor refuted; needs {more}"
    return f"{said}: neither proved nor refuted; needs more blocks or a wider limit"


def provable(claims: Mapping[str, Claim], records: Sequence[GateRecord]) -> str:
    """What was proved, tightest first, at most three by name."""
    items = [r for r in records if claims[r.claim].metric in ITEM_METRICS]
    said = [describe(claims[r.claim], r) for r in (items or list(records))[:2]]
    rest = len(records) - len(said)
    return "; ".join(said) + (f"; and {rest} more" if rest > 0 else "")


def underpowered(record_name: str, claim: Claim, needed: int, have: int, smallest: float | None) -> str:
    """A gate that its items can't prove, with the ways out in figures."""
    margin = _points(float(claim.margin or 0))
    wider = f", or a margin of {_points(smallest)}" if smallest else ""
    return f"{record_name}: {have:,} items can't prove {margin}; about {needed:,} items are needed{wider}"


def _points(value: float | None) -> str:
    return "unknown" if value is None else f"{value * 100:.2f} points"


def _interval(record: GateRecord, points: bool) -> str:
    if record.interval is None:
        return ""
    low, high = record.interval
    return f" [{low * 100:.2f}, {high * 100:.2f}]" if points else f" [{low:.3f}, {high:.3f}]"
