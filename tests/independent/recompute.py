"""The judge a second time, from the statistics document alone. Nothing here comes from the product.

`recompute(plan, result)` takes both as JSON, as a record holds them, and derives what they must say: the input digest,
every gate's log wealth, latches and decision, the culprits, and the verdict with its reason.
"""

import hashlib
import math
from dataclasses import dataclass

from . import beside, times
from .gates import BOUNDED, RATES, RATIOS, Json, Judged, Level, canonical, judge, level_of, seed_of

CHECKS = {"Loadable", "Interface", "Finite", "OutputShape", "Provider", "Deterministic"}
ANSWERS = {"Accuracy", "Recall", *RATES, *BOUNDED, *RATIOS}


@dataclass(frozen=True, slots=True)
class Again:
    """What the counts say."""

    input_digest: str
    gates: dict[str, Judged]
    culprits: list[tuple[str, float]]
    control: str | None
    outcome: str
    reason: str


def digest(plan: Json) -> str:
    """The input digest."""
    return "sha256:" + hashlib.sha256(canonical(plan)).hexdigest()


def recompute(plan: Json, result: Json) -> Again:
    """Everything that follows from the counts. Raises ValueError where what is told beside does not."""
    beside.check(plan, result)
    claims = {claim["name"]: claim for claim in plan["claims"]}
    level = level_of(plan, result)
    gates = [judge(plan, claims[gate["claim"]], gate, level, result["latencyBlocks"]) for gate in result["gates"]]
    control = _control(plan, result, level)
    outcome, reason = _verdict(plan, result, gates, control)
    named = _culprits(gates, level)
    return Again(digest(plan), {gate.name: gate for gate in gates}, named, control, outcome, reason)


def _control(plan: Json, result: Json, level: Level) -> str | None:
    """What the A/A blocks say, judged at the strictest latency claim; None without a control."""
    if "control" not in result:
        return None
    claims = [claim for claim in plan["claims"] if claim["metric"] == "LatencyRatio"]
    strictest = min(claims, key=lambda claim: (float(claim["limit"]), -float(claim["quantile"])))
    ratio = times.Ratio(float(strictest["quantile"]), float(strictest["limit"]), plan["latencyBlocks"], seed_of(plan))
    return times.control_state(times.decode(result["controlBlocks"]), ratio, level.alpha, level.alpha_fail)


def _culprits(gates: list[Judged], level: Level) -> list[tuple[str, float]]:
    """Holm on p = min(1, 1 / the largest wealth against the gate), over all G hard gates; those of items are named."""
    peaks = sorted((-gate.harm_peak, gate.name) for gate in gates if gate.hard and gate.harm_peak is not None)
    named, adjusted = [], 0.0
    for k, (negative, name) in enumerate(peaks):
        adjusted = max(adjusted, (level.hard - k) * min(1.0, math.exp(negative)))
        if adjusted > level.alpha_fail:
            break
        named.append((name, adjusted))
    return named


def _verdict(plan: Json, result: Json, gates: list[Judged], control: str | None) -> tuple[str, str]:
    """Section 3, with the reasons as the record names them. Times count only beside a quiet control."""
    claims = {claim["name"]: claim for claim in plan["claims"]}
    claim_of = {gate["name"]: claims[gate["claim"]] for gate in result["gates"]}
    checks = {check["name"]: check["ok"] for check in result["checks"]}
    hard = [gate for gate in gates if gate.hard]
    timed = [gate for gate in hard if claim_of[gate.name]["metric"] == "LatencyRatio"]
    if not all(checks.values()):
        return "Failed", "CheckFailed"
    if any(gate.decision == "Harm" and (gate not in timed or control == "Quiet") for gate in hard):
        return "Failed", "HarmProved"
    if timed and control == "Biased":
        return "Error", "BiasedHarness"
    if not any(_about_answers(claim_of[gate.name]) and gate.decision != "NotProven" for gate in hard):
        return "Inconclusive", "NoHardGate"
    if timed and control != "Quiet":
        return "Inconclusive", "NoisyNode"
    measured = {gate["claim"] for gate in result["gates"]}
    missing = any(claim["enforcement"] == "Hard" and claim["name"] not in measured for claim in plan["claims"])
    if missing or set(checks) != CHECKS or any(gate.decision == "Open" for gate in hard):
        return "Inconclusive", "ItemsExhausted"
    return "Passed", "AllGatesProved"


def _about_answers(claim: Json) -> bool:
    """Whether its proof says that the answers are as good: no promotion without one such gate."""
    return claim["metric"] in ANSWERS and "perturbation" not in claim
