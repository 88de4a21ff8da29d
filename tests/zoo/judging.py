"""Puts an exhibit through what `paritygate check` does, and compares what came of it with what must."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paritygate.api import Decision, EvaluationPlan, EvaluationResult, Outcome, Purpose
from paritygate.api.manifest import ManifestError
from paritygate.cli.check import believed
from paritygate.cli.local import LocalEvaluation
from paritygate.cli.subjects import calibration, planned_packs, policy, subject
from paritygate.cli.usage import UsageError
from paritygate.judge import PlanError, Verdict, build_plan

from .entry import Case, Exhibit, Gate, Kind
from .workshop import Workshop

REFUSED = "Refused"
"""The verdict on what did not even come to an evaluation."""

_TIMED = {"Standard": ("p95",), "High": ("p95", "p99")}
"""Latency gates that a tier brings: only reported, unless the exhibit is about speed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of an exhibit. `wrong`: what is not as it must; empty when all is."""

    exhibit: Exhibit
    verdict: str
    items: int
    seconds: float
    message: str
    wrong: str

    def dump(self) -> dict[str, Any]:
        """As zoo.json has it."""
        return {
            "name": self.exhibit.name,
            "kind": self.exhibit.kind.value,
            "gate": self.exhibit.gate,
            "verdict": self.verdict,
            "expected": self.exhibit.expected.value,
            "items": self.items,
            "seconds": round(self.seconds, 1),
            "ok": not self.wrong,
            "message": self.message,
            "wrong": self.wrong,
        }


def judge(exhibit: Exhibit, case: Case, workshop: Workshop) -> Finding:
    """Plan, evaluate in three processes, recompute: all that the command does but for printing."""
    started = time.monotonic()
    try:
        plan = planned(exhibit.name, case, workshop)
    except (PlanError, ManifestError, UsageError) as error:
        return refused(exhibit, error)
    result = LocalEvaluation(plan, lambda _: None).run()
    verdict = believed(plan, result)
    seconds = time.monotonic() - started
    wrong = wrong_with(exhibit, verdict, result)
    return Finding(exhibit, verdict.outcome.value, result.items, seconds, verdict.message, wrong)


def planned(name: str, case: Case, workshop: Workshop) -> EvaluationPlan:
    """The plan of a case; its policy is written down first, to be judged by again. Raises what the command tells."""
    timed = () if case.purpose else _TIMED[case.tier]
    gates: list[Gate] = [{"name": quantile, "metric": "LatencyRatio", "enforcement": "DryRun"} for quantile in timed]
    manifest = workshop.policy(
        name,
        {
            "tier": case.tier,
            "gates": [*({"enforcement": "Hard", **gate} for gate in case.gates), *gates],
            "evaluation": {"latencyBlocks": case.latency_blocks},
        },
    )
    return build_plan(
        baseline=subject("--baseline", str(case.baseline)),
        candidate=subject("--candidate", str(case.candidate)),
        technique=case.technique,
        purpose=case.purpose or Purpose.MEMORY,
        packs=planned_packs(case.packs),
        policy=policy(manifest),
        execution_providers=(case.provider,),
        runtime=case.runtime,
        threads=1,
        calibration=calibration(str(case.calibration) if case.calibration else None),
    )


def wrong_with(exhibit: Exhibit, verdict: Verdict, result: EvaluationResult) -> str:
    """What is not as the exhibit must come out; empty when all is."""
    message = verdict.message
    if verdict.outcome is not exhibit.expected or verdict.reason not in exhibit.reasons:
        expected = f"{exhibit.expected} ({' or '.join(exhibit.reasons)})"
        return f"{verdict.outcome} ({verdict.reason}), expected {expected}: {message}"
    if exhibit.gate.startswith("check "):
        return _of_check(exhibit.gate.removeprefix("check "), message, result)
    decisions = {gate.name: gate.decision for gate in result.gates}
    if exhibit.kind is Kind.HONEST:
        return _of_proof(exhibit, message, decisions)
    if exhibit.expected is Outcome.FAILED:
        return _of_harm(exhibit.gate, message, decisions)
    return "" if exhibit.gate in message else f"{exhibit.gate} is not named: {message}"


def _of_proof(exhibit: Exhibit, message: str, decisions: Mapping[str, Decision]) -> str:
    if decisions.get(exhibit.gate) is not Decision.PROVED:
        return f"{exhibit.gate} is {decisions.get(exhibit.gate)}, not proved"
    warned = message.partition("; warning")[2]
    if exhibit.warns not in warned or bool(exhibit.warns) != bool(warned):
        return f"warned of {warned or 'nothing'!r}, expected {exhibit.warns or 'nothing'!r}"
    return ""


def _of_harm(gate: str, message: str, decisions: Mapping[str, Decision]) -> str:
    """The gate that is meant for the damage must be the worst one, which the message names first."""
    if decisions.get(gate) is not Decision.HARM:
        harmed = [name for name, decision in decisions.items() if decision is Decision.HARM]
        return f"{gate} is {decisions.get(gate)}; harm was proved by {', '.join(harmed)}"
    return "" if message.startswith(f"{gate}: ") else f"{gate} is not what the message names first: {message}"


def _of_check(name: str, message: str, result: EvaluationResult) -> str:
    broken = {check.name.value: check.message for check in result.checks if not check.ok}
    if set(broken) != {name}:
        return f"checks broken: {', '.join(broken) or 'none'}; expected {name}"
    return "" if broken[name] and broken[name] in message else f"check {name} is not told: {message}"


def refused(exhibit: Exhibit, error: Exception) -> Finding:
    """An exhibit that could not be made, or was refused before anything was run."""
    return Finding(exhibit, REFUSED, 0, 0.0, str(error), f"refused: {error}")
