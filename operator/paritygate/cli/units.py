"""Figures in the unit of their metric, as the verdict's sentences have them: points for shares, x for ratios."""

from paritygate.api import TRAITS, Claim, Evidence, GateRecord, Metric
from paritygate.judge.wording import SHARES

_RATIOS = frozenset(metric for metric in Metric if metric.endswith("Ratio"))


def amount(claim: Claim, value: float | None) -> str:
    """A figure of this claim, with its unit; "-" for none."""
    if value is None:
        return "-"
    if TRAITS[claim.metric].evidence is Evidence.REGRESSIONS:
        return f"{value:,.0f}"
    if TRAITS[claim.metric].evidence in SHARES:
        return f"{value * 100:.2f} pt"
    if TRAITS[claim.metric].threshold == "margin":
        return f"{value:.4f}"
    return f"{value:.3f}" + (" x" if claim.metric in _RATIOS else "")


def threshold(claim: Claim) -> str:
    """What is allowed: the margin or the limit; no item at all where there is neither."""
    match TRAITS[claim.metric].threshold:
        case "margin":
            return amount(claim, float(claim.margin or 0))
        case "limit":
            return f"{float(claim.limit or 0):.2f}" + (" x" if claim.metric in _RATIOS else "")
    return "0"


def span(claim: Claim, record: GateRecord) -> str:
    """The interval, in the unit of the figure beside it."""
    if record.interval is None:
        return "-"
    low, high = record.interval
    if TRAITS[claim.metric].evidence in SHARES:
        return f"{low * 100:.2f} to {high * 100:.2f}"
    return f"{low:.3f} to {high:.3f}"
