"""One gate of a record, judged again: from the claim and the counts to latches and a decision."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from . import bets, gaps, logs, times

Json = dict[str, Any]
UNIT, BATCH, BOUNDED_PRIOR, LEAST_POWER = 16384, 8, 0.001, 0.5
FLIPS = ("Accuracy", "Recall", "AbstentionRate")
RATES = ("HarmfulFlipRate", "DisagreementRate")
BOUNDED = (
    "LabelError",
    "AbsoluteError",
    "NeighbourPrecision",
    "NeighbourChange",
    "CosineChange",
    "Brier",
    "LogLoss",
)
RATIOS = ("Precision", "FBeta", "Jaccard")
DECIMALS = ("margin", "limit", "quantile", "beta", "cap", "confidence")
WEIGHTS = ("SizeRatio", "PeakMemoryRatio")
FIGURES = (
    "LoadTimeRatio",
    "BatchTimeRatio",
    "CalibrationError",
    "Auroc",
    "ConfidenceShift",
    "PopulationStability",
    "KolmogorovSmirnov",
    "JensenShannon",
    "KullbackLeibler",
    "Saturation",
)


@dataclass(frozen=True, slots=True)
class Level:
    """What decides when a side closes."""

    alpha: float
    alpha_fail: float
    hard: int

    @property
    def proof(self) -> float:
        """Log wealth for the claim at which it is proved."""
        return math.log(1 / self.alpha)

    @property
    def harm(self) -> float:
        """Log wealth against the claim at which harm is."""
        return math.log(self.hard / self.alpha_fail)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the counts of one gate say."""

    name: str
    hard: bool
    decision: str
    log_e: float | None = None
    log_e_harm: float | None = None
    pass_at: int | None = None
    harm_at: int | None = None
    estimate: float | None = None
    harm_peak: float | None = None
    """Of a gate that is counted item by item: what Holm looks at."""


def level_of(plan: Json, result: Json) -> Level:
    """alpha, its share in a line of candidates, and how many hard gates there are."""
    alpha = float(plan["alpha"])
    if plan["alphaBudget"]:
        alpha *= 6 / (math.pi * plan["candidateNumber"]) ** 2
    hard = {claim["name"] for claim in plan["claims"] if claim["enforcement"] == "Hard"}
    count = sum(gate["claim"] in hard for gate in result["gates"])
    return Level(alpha, float(plan["alphaFail"]), max(1, count))


def canonical(value: object) -> bytes:
    """Sorted, blank-free UTF-8 JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def seed_of(plan: Json) -> bytes:
    """What everything is drawn from by lot: a hash of what is compared, numbers in one spelling."""

    def plain(text: str) -> str:
        return format(Decimal(text).normalize(), "f")

    return hashlib.sha256(
        canonical(
            {
                **{who: plan[who].get("digest", plan[who]["uri"]) for who in ("baseline", "candidate")},
                "packs": [
                    [pack[part].get("digest", pack[part]["uri"]) for part in ("inputs", "labels")]
                    for pack in plan["packs"]
                ],
                "claims": [
                    {key: plain(value) if key in DECIMALS else value for key, value in claim.items()}
                    for claim in plan["claims"]
                ],
                "alpha": plain(plan["alpha"]),
            }
        )
    ).digest()


def judge(plan: Json, claim: Json, gate: Json, level: Level, blocks: str) -> Judged:
    """The gate's counts, judged again; `blocks` are the times of the record."""
    metric = claim["metric"]
    if metric in (*FLIPS, *RATES, *BOUNDED) and _of_clusters(plan, metric):
        return _clusters(plan, claim, gate, level)
    if metric in FLIPS:
        return _flips(plan, claim, gate, level)
    if metric in RATES:
        return _rate(claim, gate, level)
    if metric in BOUNDED:
        return _bounded(claim, gate, level)
    if metric in RATIOS:
        return _ratio(claim, gate, level)
    if metric == "FairnessGap":
        return _gap(claim, gate, level)
    if metric == "MustPass":
        return _must_pass(claim, gate)
    if metric == "LatencyRatio":
        return _latency(plan, claim, gate, level, blocks)
    if metric in WEIGHTS:
        return _weight(claim, gate)
    if metric in FIGURES:
        return _figure(claim, gate)
    raise ValueError(f"no rule for {metric}")


def _of_clusters(plan: Json, metric: str) -> bool:
    """Section 7: where items belong together the unit is the cluster; a claim about a locked set has all items."""
    whole = metric in FLIPS and plan["inference"] == "LockedSet"
    return not whole and any("cluster" in pack for pack in plan["packs"])


def _clusters(plan: Json, claim: Json, gate: Json, level: Level) -> Judged:
    """Each cluster's mean loss or share of hits, rounded up to units; of losses that were rounded up themselves."""
    margin, metric, planned = float(claim["margin"]), claim["metric"], gate["planned"]
    if not 0 < planned["have"] <= planned["items"]:
        raise ValueError(f"{gate['name']}: {planned['have']} clusters of {planned['items']} items")
    batches: list[bets.Losses] = [
        [(unit / UNIT, count) for unit, count in batch] for batch in logs.units(gate["batchLog"], gate["n"], BATCH)
    ]
    roundings = 1 + (metric in BOUNDED)
    harm = bets.grid(batches, margin + roundings / UNIT)
    if metric in RATES:
        if any(share < 0 for batch in batches for share, _ in batch):
            raise ValueError(f"{gate['name']}: a share below 0")
        proof = bets.mean_rate(batches, margin)
    else:
        proof = bets.flip(batches, margin, BOUNDED_PRIOR if metric in BOUNDED else float(plan["flipRate"]))
    return _latched(claim, gate, level, BATCH, list(proof), list(harm), _mean(batches))


def _said(gate: Json, key: str) -> int:
    found = re.search(rf"\b{key}=(\d+)\b", gate["bet"])
    if found is None:
        raise ValueError(f"{gate['name']}: no {key} in {gate['bet']!r}")
    return int(found[1])


def _outcomes(gate: Json) -> list[tuple[int, int, int]]:
    """Batches of right and wrong; the record's totals must be theirs."""
    batches = logs.pairs(gate["batchLog"], gate["n"], BATCH)
    harmful, beneficial = (sum(one[k] for one in batches) for k in (0, 1))
    if (gate["n10"], gate["n01"], gate["n11"] + gate["n00"]) != (harmful, beneficial, gate["n"] - harmful - beneficial):
        raise ValueError(f"{gate['name']}: the totals are not those of the batches")
    return batches


def _losses(batches: Iterable[tuple[int, int, int]]) -> list[bets.Losses]:
    return [[(1.0, harmful), (-1.0, beneficial), (0.0, rest)] for harmful, beneficial, rest in batches]


def _flips(plan: Json, claim: Json, gate: Json, level: Level) -> Judged:
    batches = _losses(_outcomes(gate))
    prior = float(plan["flipRate"])
    if plan["inference"] == "LockedSet":
        population = gate["planned"]["have"]
        allowed = bets.allowed_loss(population, claim["margin"])
        proof = bets.locked_flip(batches, population, allowed, prior)
        harm = bets.locked_grid(batches, population, allowed)
    else:
        margin = float(claim["margin"])
        proof, harm = bets.flip(batches, margin, prior), bets.grid(batches, margin)
    return _latched(claim, gate, level, BATCH, list(proof), list(harm), _mean(batches))


def _rate(claim: Json, gate: Json, level: Level) -> Judged:
    batches = [(hits, other + rest) for hits, other, rest in _outcomes(gate)]
    limit = float(claim["margin"])
    events: list[bets.Losses] = [[(1.0, hits), (0.0, misses)] for hits, misses in batches]
    proof, harm = list(bets.rate(batches, limit)), list(bets.grid(events, limit))
    return _latched(claim, gate, level, BATCH, proof, harm, _mean(events))


def _bounded(claim: Json, gate: Json, level: Level) -> Judged:
    margin = float(claim["margin"])
    batches: list[bets.Losses] = [
        [(unit / UNIT, count) for unit, count in batch] for batch in logs.units(gate["batchLog"], gate["n"], BATCH)
    ]
    proof, harm = bets.flip(batches, margin, BOUNDED_PRIOR), bets.grid(batches, margin + 1 / UNIT)
    return _latched(claim, gate, level, BATCH, list(proof), list(harm), _mean(batches))


def _ratio(claim: Json, gate: Json, level: Level) -> Judged:
    batch = _said(gate, "b")
    batches = logs.cells(gate["batchLog"], gate["n"], batch)
    rows = tuple(bets.ratio_row(cell, claim["metric"], float(claim.get("beta", "1"))) for cell in range(8))
    proof, harm = (list(bets.profile(batches, rows, float(claim["margin"]), towards)) for towards in (1, -1))
    sums = [sum(count * row[k] for one in batches for count, row in zip(one, rows, strict=True)) for k in range(4)]
    lost = sums[0] / sums[1] - sums[2] / sums[3] if sums[1] and sums[3] else None
    return _latched(claim, gate, level, batch, proof, harm, lost)


def _gap(claim: Json, gate: Json, level: Level) -> Judged:
    """A pass needs both signs, each closed at a time of its own; harm needs one, and they share its error."""
    batch, margin = _said(gate, "b"), float(claim["margin"])
    batches = [(one[:4], one[4:]) for one in logs.cells(gate["batchLog"], gate["n"], batch)]
    proof, harm = (gaps.signs(batches, margin, harmful) for harmful in (False, True))
    judged = _latched(
        claim,
        gate,
        level,
        batch,
        [min(signs) for signs in proof],
        [max(signs) - math.log(2) for signs in harm],
        gaps.growth(batches),
    )
    ends = [min(batch * (k + 1), gate["n"]) for k in range(len(proof))]
    closed = [next((n for n, one in zip(ends, proof, strict=True) if one[k] >= level.proof), None) for k in (0, 1)]
    pass_at = None if None in closed else max(n for n in closed if n is not None)
    if not batches:
        judged = replace(judged, log_e_harm=-math.log(2))
    return replace(judged, pass_at=pass_at, decision=_decision(claim, gate, pass_at, judged.harm_at))


def _latency(plan: Json, claim: Json, gate: Json, level: Level, blocks: str) -> Judged:
    ratio = times.Ratio(float(claim["quantile"]), float(claim["limit"]), plan["latencyBlocks"], seed_of(plan))
    sides = [list(ratio.path(times.decode(blocks), sign)) for sign in (1, -1)]
    pass_at, harm_at = times.latch(sides[0], level.proof), times.latch(sides[1], level.harm)
    return Judged(
        name=gate["name"],
        hard=claim["enforcement"] == "Hard",
        decision=_decision(claim, gate, pass_at, harm_at),
        log_e=sides[0][-1][1] if sides[0] else None,
        log_e_harm=sides[1][-1][1] if sides[1] else None,
        pass_at=pass_at,
        harm_at=harm_at,
    )


def _mean(batches: Sequence[bets.Losses]) -> float | None:
    counted = [pair for batch in batches for pair in batch]
    items = sum(count for _, count in counted)
    return math.fsum(loss * count for loss, count in counted) / items if items else None


def _latched(
    claim: Json,
    gate: Json,
    level: Level,
    batch: int,
    proof: Sequence[float],
    harm: Sequence[float],
    estimate: float | None,
) -> Judged:
    ends = [min(batch * (k + 1), gate["n"]) for k in range(len(proof))]
    pass_at = next((n for n, wealth in zip(ends, proof, strict=True) if wealth >= level.proof), None)
    harm_at = next((n for n, wealth in zip(ends, harm, strict=True) if wealth >= level.harm), None)
    return Judged(
        name=gate["name"],
        hard=claim["enforcement"] == "Hard",
        decision=_decision(claim, gate, pass_at, harm_at),
        log_e=proof[-1] if proof else 0.0,
        log_e_harm=harm[-1] if harm else 0.0,
        pass_at=pass_at,
        harm_at=harm_at,
        estimate=estimate,
        harm_peak=max([0.0, *harm]),
    )


def _decision(claim: Json, gate: Json, pass_at: int | None, harm_at: int | None) -> str:
    """Harm first; a hard gate that was planned too small, and may be, is left out of the promise."""
    if harm_at is not None:
        return "Harm"
    if pass_at is not None:
        return "Proved"
    small = "planned" in gate and gate["planned"]["power"] < LEAST_POWER
    if small and claim["enforcement"] == "Hard" and claim["underpowered"] == "HarmOnly":
        return "NotProven"
    return "Open"


def _must_pass(claim: Json, gate: Json) -> Judged:
    """Every item counts, and one regression is a fail."""
    batches = _outcomes(gate)
    ends = [min(BATCH * (k + 1), gate["n"]) for k in range(len(batches))]
    harm_at = next((n for n, (lost, _, _) in zip(ends, batches, strict=True) if lost), None)
    every_item = 0 < gate["n"] == gate["planned"]["have"]
    pass_at = gate["n"] if every_item and harm_at is None else None
    return Judged(
        name=gate["name"],
        hard=claim["enforcement"] == "Hard",
        decision=_decision(claim, gate, pass_at, harm_at),
        pass_at=pass_at,
        harm_at=harm_at,
        estimate=float(sum(lost for lost, _, _ in batches)),
        harm_peak=0.0 if harm_at is None else math.inf,
    )


def _weight(claim: Json, gate: Json) -> Judged:
    """One figure a model, their ratio against the limit: exactly."""
    if "candidateValue" not in gate:
        return Judged(gate["name"], claim["enforcement"] == "Hard", "Open")
    ratio = Fraction(gate["candidateValue"]) / Fraction(gate["baselineValue"])
    decision = "Proved" if ratio <= Fraction(claim["limit"]) else "Harm"
    return Judged(gate["name"], claim["enforcement"] == "Hard", decision, estimate=float(ratio))


def _figure(claim: Json, gate: Json) -> Judged:
    """A figure that only warns: it is what the referee says it is."""
    if "estimate" not in gate:
        return Judged(gate["name"], claim["enforcement"] == "Hard", "Open")
    bound = float(claim.get("limit") or claim["margin"])
    decision = "Proved" if gate["estimate"] <= bound else "Harm"
    return Judged(gate["name"], claim["enforcement"] == "Hard", decision, estimate=gate["estimate"])
