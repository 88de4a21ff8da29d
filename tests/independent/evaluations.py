"""Evaluations to recompute: the product's own judge, fed with outcomes that are drawn here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from paritygate.api import (
    PER_CLASS,
    TRAITS,
    Check,
    CheckRecord,
    Claim,
    DataFile,
    EvaluationPlan,
    EvaluationResult,
    Evidence,
    GateRecord,
    Metric,
    Outcome,
    PlannedPack,
    Power,
    Purpose,
    Reason,
    Slice,
    Subject,
    Task,
    Technique,
)
from paritygate.judge import (
    BOTH_RIGHT,
    LOST,
    UNKNOWN,
    ControlTally,
    Gate,
    ItemTally,
    Kind,
    LatencyTally,
    conclude,
    culprits,
    encode_blocks,
    figure_record,
    hard_gates,
    plan_digest,
    ratio_record,
)

DIGEST = "sha256:" + "0" * 64
CHECKED = tuple(CheckRecord(name=check, ok=True) for check in Check)
UNIT = 16384
SECOND_GROUP = 4


def claim(name: str, metric: str, margin: str | None = "0.05", **fields: object) -> Claim:
    """A claim with every default filled in; hard unless said otherwise."""
    given = {"enforcement": "Hard", "underpowered": "HarmOnly", "margin": margin, **fields}
    return Claim.model_validate({"name": name, "metric": metric, **given})


def a_plan(claims: Sequence[Claim], **fields: object) -> EvaluationPlan:
    """A plan of these claims."""
    pack = PlannedPack(
        name="core",
        version="1",
        task=Task.CLASSIFICATION,
        inputs=DataFile(uri="i", digest=DIGEST),
        labels=DataFile(uri="l", digest=DIGEST),
        slices=("group",),
    )
    plan = EvaluationPlan(
        baseline=Subject(uri="a", digest=DIGEST),
        candidate=Subject(uri="b", digest=DIGEST.replace("0", "1")),
        technique=Technique.INT8_STATIC,
        purpose=Purpose.MEMORY,
        packs=(pack,),
        alpha="0.05",
        flip_rate="0.03",
        claims=tuple(claims),
    )
    return EvaluationPlan.model_validate({**plan.dump(), **fields})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What two models do on each item, as shares: drawn anew for every gate.

    `stop`: the share of a gate's items that are evaluated. `turn`: the share after which every item is LOST. `power`:
    what is said to have been planned. `unfair`: the first of two groups loses nothing. `figures`: the values of both
    models for a gate that has one figure a model.
    """

    items: int = 400
    right: float = 0.9
    harmful: float = 0.01
    beneficial: float = 0.01
    differs: float = 0.01
    shift: float = 0.0
    spread: float = 0.02
    stop: float = 1.0
    turn: float = 1.0
    power: float = 0.9
    unfair: bool = False
    slowdown: float = 1.0
    blocks: int = 0
    control_blocks: int = 0
    control_slowdown: float = 1.0
    figures: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def _values(kind: Kind, how: Behaviour, count: int, draw: np.random.Generator) -> np.ndarray:
    """One whole number an item, as `columns` says."""
    right = max(how.right, how.harmful)
    shares = [max(0.0, 1 - right - how.beneficial), right - how.harmful, how.harmful, how.beneficial]
    outcome = draw.choice(4, count, p=np.divide(shares, sum(shares)))
    if kind in (Kind.OUTCOME, Kind.ABSTENTION):
        return outcome
    if kind is Kind.DIFFERS:
        return (draw.random(count) < how.differs).astype(np.int64)
    if kind is Kind.CELL:
        label = draw.random(count) < 0.4
        base, cand = (np.where(np.isin(outcome, right), label, ~label) for right in ((1, 2), (1, 3)))
        return 4 * label + 2 * base + cand
    loss = np.clip(draw.normal(how.shift, how.spread, count), -1, 1)
    return np.ceil(loss * UNIT).astype(np.int64)


def _gates(plan: EvaluationPlan, how: Behaviour, draw: np.random.Generator) -> Iterator[Gate]:
    """One gate a claim; two for claims by class or slice, the second with fewer items."""
    for one in plan.claims:
        column = "label" if one.metric in PER_CLASS else one.slice_by
        if not TRAITS[one.metric].of_items:
            yield Gate(one, None, np.zeros(0, np.int64), None)
        elif one.metric is Metric.FAIRNESS_GAP:
            marks = np.where(draw.random(how.items) < 0.4, SECOND_GROUP, 0)
            yield _gate(one, Slice(column="group", value="a | b"), how.items, how.power, marks)
        elif column:
            yield _gate(one, Slice(column=column, value="a"), how.items, how.power)
            yield _gate(one, Slice(column=column, value="b"), how.items // 3, how.power / 2)
        else:
            yield _gate(one, None, how.items, how.power)


def _gate(one: Claim, part: Slice | None, count: int, power: float, marks: np.ndarray | None = None) -> Gate:
    return Gate(one, part, np.arange(count), Power(needed=count, have=count, power=power), marks)


def _in_clusters(gate: Gate) -> Gate:
    """The gate's items as clusters of one to five."""
    assert gate.power is not None
    ends = np.cumsum(np.arange(gate.power.have) * 7 % 5 + 1)
    ends = np.unique(np.minimum(ends, gate.power.have))
    told = {"have": len(ends), "items": gate.power.have}
    return replace(gate, ends=ends, power=gate.power.model_copy(update=told))


def _times(blocks: int, slowdown: float, draw: np.random.Generator) -> np.ndarray:
    """Blocks in ns: calls so short that many times are one."""
    times = draw.lognormal(0, 0.05, (blocks, 4)) * 300
    times[:, 2:] *= slowdown
    return times.astype(np.int64)


def _unlike_items(gate: Gate, plan: EvaluationPlan, hard: int, how: Behaviour, blocks: np.ndarray) -> GateRecord:
    evidence = TRAITS[gate.claim.metric].evidence
    values = how.figures.get(gate.name, (1000.0, 900.0))
    if evidence is Evidence.WEIGHT:
        return ratio_record(gate, *values)
    if evidence is Evidence.FIGURE:
        return figure_record(gate, (*values, values[1] - values[0], {}))
    tally = LatencyTally(gate, plan, hard)
    tally.add(blocks)
    return tally.record()


def evaluate(
    plan: EvaluationPlan,
    how: Behaviour,
    seed: int = 0,
    checks: tuple[CheckRecord, ...] = CHECKED,
    left_out: Sequence[str] = (),
) -> EvaluationResult:
    """The result that the product's judge prints of such models; gates of the claims `left_out` are not measured."""
    draw = np.random.default_rng(seed)
    gates = [gate for gate in _gates(plan, how, draw) if gate.claim.name not in left_out]
    counted = (Evidence.RATE, Evidence.BOUNDED, *([Evidence.FLIPS] if plan.inference == "Superpopulation" else []))
    if plan.packs[0].cluster:
        gates = [_in_clusters(gate) if TRAITS[gate.claim.metric].evidence in counted else gate for gate in gates]
    blocks = _times(how.blocks, how.slowdown, draw)
    again = _times(how.control_blocks, how.control_slowdown, draw)
    control = None
    if how.control_blocks:
        aa = ControlTally(plan)
        aa.add(again)
        control = aa.record()
    tallies, records = [], []
    for gate in gates:
        if gate.power is None:
            records.append(_unlike_items(gate, plan, hard_gates(gates), how, blocks))
            continue
        tally = ItemTally(gate, plan, hard_gates(gates))
        values = _values(gate.column.kind, how, len(gate.sequence), draw)
        if how.unfair and gate.marks is not None:
            values[gate.marks == 0] = BOTH_RIGHT
        values[int(how.turn * len(values)) :] = LOST
        values[int(how.stop * len(values)) :] = UNKNOWN
        tally.count(lambda indices, values=values: values[indices])
        tallies.append(tally)
        records.append(tally.record())
    verdict = conclude(plan, tuple(records), checks, control)
    return EvaluationResult(
        input_digest=plan_digest(plan),
        outcome=Outcome(verdict.outcome),
        reason=Reason(verdict.reason),
        message=verdict.message,
        gates=tuple(records),
        checks=checks,
        control=control,
        culprits=culprits(plan, tallies, hard_gates(gates)),
        items=how.items,
        latency_blocks=encode_blocks(blocks) if how.blocks else "",
        control_blocks=encode_blocks(again) if how.control_blocks else "",
        baseline_digest=plan.baseline.digest,
        candidate_digest=plan.candidate.digest,
    )
