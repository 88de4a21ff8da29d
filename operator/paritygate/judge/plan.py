"""From what an owner wrote to what will be judged: defaults filled in, contradictions refused, one digest over all."""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal

from paritygate.api import (
    Claim,
    EvaluationPlan,
    GateSpec,
    Metric,
    PlannedPack,
    Purpose,
    Subject,
    Technique,
    Underpowered,
)
from paritygate.api.policy import PolicySpec
from paritygate.evidence import canonical_json, digest_of

from .defaults import FLIP_RATES, TIERS, tier_claims

ITEM_METRICS = frozenset({Metric.ACCURACY, Metric.HARMFUL_FLIP_RATE})
"""Metrics that are counted item by item and take a margin; the others take a limit."""

LEAST_MARGIN = 0.0001
"""A hundredth of a point: below it no pack that anyone has is large enough, and to plan for one would never end."""


class PlanError(ValueError):
    """A contradiction between policy, packs and models: names the field and what to write instead."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def build_plan(
    *,
    baseline: Subject,
    candidate: Subject,
    technique: Technique,
    purpose: Purpose,
    packs: Sequence[PlannedPack],
    policy: PolicySpec,
    execution_providers: Sequence[str] = ("CPUExecutionProvider",),
    threads: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> EvaluationPlan:
    """Everything the evaluation depends on, with every default of tier, technique and purpose filled in.

    Raises PlanError before anything is run: for a slice column that no pack declares, a claim without its margin or
    limit, no pack at all.
    """
    if not packs:
        raise PlanError("packs", "name at least one ScenarioPack: without items nothing can be proved")
    columns = _common_columns(packs)
    claims = {claim.name: claim for claim in tier_claims(policy.tier, purpose, columns)}
    for index, gate in enumerate(policy.gates):
        claims[gate.name] = _overridden(claims.get(gate.name), gate, f"gates[{index}] ({gate.name})", columns)
    return EvaluationPlan(
        baseline=baseline,
        candidate=candidate,
        technique=technique,
        purpose=purpose,
        packs=tuple(packs),
        alpha=policy.alpha or TIERS[policy.tier].alpha,
        flip_rate=FLIP_RATES[technique],
        claims=tuple(claims.values()),
        execution_providers=tuple(execution_providers),
        threads=threads,
        latency_blocks=policy.evaluation.latency_blocks,
        environment=dict(environment or {}),
    )


def plan_digest(plan: EvaluationPlan) -> str:
    """The input digest: the same digest is the same evaluation, and has one verdict."""
    return digest_of(plan.dump())


def order_seed(plan: EvaluationPlan) -> bytes:
    """The 32 bytes from which item order and coins are drawn.

    A function of what is compared, by content: nobody picks it, and a retry or a move of the files changes nothing.
    """
    claims = [{k: _number(v) if k in _DECIMALS else v for k, v in claim.dump().items()} for claim in plan.claims]
    compared = {
        "baseline": plan.baseline.digest or plan.baseline.uri,
        "candidate": plan.candidate.digest or plan.candidate.uri,
        "packs": [[p.inputs.digest or p.inputs.uri, p.labels.digest or p.labels.uri] for p in plan.packs],
        "claims": claims,
        "alpha": _number(plan.alpha),
    }
    return hashlib.sha256(canonical_json(compared)).digest()


_DECIMALS = frozenset({"margin", "limit", "quantile"})


def _number(text: object) -> str:
    """A decimal in one spelling: "0.05" and "0.050" must not draw another order of items."""
    return format(Decimal(str(text)).normalize(), "f")


def _common_columns(packs: Sequence[PlannedPack]) -> tuple[str, ...]:
    first = packs[0].slices
    return tuple(column for column in first if all(column in pack.slices for pack in packs))


def _overridden(default: Claim | None, gate: GateSpec, field: str, columns: tuple[str, ...]) -> Claim:
    """The policy's gate, with what it leaves open taken from the tier's of the same name."""
    base = default
    if base and base.metric is not gate.metric:
        # By accident a stricter gate would vanish under a weaker one of its name.
        said = (
            f"the tier's gate {gate.name} measures {base.metric}; give a gate that measures {gate.metric} another name"
        )
        raise PlanError(f"{field}.metric", said)
    slice_by = gate.slice_by or (base.slice_by if base else None)
    if slice_by and slice_by not in columns:
        known = ", ".join(columns) or "none"
        raise PlanError(f"{field}.sliceBy", f"no slice column {slice_by!r} in every pack; declared there: {known}")
    margin = gate.margin or (base.margin if base else None)
    limit = gate.limit or (base.limit if base else None)
    quantile = gate.quantile or (base.quantile if base else None)
    _check_threshold(gate.metric, margin, limit, quantile, field)
    return Claim(
        name=gate.name,
        metric=gate.metric,
        slice_by=slice_by,
        quantile=quantile,
        margin=margin,
        limit=limit,
        enforcement=gate.enforcement,
        underpowered=gate.underpowered
        or (base.underpowered if base else Underpowered.HARM_ONLY if slice_by else Underpowered.REFUSE),
        origin="Policy",
    )


def _check_threshold(metric: Metric, margin: str | None, limit: str | None, quantile: str | None, field: str) -> None:
    if metric in ITEM_METRICS:
        if margin is None:
            raise PlanError(f"{field}.margin", 'write how much worse the candidate may be, such as "0.01" for 1 point')
        if not LEAST_MARGIN <= float(margin) < 1:
            said = f'{margin} must lie between {LEAST_MARGIN} and 1 (excluded): one point is "0.01"'
            raise PlanError(f"{field}.margin", said)
        return
    if limit is None:
        raise PlanError(f"{field}.limit", 'write the largest allowed ratio candidate / baseline, such as "1.10"')
    if float(limit) <= 0:
        raise PlanError(f"{field}.limit", f"{limit} must be above 0")
    if metric is Metric.LATENCY_RATIO and (quantile is None or not 0.5 <= float(quantile) <= 0.99):
        raise PlanError(f"{field}.quantile", 'write the quantile to compare, "0.50" to "0.99"')
