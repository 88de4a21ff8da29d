"""What stands behind the socket runs somebody's models: its answers are claims, and nonsense ends the evaluation."""

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from paritygate.api import Reason
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.client import MOST_LAYER_BYTES, ModelFailedError, Runner
from paritygate_evaluator.wire import WireError, receive, send

Answer = tuple[dict[str, Any], Sequence[np.ndarray]]
INPUTS: Answer = ({"counts": [2, 1], "inputs": [["x", "float32", [4]]], "threads": 1}, [])
LOADED: dict[str, Any] = {
    "inputs": [["x", "float32", [None, 4]]],
    "outputs": [["scores", "float32", [None, 2]]],
    "provider": "CPUExecutionProvider",
    "runtime": "onnxruntime 1",
    "nanoseconds": 2_500_000,
}


def asking(answers: Sequence[Answer], ask: Callable[[Runner], Any]) -> Any:
    """What `ask` returns when the other side answers so, frame by frame."""
    ours, theirs = socket.socketpair()

    def lie() -> None:
        try:
            for header, arrays in answers:
                receive(theirs)
                send(theirs, header, arrays)
        except WireError:
            pass  # enough was heard

    liar = threading.Thread(target=lie)
    liar.start()
    try:
        return ask(Runner(ours))
    finally:
        ours.close()
        liar.join()
        theirs.close()


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def i32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def i64(*values: Any) -> np.ndarray:
    return np.array(values, np.int64)


def statistics(runner: Runner) -> Any:
    return runner.statistics()


def layers(runner: Runner) -> Any:
    return runner.layers(i64(0))


TIMES = i64([1, 2], [3, 4], [5, 6])
BIG = np.zeros(MOST_LAYER_BYTES // 8 + 1)
ITEMS = np.arange(3)

LIES: list[tuple[str, list[Answer], Callable[[Runner], Any]]] = [
    ("no items", [({**INPUTS[0], "counts": []}, [])], Runner.inputs),
    ("fewer than none", [({**INPUTS[0], "counts": [4, -1]}, [])], Runner.inputs),
    ("another number later", [INPUTS, ({**INPUTS[0], "counts": [4]}, [])], lambda r: (r.inputs(), r.inputs())),
    ("one figure", [INPUTS, ({}, [f32(1, 2, 3)])], statistics),
    ("too few items", [INPUTS, ({}, [f32(1, 2), i32(1, 2)])], statistics),
    ("other types", [INPUTS, ({}, [f32(1, 2, 3), f32(1, 2, 3)])], statistics),
    ("largest NaN", [INPUTS, ({}, [f32(1, np.nan, 3), i32(1, 2, 3)])], statistics),
    ("largest negative", [INPUTS, ({}, [f32(1, -2, 3), i32(1, 2, 3)])], statistics),
    ("length negative", [INPUTS, ({}, [f32(1, 2, 3), i32(1, -2, 3)])], statistics),
    ("no figures but an error", [INPUTS, ({"error": "RunFailed", "message": "no"}, [])], statistics),
    ("no item for one", [INPUTS, ({}, [i64(0, 1)])], Runner.repeats),
    ("like an item behind it", [INPUTS, ({}, [i64(0, 2, 2)])], Runner.repeats),
    ("like one that is like another", [INPUTS, ({}, [i64(0, 0, 1)])], Runner.repeats),
    ("like none", [INPUTS, ({}, [i64(0, -1, 2)])], Runner.repeats),
    ("like items of floats", [INPUTS, ({}, [f32(0, 1, 2)])], Runner.repeats),
    ("loaded in no time", [({**LOADED, "nanoseconds": 0}, [])], lambda r: r.load("candidate")),
    ("loaded in NaN", [({**LOADED, "nanoseconds": float("nan")}, [])], lambda r: r.load("candidate")),
    ("without outputs", [({**LOADED, "outputs": []}, [])], lambda r: r.load("candidate")),
    ("too few load times", [({}, [i64(1)])], lambda r: r.load_times("candidate", 2)),
    ("load time 0", [({}, [i64(1, 0)])], lambda r: r.load_times("candidate", 2)),
    ("load times of floats", [({}, [np.array([1.0, 2.0])])], lambda r: r.load_times("candidate", 2)),
    ("an infinite batch", [({"batch": 8, "seconds": float("inf")}, [])], Runner.batch),
    ("times turned", [({}, [TIMES.T])], lambda r: r.throughput(8, 3)),
    ("times negative", [({}, [-TIMES])], lambda r: r.throughput(8, 3)),
    ("times unsigned", [({}, [TIMES.astype(np.uint64)])], lambda r: r.throughput(8, 3)),
    ("no times", [({}, [])], lambda r: r.throughput(8, 3)),
    ("latency NaN", [({}, [np.full((1, 4), np.nan)])], lambda r: r.latency("candidate", np.array([True]), i64([0, 1]))),
    ("memory as text", [({"baseline": "1", "candidate": 2}, [])], Runner.memory),
    ("memory of one", [({"baseline": 1}, [])], Runner.memory),
    ("outputs it has not", [(LOADED, []), ({}, [f32(1, 2, 3)] * 2)], lambda r: (r.load("candidate"), outputs(r))),
    ("layers without names", [({}, [])], layers),
    ("names that are none", [({"names": {"baseline": [1], "candidate": []}}, [f32(1)])], layers),
    ("more names than layers", [({"names": {"baseline": ["a"], "candidate": ["b"]}}, [f32(1)])], layers),
    ("a name twice", [({"names": {"baseline": ["a", "a"], "candidate": []}}, [f32(1)] * 2)], layers),
    ("layers too large", [({"names": {"baseline": [], "candidate": ["a"]}}, [BIG])], layers),
]


def outputs(runner: Runner) -> Any:
    return runner.outputs("candidate", ITEMS, 8)


@pytest.mark.parametrize(("what", "answers", "ask"), LIES, ids=[lie[0] for lie in LIES])
def test_nonsense_is_a_lost_runner(what: str, answers: list[Answer], ask: Callable[[Runner], Any]) -> None:
    with pytest.raises(EvaluatorError) as error:
        asking(answers, ask)
    assert error.value.reason is Reason.RUNNER_LOST


def test_rows_that_are_not_one_an_item_are_the_models_failure() -> None:
    with pytest.raises(ModelFailedError) as error:
        asking([({}, [f32(1, 2)])], outputs)
    assert (error.value.role, error.value.kind) == ("candidate", "OutputShape")


def test_what_makes_sense_is_taken() -> None:
    got = asking([INPUTS, ({}, [f32(1, -1, np.inf), i32(-1, 0, 7)])], statistics)
    assert (got.max_abs.tolist(), got.length.tolist()) == ([1, -1, np.inf], [-1, 0, 7])
    assert asking([INPUTS, ({}, [i64(0, 0, 2)])], Runner.repeats).tolist() == [0, 0, 2]
    assert asking([(LOADED, [])], lambda r: r.load("baseline")).load_seconds == 0.0025
    assert asking([({}, [i64(7, 8)])], lambda r: r.load_times("candidate", 2)).tolist() == [7, 8]
    assert asking([({}, [TIMES])], lambda r: r.throughput(8, 3)).tolist() == TIMES.tolist()
    first, second = asking([({"names": {"baseline": ["b", "a"], "candidate": []}}, [f32(1), f32(np.nan)])], layers)
    assert (list(first), second) == (["b", "a"], {})
