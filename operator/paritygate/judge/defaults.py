"""What an empty policy already asks for: gates by risk tier and purpose, prior flip rates by technique.

The margins are a judgement, not data; every one can be overridden by name.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from paritygate.api import Claim, Enforcement, Metric, Purpose, Technique, Tier, Underpowered


@dataclass(frozen=True, slots=True)
class TierDefaults:
    """One column of the table. Margins are absolute (0.01 = one point), limits are ratios candidate / baseline."""

    alpha: str
    accuracy_margin: str
    slice_margin: str
    slices: Enforcement
    slice_underpowered: Underpowered
    harmful_flips: str | None
    faster: tuple[str, ...]
    """Quantiles that must not be slower when speed is the purpose."""
    not_slower: tuple[tuple[str, str], ...]
    """(quantile, limit) when memory, cost or energy is the purpose."""


TIERS = {
    Tier.LOW: TierDefaults(
        alpha="0.10",
        accuracy_margin="0.02",
        slice_margin="0.05",
        slices=Enforcement.SOFT,
        slice_underpowered=Underpowered.HARM_ONLY,
        harmful_flips=None,
        faster=("0.50",),
        not_slower=(("0.95", "1.25"),),
    ),
    Tier.STANDARD: TierDefaults(
        alpha="0.05",
        accuracy_margin="0.01",
        slice_margin="0.03",
        slices=Enforcement.HARD,
        slice_underpowered=Underpowered.HARM_ONLY,
        harmful_flips="0.03",
        faster=("0.95",),
        not_slower=(("0.95", "1.10"),),
    ),
    Tier.HIGH: TierDefaults(
        alpha="0.01",
        accuracy_margin="0.005",
        slice_margin="0.02",
        slices=Enforcement.HARD,
        slice_underpowered=Underpowered.REFUSE,
        harmful_flips="0.02",
        faster=("0.95", "0.99"),
        not_slower=(("0.95", "1.10"), ("0.99", "1.10")),
    ),
    Tier.SAFETY_CRITICAL: TierDefaults(
        alpha="0.001",
        accuracy_margin="0.0025",
        slice_margin="0.01",
        slices=Enforcement.HARD,
        slice_underpowered=Underpowered.REFUSE,
        harmful_flips="0.01",
        faster=("0.99",),
        not_slower=(("0.99", "1.05"),),
    ),
}

FLIP_RATES = {
    Technique.FP16: "0.02",
    Technique.BF16: "0.02",
    Technique.FP8: "0.02",
    Technique.INT8_WEIGHT_ONLY: "0.02",
    Technique.INT8_DYNAMIC: "0.03",
    Technique.INT8_STATIC: "0.03",
    Technique.INT4_WEIGHT_ONLY: "0.06",
    Technique.PRUNED: "0.08",
    Technique.DISTILLED: "0.12",
    Technique.CLUSTERED: "0.04",
    Technique.FINE_TUNED: "0.10",
    Technique.OTHER: "0.10",
}
"""Prior flip rate: the planner's guess and the bet's v0. Any value is valid, only speed changes."""


def tier_claims(tier: Tier, purpose: Purpose, slice_columns: Iterable[str]) -> tuple[Claim, ...]:
    """The gates that a tier and a purpose bring, for packs with these slice columns."""
    table = TIERS[tier]
    claims = [_accuracy("accuracy", table.accuracy_margin, Enforcement.HARD, Underpowered.REFUSE)]
    claims += [
        _accuracy(f"by-{column}", table.slice_margin, table.slices, table.slice_underpowered, slice_by=column)
        for column in slice_columns
    ]
    if table.harmful_flips:
        claims.append(
            Claim(
                name="harmful-flips",
                metric=Metric.HARMFUL_FLIP_RATE,
                margin=table.harmful_flips,
                enforcement=Enforcement.HARD,
                underpowered=Underpowered.REFUSE,
                origin="Tier",
            )
        )
    latency = [(q, "1.00") for q in table.faster] if purpose is Purpose.LATENCY else list(table.not_slower)
    claims += [_latency(quantile, limit) for quantile, limit in latency]
    return tuple(claims)


def _accuracy(
    name: str, margin: str, enforcement: Enforcement, underpowered: Underpowered, slice_by: str | None = None
) -> Claim:
    return Claim(
        name=name,
        metric=Metric.ACCURACY,
        margin=margin,
        slice_by=slice_by,
        enforcement=enforcement,
        underpowered=underpowered,
        origin="Tier",
    )


def _latency(quantile: str, limit: str) -> Claim:
    return Claim(
        name=f"p{round(float(quantile) * 100)}",
        metric=Metric.LATENCY_RATIO,
        quantile=quantile,
        limit=limit,
        enforcement=Enforcement.HARD,
        underpowered=Underpowered.REFUSE,
        origin="Tier",
    )
