"""What is measured of both models once, beside the answers: bytes, and the figures that can only warn."""

from collections.abc import Sequence

import numpy as np
from paritygate.api import SOFT_ONLY, Decision, GateRecord, Metric, Reason
from paritygate.judge import Figure, Gate, figure_record, ratio_record

from ..ending import EvaluatorError
from ..runner.layers import compare_layers
from .client import ModelFailedError, Runner
from .evidence import Evidence

_LOADS = 5
_BATCHES, _CALLS = (1, 8, 32, 128), 20
_LOOKED_AT = 8


def measured(gates: Sequence[Gate], runner: Runner, evidence: Evidence) -> list[GateRecord]:
    """The records of the gates that can't decide. Raises ModelFailedError."""
    records = []
    for gate in gates:
        if gate.claim.metric not in SOFT_ONLY:
            continue
        try:
            figure = _figure(gate.claim.metric, runner, evidence)
        except ModelFailedError as error:
            if error.kind == "Lost":
                raise
            figure = None  # what can only warn must not end the evaluation
        if figure is None:
            records.append(GateRecord(name=gate.name, claim=gate.claim.name, decision=Decision.OPEN))
        else:
            records.append(figure_record(gate, figure))
    return records


def weighed(gates: Sequence[Gate], runner: Runner, sizes: tuple[int, int]) -> list[GateRecord]:
    """The records of the gates on bytes: `sizes` of both artefacts on the disk, and the peak memory of both processes.

    Raises ModelFailedError, and EvaluatorError RunnerLost for a figure that can't be.
    """
    memory = runner.memory()
    values = {Metric.SIZE_RATIO: sizes, Metric.PEAK_MEMORY_RATIO: (memory["baseline"], memory["candidate"])}
    records = []
    for gate in gates:
        if gate.claim.metric in values:
            first, second = values[gate.claim.metric]
            if first <= 0 or second <= 0:
                raise EvaluatorError(Reason.RUNNER_LOST, f"{gate.name}: measured {second} / {first} bytes")
            records.append(ratio_record(gate, first, second))
    return records


def _figure(metric: Metric, runner: Runner, evidence: Evidence) -> Figure | None:
    match metric:
        case Metric.LOAD_TIME_RATIO:
            return _load_time(runner)
        case Metric.BATCH_TIME_RATIO:
            return _batch_time(runner)
        case Metric.SATURATION:
            return _saturation(runner, evidence)
    assert evidence.figures is not None
    return evidence.figures.figure(metric, evidence.plain.revealed)


def _load_time(runner: Runner) -> Figure:
    """Median ns to load, each time in a process of its own."""
    before, after = (float(np.median(runner.load_times(role, _LOADS))) for role in ("baseline", "candidate"))
    return before, after, after / before, {}


def _batch_time(runner: Runner) -> Figure:
    """ns an item at the batch size that suits the baseline best, the models in turns; all sizes in `data`."""
    times = {size: np.median(runner.throughput(size, _CALLS), axis=0) / size for size in _BATCHES}
    best = min(_BATCHES, key=lambda size: float(times[size][0]))
    before, after = (float(value) for value in times[best])
    data = {
        "batch": tuple(float(size) for size in _BATCHES),
        "baseline": tuple(float(times[size][0]) for size in _BATCHES),
        "candidate": tuple(float(times[size][1]) for size in _BATCHES),
    }
    return before, after, after / before, data


def _saturation(runner: Runner, evidence: Evidence) -> Figure | None:
    """The largest share of a tensor that its integer range cut off; None for a model that has no such tensor."""
    judged = np.flatnonzero(evidence.plain.revealed)[:_LOOKED_AT]
    try:
        layers = compare_layers(*runner.layers(judged))
    except ModelFailedError:
        return None  # it runs, and can't be looked into: that is no fault of the candidate's
    clipped = [layer.clipped for layer in layers if layer.clipped is not None]
    return (None, None, max(clipped), {}) if clipped else None
