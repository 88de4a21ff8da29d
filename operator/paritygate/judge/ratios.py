"""Deterministic ratios: artefact size and peak memory, candidate over baseline."""

from paritygate.api import Decision, GateRecord

from .gates import Gate


def ratio_record(gate: Gate, baseline_value: float, candidate_value: float) -> GateRecord:
    """The record of a SizeRatio or PeakMemoryRatio gate, values in bytes. Raises ValueError for a value not above 0."""
    if not (baseline_value > 0 and candidate_value > 0):
        raise ValueError(f"{gate.name}: {candidate_value} / {baseline_value} bytes is no ratio")
    ratio = candidate_value / baseline_value
    within = ratio <= float(gate.claim.limit or 0)
    return GateRecord(
        name=gate.name,
        claim=gate.claim.name,
        decision=Decision.PROVED if within else Decision.HARM,
        n=1,
        baseline_value=baseline_value,
        candidate_value=candidate_value,
        estimate=ratio,
    )
