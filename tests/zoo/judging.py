"""Puts an exhibit through `paritygate check` and compares what came of it with what must."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paritygate.api import Decision, Outcome

from .entry import Case, Exhibit, Kind
from .workshop import Workshop

PARITYGATE = Path(sys.executable).with_name("paritygate")
_PATIENCE = 180


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of an exhibit."""

    exhibit: Exhibit
    verdict: str
    items: int
    seconds: float
    message: str
    wrong: str
    """What is not as expected; empty when all is."""

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
    """Run the command that a user would, and look at its verdict."""
    started = time.monotonic()
    run = subprocess.run(
        command(exhibit, case, workshop), capture_output=True, text=True, check=False, timeout=_PATIENCE
    )
    seconds = time.monotonic() - started
    try:
        document = json.loads(run.stdout)
    except ValueError:
        said = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return Finding(exhibit, "refused", 0, seconds, said, f"exit code {run.returncode}: {said}")
    verdict, result = document["verdict"], document["result"]
    return Finding(
        exhibit,
        verdict["outcome"],
        result.get("items", 0),
        seconds,
        verdict["message"],
        wrong_with(exhibit, verdict, result),
    )


def command(exhibit: Exhibit, case: Case, workshop: Workshop) -> list[str]:
    """`paritygate check` for a case; the policy is written down."""
    policy = workshop.policy(
        exhibit.name,
        {
            "tier": case.tier,
            "gates": [{"enforcement": "Hard", **gate} for gate in case.gates],
            "evaluation": {"latencyBlocks": case.latency_blocks},
        },
    )
    return [
        str(PARITYGATE),
        "check",
        f"--baseline={case.baseline}",
        f"--candidate={case.candidate}",
        *(f"--pack={pack}" for pack in case.packs),
        f"--policy={policy}",
        f"--technique={case.technique}",
        *([f"--purpose={case.purpose}"] if case.purpose else []),
        "--threads=1",
        "--json",
        "--quiet",
        *case.options,
    ]


def wrong_with(exhibit: Exhibit, verdict: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """What is not as the exhibit must come out; empty when all is."""
    outcome, reason, message = verdict["outcome"], verdict["reason"], verdict["message"]
    if (outcome, reason) != (exhibit.expected, exhibit.reason):
        return f"{outcome} ({reason}), expected {exhibit.expected} ({exhibit.reason}): {message}"
    if exhibit.gate.startswith("check "):
        return _of_check(exhibit.gate.removeprefix("check "), message, result)
    decisions = {gate["name"]: gate["decision"] for gate in result.get("gates", [])}
    if exhibit.kind is Kind.DAMAGE:
        return _of_harm(exhibit.gate, message, decisions)
    if exhibit.kind is Kind.INCONCLUSIVE:
        return "" if exhibit.gate in message else f"{exhibit.gate} is not named: {message}"
    if decisions.get(exhibit.gate) != Decision.PROVED:
        return f"{exhibit.gate} is {decisions.get(exhibit.gate)}, not proved"
    warned = message.partition("; warning")[2]
    if exhibit.warns not in warned or bool(exhibit.warns) != bool(warned):
        return f"warned of {warned or 'nothing'!r}, expected {exhibit.warns or 'nothing'!r}"
    return ""


def _of_harm(gate: str, message: str, decisions: Mapping[str, str]) -> str:
    """The gate that is meant for the damage must be the worst one, which the message names first."""
    if decisions.get(gate) != Decision.HARM:
        harmed = [name for name, decision in decisions.items() if decision == Decision.HARM]
        return f"{gate} is {decisions.get(gate)}; harm was proved by {', '.join(harmed)}"
    return "" if message.startswith(f"{gate}: ") else f"{gate} is not what the message names first: {message}"


def _of_check(name: str, message: str, result: Mapping[str, Any]) -> str:
    broken = {check["name"]: check.get("message", "") for check in result.get("checks", []) if not check["ok"]}
    if set(broken) != {name}:
        return f"checks broken: {', '.join(broken) or 'none'}; expected {name}"
    return "" if broken[name] and broken[name] in message else f"check {name} is not told: {message}"


def refused(exhibit: Exhibit, error: Exception) -> Finding:
    """An exhibit that could not even be made."""
    return Finding(exhibit, Outcome.ERROR.value, 0, 0.0, str(error), f"could not be made: {error!r}")
