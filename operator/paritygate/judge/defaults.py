"""What an empty policy already asks for: gates by risk tier and purpose, prior flip rates by technique.

The margins are a judgement, not data; every one can be overridden by name.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paritygate.api import (
    LABEL_FREE,
    Claim,
    Enforcement,
    Metric,
    PlannedPack,
    Purpose,
    SliceColumn,
    SliceSource,
    Task,
    Technique,
    Tier,
    Underpowered,
)

from .packs import PACK, PlanError


@dataclass(frozen=True, slots=True)
class TierDefaults:
    """One column of the table. Margins are absolute (0.01 = one point), limits are ratios candidate / baseline."""

    alpha: str
    accuracy_margin: str
    slice_margin: str
    slices: Enforcement
    slice_underpowered: Underpowered
    critical_margin: str
    """Of the recall of a critical class."""
    harmful_flips: str | None
    brier: str | None
    """Where the packs say what the model's scores are."""
    fairness: str
    faster: tuple[str, ...]
    """Quantiles that must not be slower when speed is the purpose."""
    not_slower: tuple[tuple[str, str], ...]
    """(quantile, limit) when memory, cost or energy is the purpose."""
    every_item: bool = False
    """Whether every item is run: one NaN is a fail, and is only seen in what is run."""


TIERS = {
    Tier.LOW: TierDefaults(
        alpha="0.10",
        accuracy_margin="0.02",
        slice_margin="0.05",
        slices=Enforcement.SOFT,
        slice_underpowered=Underpowered.HARM_ONLY,
        critical_margin="0.02",
        harmful_flips=None,
        brier=None,
        fairness="0.05",
        faster=("0.50",),
        not_slower=(("0.95", "1.25"),),
    ),
    Tier.STANDARD: TierDefaults(
        alpha="0.05",
        accuracy_margin="0.01",
        slice_margin="0.03",
        slices=Enforcement.HARD,
        slice_underpowered=Underpowered.HARM_ONLY,
        critical_margin="0.01",
        harmful_flips="0.03",
        brier="0.010",
        fairness="0.03",
        faster=("0.95",),
        not_slower=(("0.95", "1.10"),),
    ),
    Tier.HIGH: TierDefaults(
        alpha="0.01",
        accuracy_margin="0.005",
        slice_margin="0.02",
        slices=Enforcement.HARD,
        slice_underpowered=Underpowered.REFUSE,
        critical_margin="0.005",
        harmful_flips="0.02",
        brier="0.005",
        fairness="0.015",
        faster=("0.95", "0.99"),
        not_slower=(("0.95", "1.10"), ("0.99", "1.10")),
    ),
    Tier.SAFETY_CRITICAL: TierDefaults(
        alpha="0.001",
        accuracy_margin="0.0025",
        slice_margin="0.01",
        slices=Enforcement.HARD,
        slice_underpowered=Underpowered.REFUSE,
        critical_margin="0.0025",
        harmful_flips="0.01",
        brier="0.002",
        fairness="0.01",
        faster=("0.99",),
        not_slower=(("0.99", "1.05"),),
        every_item=True,
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


INPUT_RANGE, LENGTH, CONFIDENCE = "input-range", "length", "confidence"
"""Slice columns that a technique brings."""

_BY_TECHNIQUE: dict[Technique, tuple[SliceColumn, ...]] = {
    technique: columns
    for techniques, columns in (
        (
            (Technique.INT8_STATIC, Technique.INT8_DYNAMIC, Technique.CLUSTERED),
            (SliceColumn(column=INPUT_RANGE, source=SliceSource.INPUT_RANGE),),
        ),
        (
            (Technique.INT4_WEIGHT_ONLY,),
            (
                SliceColumn(column=LENGTH, source=SliceSource.LENGTH),
                SliceColumn(column=CONFIDENCE, source=SliceSource.BASELINE_CONFIDENCE),
            ),
        ),
    )
    for technique in techniques
}


def with_derived(technique: Technique, packs: Sequence[PlannedPack]) -> tuple[PlannedPack, ...]:
    """The packs with the slices that a technique brings: where it is known to break. Raises PlanError.

    A pack that says how such a slice is cut says it for all: packs that are judged together have one cut.
    """
    brought = [
        _as_declared(column, technique, packs)
        for column in _BY_TECHNIQUE.get(technique, ())
        if column.source is not SliceSource.BASELINE_CONFIDENCE or all(pack.scores for pack in packs)
    ]
    return tuple(
        pack.model_copy(
            update={
                "derived": (
                    *pack.derived,
                    *(c for c in brought if c.column not in (*pack.slices, *(d.column for d in pack.derived))),
                )
            }
        )
        for pack in packs
    )


def _as_declared(column: SliceColumn, technique: Technique, packs: Sequence[PlannedPack]) -> SliceColumn:
    """The column that a technique brings, as the packs that have one of its name cut it."""
    own = {d.column: d for pack in packs for d in pack.derived}.get(column.column, column)
    read = [pack for pack in packs if column.column in pack.slices or (own.cross and own in pack.derived)]
    if read and len(read) < len(packs):
        other = next(pack for pack in packs if pack not in read)
        raise PlanError(
            "packs",
            f"{read[0].name} has a slice column {column.column!r} in its labels, {other.name} hasn't, and {technique} "
            f"brings one of that name, cut from {column.source}: give it in both, or call it differently",
        )
    return own


def default_claims(
    tier: Tier, technique: Technique, purpose: Purpose, packs: Sequence[PlannedPack], columns: Sequence[str]
) -> tuple[Claim, ...]:
    """The gates that a tier, a technique and a purpose bring, for packs with these slice columns."""
    table, task, labelled = TIERS[tier], packs[0].task, not packs[0].unlabelled
    scored = all(pack.scores for pack in packs)
    claims = _answers(table, _OVERALL if labelled else _ALIKE, task, columns) + _chosen(table, packs)
    if task in _RIGHT_OR_WRONG and labelled:
        claims += _flips(table) + _fairness(table, [c for c in columns if any(c in pack.groups for pack in packs)])
    if task is Task.CLASSIFICATION and scored and labelled:
        claims += _brier(table)
    claims += [c for c in _of_technique(table, technique, task, scored) if labelled or c.metric in LABEL_FREE]
    latency = [(q, "1.00") for q in table.faster] if purpose is Purpose.LATENCY else list(table.not_slower)
    return tuple(claims + [_latency(quantile, limit) for quantile, limit in latency])


_RIGHT_OR_WRONG = (Task.CLASSIFICATION, Task.MULTILABEL)
_OVERALL = {
    Task.CLASSIFICATION: ("accuracy", Metric.ACCURACY),
    Task.MULTILABEL: ("accuracy", Metric.ACCURACY),
    Task.EMBEDDING: ("neighbours", Metric.NEIGHBOUR_PRECISION),
}
"""A regression has none: only its owner knows the largest error that counts."""
_ALIKE = {
    Task.CLASSIFICATION: ("disagreement", Metric.DISAGREEMENT_RATE),
    Task.MULTILABEL: ("disagreement", Metric.DISAGREEMENT_RATE),
    Task.EMBEDDING: ("moved", Metric.NEIGHBOUR_CHANGE),
}
"""Without labels, by the same margins: what is answered alike is as right as before, so no more can be lost."""


def _answers(
    table: TierDefaults, measured: Mapping[Task, tuple[str, Metric]], task: Task, columns: Sequence[str]
) -> list[Claim]:
    if task not in measured:
        return []
    name, metric = measured[task]
    overall = Claim(name=name, metric=metric, margin=table.accuracy_margin, **_HARD)
    return [overall, *(_slice(table, f"by-{column}", metric, slice_by=column) for column in columns)]


def _chosen(table: TierDefaults, packs: Sequence[PlannedPack]) -> list[Claim]:
    """Critical classes, and packs of which no item may be lost."""
    critical = dict.fromkeys(value for pack in packs for value in pack.critical_classes)
    claims = [
        Claim(name=_named("critical", value), metric=Metric.RECALL, value=value, margin=table.critical_margin, **_HARD)
        for value in critical
    ]
    return claims + [
        Claim(name=_named("must-pass", pack.name), metric=Metric.MUST_PASS, slice_by=PACK, value=pack.name, **_HARD)
        for pack in packs
        if pack.must_pass
    ]


def _flips(table: TierDefaults) -> list[Claim]:
    if not table.harmful_flips:
        return []
    return [Claim(name="harmful-flips", metric=Metric.HARMFUL_FLIP_RATE, margin=table.harmful_flips, **_HARD)]


def _brier(table: TierDefaults) -> list[Claim]:
    return [Claim(name="brier", metric=Metric.BRIER, margin=table.brier, **_HARD)] if table.brier else []


def _fairness(table: TierDefaults, groups: Sequence[str]) -> list[Claim]:
    return [
        _slice(table, f"fairness-{column}", Metric.FAIRNESS_GAP, slice_by=column, margin=table.fairness)
        for column in groups
    ]


def _of_technique(table: TierDefaults, technique: Technique, task: Task, scored: bool) -> list[Claim]:
    """What a technique is known to break beyond the slices it brings."""
    soft: list[tuple[str, Metric, dict[str, str]]] = []
    if technique in _ROUNDED:
        soft.append(("saturation", Metric.SATURATION, {"limit": "0.05"}))
    if technique is Technique.CLUSTERED:
        soft.append(("peak-memory", Metric.PEAK_MEMORY_RATIO, {"limit": "1.00"}))
    if technique is Technique.DISTILLED and task in _RIGHT_OR_WRONG:
        soft.append(("drift", Metric.POPULATION_STABILITY, {"limit": "0.20"}))
    if technique is Technique.DISTILLED and task is Task.CLASSIFICATION and scored:
        soft.append(("calibration", Metric.CALIBRATION_ERROR, {"margin": "0.01"}))
    claims = [
        Claim(name=name, metric=metric, **limits, **_HARD | {"enforcement": Enforcement.SOFT, "origin": "Technique"})
        for name, metric, limits in soft
    ]
    if technique is Technique.PRUNED and task in _RIGHT_OR_WRONG:
        claims.append(_slice(table, "every-class", Metric.RECALL).model_copy(update={"origin": "Technique"}))
    return claims


_ROUNDED = (
    Technique.FP16,
    Technique.BF16,
    Technique.FP8,
    Technique.INT8_WEIGHT_ONLY,
    Technique.INT8_STATIC,
    Technique.INT8_DYNAMIC,
)

_HARD: dict[str, Any] = {
    "enforcement": Enforcement.HARD,
    "underpowered": Underpowered.REFUSE,
    "origin": "Tier",
}


def _slice(
    table: TierDefaults, name: str, metric: Metric, slice_by: str | None = None, margin: str | None = None
) -> Claim:
    return Claim(
        name=name,
        metric=metric,
        margin=margin or table.slice_margin,
        slice_by=slice_by,
        enforcement=table.slices,
        underpowered=table.slice_underpowered,
        origin="Technique" if slice_by in (INPUT_RANGE, LENGTH, CONFIDENCE) else "Tier",
    )


_LONGEST_NAME = 128


def _named(kind: str, value: str) -> str:
    """A gate's name may not hold every character that a class's may; what is lost of it stands there as a digest.

    Two classes of one name would be one gate, and the other class could be lost without a word.
    """
    name = f"{kind}-{value}"
    if re.fullmatch("[-_.A-Za-z0-9]*[A-Za-z0-9]", value) and len(name) <= _LONGEST_NAME:
        return name
    plain = re.sub("[^A-Za-z0-9]+", "-", name)[: _LONGEST_NAME - 9].strip("-")
    return f"{plain}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def _latency(quantile: str, limit: str) -> Claim:
    return Claim(
        name=f"p{round(float(quantile) * 100)}",
        metric=Metric.LATENCY_RATIO,
        quantile=quantile,
        limit=limit,
        **_HARD,
    )
