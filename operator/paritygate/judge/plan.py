"""From what an owner wrote to what will be judged: defaults filled in, contradictions refused, one digest over all."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal

from paritygate.api import (
    LABEL_FREE,
    NEEDS_SCORES,
    OF_ITEMS,
    TRAITS,
    Claim,
    DataFile,
    Enforcement,
    EvaluationPlan,
    GateSpec,
    Metric,
    PlannedPack,
    Purpose,
    Subject,
    Task,
    Technique,
    Underpowered,
)
from paritygate.api.policy import PolicySpec
from paritygate.evidence import canonical_json, digest_of

from .columns import proves_answers
from .defaults import FLIP_RATES, TIERS, default_claims, with_derived
from .packs import PACK, PlanError, check_packs, common_columns

LEAST_MARGIN = 0.0001
"""A hundredth of a point: below it no pack that anyone has is large enough, and to plan for one would never end."""


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
    runtime: Literal["onnxruntime", "torch"] = "onnxruntime",
    candidate_number: int = 1,
    calibration: DataFile | None = None,
    environment: Mapping[str, str] | None = None,
) -> EvaluationPlan:
    """Everything the evaluation depends on, with every default of tier, technique and purpose filled in.

    `candidate_number`: how many candidates were tried on these packs, this one included. `calibration`: inputs that
    the candidate was calibrated on. Raises PlanError before
    anything is run: for no pack at all, packs that do not fit together, and a gate that asks what the packs don't have.
    """
    task = check_packs(packs)
    packs = with_derived(technique, packs)
    columns = common_columns(packs)
    claims = {claim.name: claim for claim in default_claims(policy.tier, technique, purpose, packs, columns)}
    for index, gate in enumerate(policy.gates):
        field = f"gates[{index}] ({gate.name})"
        claim = _overridden(claims.get(gate.name), gate, field, columns)
        _check_fits(claim, field, packs)
        claims[gate.name] = claim
    _check_answers(claims.values(), task)
    return EvaluationPlan(
        baseline=baseline,
        candidate=candidate,
        technique=technique,
        calibration=calibration,
        purpose=purpose,
        packs=tuple(packs),
        alpha=policy.alpha or TIERS[policy.tier].alpha,
        flip_rate=FLIP_RATES[technique],
        claims=tuple(claims.values()),
        execution_providers=tuple(execution_providers),
        threads=threads,
        runtime=runtime,
        inference=policy.evaluation.inference,
        candidate_number=candidate_number,
        alpha_budget=policy.evaluation.alpha_budget,
        formats=policy.allowed_formats,
        latency_blocks=policy.evaluation.latency_blocks,
        every_item=_every_item(policy),
        max_items=policy.evaluation.max_items,
        environment=dict(environment or {}),
    )


def _every_item(policy: PolicySpec) -> bool:
    """What the policy says, else what its tier does; who caps the items can't want all of them."""
    limits = policy.evaluation
    if limits.every_item is not None:
        return limits.every_item
    return limits.max_items is None and TIERS[policy.tier].every_item


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


_DECIMALS = frozenset({"margin", "limit", "quantile", "beta", "cap", "confidence"})


def _number(text: object) -> str:
    """A decimal in one spelling: "0.05" and "0.050" must not draw another order of items."""
    return format(Decimal(str(text)).normalize(), "f")


def _overridden(default: Claim | None, gate: GateSpec, field: str, columns: tuple[str, ...]) -> Claim:
    """The policy's gate, with what it leaves open taken from the tier's of the same name."""
    base = default
    if base:
        _check_same(base, gate, field)
    slice_by = gate.slice_by or (base.slice_by if base else None)
    if slice_by and slice_by not in (*columns, PACK):
        known = ", ".join(columns) or "none"
        raise PlanError(f"{field}.sliceBy", f"no slice column {slice_by!r} in every pack; declared there: {known}")
    margin = gate.margin or (base.margin if base else None)
    limit = gate.limit or (base.limit if base else None)
    quantile = gate.quantile or (base.quantile if base else None)
    value = gate.value or (base.value if base else None)
    _check_threshold(gate.metric, margin, limit, quantile, field)
    return Claim(
        name=gate.name,
        metric=gate.metric,
        slice_by=slice_by,
        value=value,
        perturbation=gate.perturbation,
        quantile=quantile,
        beta=gate.beta,
        cap=gate.cap,
        neighbours=gate.neighbours,
        confidence=gate.confidence,
        margin=margin,
        limit=limit,
        enforcement=gate.enforcement,
        underpowered=gate.underpowered
        or (base.underpowered if base else Underpowered.HARM_ONLY if slice_by else Underpowered.REFUSE),
        origin="Policy",
    )


def _check_same(default: Claim, gate: GateSpec, field: str) -> None:
    """A gate overrides how much may be lost, not of what: by accident a stricter gate would vanish under its name."""
    for name, theirs, ours in (
        ("metric", default.metric, gate.metric),
        ("sliceBy", default.slice_by, gate.slice_by),
        ("value", default.value, gate.value),
        ("quantile", default.quantile, gate.quantile),
        ("perturbation", default.perturbation, gate.perturbation),
    ):
        if ours is None or ours == theirs or (name == "quantile" and theirs and float(ours) == float(theirs)):
            continue
        kept = f"{name} {str(theirs)!r}" if theirs else f"no {name}: it is about all there are"
        said = f"the default gate {gate.name} has {kept}; give a gate of {name} {str(ours)!r} another name"
        raise PlanError(f"{field}.{name}", f"{said}, and both are judged")


def _check_threshold(metric: Metric, margin: str | None, limit: str | None, quantile: str | None, field: str) -> None:
    match TRAITS[metric].threshold:
        case "margin":
            if margin is None:
                said = 'write how much worse the candidate may be, such as "0.01" for 1 point'
                raise PlanError(f"{field}.margin", said)
            if not LEAST_MARGIN <= float(margin) < 1:
                said = f'{margin} must lie between {LEAST_MARGIN} and 1 (excluded): one point is "0.01"'
                raise PlanError(f"{field}.margin", said)
        case "limit":
            if limit is None:
                said = 'write the largest allowed ratio candidate / baseline, such as "1.10"'
                raise PlanError(f"{field}.limit", said)
            if float(limit) <= 0:
                raise PlanError(f"{field}.limit", f"{limit} must be above 0")
            if metric is Metric.LATENCY_RATIO and (quantile is None or not 0.5 <= float(quantile) <= 0.99):
                raise PlanError(f"{field}.quantile", 'write the quantile to compare, "0.50" to "0.99"')


def _check_fits(claim: Claim, field: str, packs: Sequence[PlannedPack]) -> None:
    """What a policy's gate asks of the packs must be in every one of them."""
    task = packs[0].task
    if task not in TRAITS[claim.metric].tasks:
        fitting = ", ".join(sorted(m for m, traits in TRAITS.items() if task in traits.tasks and m in OF_ITEMS))
        raise PlanError(f"{field}.metric", f"{claim.metric} is not for task {task} of pack {packs[0].name}: {fitting}")
    if packs[0].unlabelled and claim.metric not in LABEL_FREE:
        fitting = ", ".join(sorted(m for m in LABEL_FREE if task in TRAITS[m].tasks and m in OF_ITEMS))
        said = f"{claim.metric} reads labels, and pack {packs[0].name} is unlabelled: {fitting}, or label the items"
        raise PlanError(f"{field}.metric", said)
    if claim.metric in NEEDS_SCORES:
        silent = [pack.name for pack in packs if pack.scores is None]
        if silent:
            said = f"{claim.metric} needs to know what the model's numbers are: write spec.scores: Probabilities or "
            raise PlanError(f"{field}.metric", f"{said}Logits into pack {', '.join(silent)}")
    if claim.perturbation is not None:
        known = [sorted(p.name for p in pack.perturbations) for pack in packs]
        if any(claim.perturbation not in names for names in known):
            said = ", ".join(known[0]) or "none"
            raise PlanError(
                f"{field}.perturbation", f"no perturbation {claim.perturbation!r} in every pack; declared: {said}"
            )


def _check_answers(claims: Iterable[Claim], task: Task) -> None:
    """Without a hard gate that proves something about the answers no evaluation could ever pass."""
    if not any(claim.enforcement is Enforcement.HARD and proves_answers(claim) for claim in claims):
        example = {
            Task.REGRESSION: '{name: error, metric: AbsoluteError, cap: "10.0", margin: "0.01"}: cap is the largest '
            "error that counts, in the unit of the labels",
            Task.EMBEDDING: '{name: neighbours, metric: NeighbourPrecision, margin: "0.01"}',
        }.get(task, '{name: accuracy, metric: Accuracy, margin: "0.01"}')
        raise PlanError("gates", f"no Hard gate is about the answers, so nothing could pass; add {example}")
