"""Valid objects with one line for each difference, and results as an honest referee prints them."""

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
from paritygate.api import (
    AcceleratorPool,
    Check,
    CheckRecord,
    CompressionValidation,
    DataFile,
    EvaluationPlan,
    EvaluationResult,
    GateRecord,
    PlannedPack,
    Purpose,
    Reason,
    ScenarioPack,
    Subject,
    Task,
    Technique,
    ValidationPolicy,
)
from paritygate.api.policy import PolicySpec
from paritygate.evidence import canonical_json
from paritygate.judge import (
    BOTH_RIGHT,
    LOST,
    WON,
    Gate,
    Items,
    ItemTally,
    build_plan,
    conclude,
    culprits,
    expand,
    hard_gates,
    plan_digest,
)

A, B, C = "pvc://models/a", "pvc://models/b", "pvc://models/c"
SHA = {name: f"sha256:{hashlib.sha256(name.encode()).hexdigest()}" for name in (A, B, C, "inputs", "labels")}


def validation(**spec: Any) -> CompressionValidation:
    """Fraud's candidate B against what serves, released in steps; a None removes a field."""
    wanted: dict[str, Any] = {
        "owner": {"team": "risk-ml", "contact": "risk-ml@example.com"},
        "target": {"inferenceService": "fraud"},
        "candidate": {"uri": B, "digest": SHA[B], "technique": "Int8Static"},
        "purpose": "Memory",
        "policy": "standard",
        "pool": "cpu",
        "packs": [{"name": "core"}],
        "release": {
            "mode": "Canary",
            "steps": [{"percent": 10, "hold": "30s"}, {"percent": 50, "hold": "30s"}, {"percent": 100}],
        },
        **spec,
    }
    return CompressionValidation.model_validate(
        {
            "metadata": {
                "name": "fraud-int8",
                "namespace": "risk",
                "uid": "uid-1",
                "generation": 1,
                "creationTimestamp": "2026-11-21T11:00:00Z",
            },
            "spec": {key: value for key, value in wanted.items() if value is not None},
        }
    )


VERDICT_ONLY = {"mode": "VerdictOnly"}
BASELINE = {"uri": A, "digest": SHA[A]}


def policy(**spec: Any) -> ValidationPolicy:
    """Gates on accuracy and harmful flips; the latency gate only reports."""
    wanted = {"gates": [{"name": "p95", "metric": "LatencyRatio", "enforcement": "DryRun"}], **spec}
    return ValidationPolicy.model_validate({"metadata": {"name": "standard"}, "spec": wanted})


def pool(**spec: Any) -> AcceleratorPool:
    wanted = {"nodeSelector": {"pool": "cpu"}, **spec}
    return AcceleratorPool.model_validate({"metadata": {"name": "cpu"}, "spec": wanted})


def pack(name: str = "core", spec: dict[str, Any] | None = None, **data: Any) -> ScenarioPack:
    files = {
        "inputs": {"uri": "pvc://data/inputs.npz", "digest": SHA["inputs"]},
        "labels": {"uri": "pvc://data/labels.csv", "digest": SHA["labels"]},
        **data,
    }
    wanted = {"version": "1", "task": "Classification", "data": files, **(spec or {})}
    return ScenarioPack.model_validate({"metadata": {"name": name, "namespace": "risk"}, "spec": wanted})


@lru_cache
def _expanded(size: int) -> tuple[Gate, ...]:
    ranges = ["high" if i % 5 == 0 else "low" for i in range(size)]
    return expand(_plan(), Items([str(i) for i in range(size)], {"input-range": ranges}))


@lru_cache
def _tallies(kind: str) -> tuple[ItemTally, ...]:
    """The tallies of an evaluation that passes, fails, or has too few items."""
    size = {"passes": 5000, "fails": 3000, "ends-open": 3000}[kind]
    harmful = {"passes": 0.002, "fails": 0.06, "ends-open": 0.012}[kind]
    generator = np.random.default_rng(7)
    outcomes = generator.choice([WON, LOST, BOTH_RIGHT], size=size, p=[0.002, harmful, 0.998 - harmful])
    hard = hard_gates(_expanded(size))
    tallies = tuple(ItemTally(gate, _plan(), hard) for gate in _expanded(size) if gate.power)
    for tally in tallies:
        tally.count(lambda indices: outcomes[indices])
    return tallies


@lru_cache
def gates(kind: str) -> tuple[GateRecord, ...]:
    """What such an evaluation records: the counts of real tallies, and gates that were not measured."""
    counted = tuple(tally.record() for tally in _tallies(kind))
    unmeasured = [gate for gate in _expanded(3000) if not gate.power]
    return (*counted, *(GateRecord(name=g.name, claim=g.name, decision="Open") for g in unmeasured))


def result(plan: EvaluationPlan, kind: str = "passes", **update: Any) -> EvaluationResult:
    records = gates(kind)
    checks = tuple(CheckRecord(name=check, ok=True) for check in Check)
    verdict = conclude(plan, records, checks, None)
    return EvaluationResult(
        **{
            "input_digest": plan_digest(plan),
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "message": verdict.message,
            "gates": records,
            "checks": checks,
            "items": max(record.n for record in records),
            "harmful_flips": max(record.n10 for record in records),
            "beneficial_flips": max(record.n01 for record in records),
            "culprits": culprits(plan, _tallies(kind), hard_gates(_expanded(3000))),
            "baseline_digest": plan.baseline.digest or SHA[A],
            "candidate_digest": plan.candidate.digest,
            **update,
        }
    )


def error_result(plan: EvaluationPlan, reason: Reason, message: str) -> EvaluationResult:
    return EvaluationResult(input_digest=plan_digest(plan), outcome="Error", reason=reason, message=message)


def line(result: EvaluationResult) -> str:
    """As the referee prints it."""
    return canonical_json(result.dump()).decode()


def sha(text: str) -> str:
    """As the referee leaves it."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _plan() -> EvaluationPlan:
    files = [DataFile(uri=f"pvc://data/{name}", digest=SHA[name]) for name in ("inputs", "labels")]
    return build_plan(
        baseline=Subject(uri=A),
        candidate=Subject(uri=B, digest=SHA[B]),
        technique=Technique.INT8_STATIC,
        purpose=Purpose.MEMORY,
        packs=[PlannedPack(name="core", version="1", task=Task.CLASSIFICATION, inputs=files[0], labels=files[1])],
        policy=PolicySpec.model_validate(policy().spec.dump()),
    )
