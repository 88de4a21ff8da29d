"""Records of gates that are no proof: one figure a model, and figures that only warn."""

import math
from collections.abc import Mapping

from paritygate.api import Decision, GateRecord

from .gates import Gate

Figure = tuple[float | None, float | None, float, Mapping[str, tuple[float, ...]]]
"""The baseline's, the candidate's, what a gate compares with its margin or limit, and what that rests on."""


def ratio_record(gate: Gate, baseline_value: float, candidate_value: float) -> GateRecord:
    """The record of a SizeRatio or PeakMemoryRatio gate, values in bytes. Raises ValueError for a value not above 0."""
    if not (baseline_value > 0 and candidate_value > 0):
        raise ValueError(f"{gate.name}: {candidate_value} / {baseline_value} bytes is no ratio")
    return figure_record(gate, (baseline_value, candidate_value, candidate_value / baseline_value, {}))


def figure_record(gate: Gate, figure: Figure) -> GateRecord:
    """The record of one figure; n is 1: it was measured. Raises ValueError for one that is no number."""
    before, after, estimate, data = figure
    if not all(math.isfinite(value) for value in (before or 0, after or 0, estimate)):
        raise ValueError(f"{gate.name}: {before}, {after}, {estimate} are not all numbers")
    threshold = float(gate.claim.limit or gate.claim.margin or 0)
    return GateRecord(
        name=gate.name,
        claim=gate.claim.name,
        decision=Decision.PROVED if estimate <= threshold else Decision.HARM,
        n=1,
        baseline_value=before,
        candidate_value=after,
        estimate=estimate,
        data=dict(data),
    )
