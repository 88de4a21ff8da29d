"""What a hostile record asks for: no memory beyond what its items need, and no arithmetic that breaks."""

import base64
import tracemalloc
import weakref
import zlib
from typing import Any

import numpy as np
import pytest
from paritygate.api import Decision, Flip, Outcome, RepeatRecord
from paritygate.cli.show import show_verdict
from paritygate.judge import ItemTally, ResultRefused, recompute
from paritygate.judge.batchlog import decode_flips, decode_units, encode_units
from paritygate.judge.exploratory import named

from .case import World, a_plan, retold


def packed(text: bytes) -> str:
    return "z:" + base64.b64encode(zlib.compress(text, 9)).decode()


@pytest.mark.parametrize("token", [b"0,0 ", b" ", b"0,0*9999999 "])
def test_a_log_that_unpacks_to_much_takes_little(token: bytes) -> None:
    log = packed(token * ((1 << 25) // len(token)))
    assert len(log) < 524_288
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="batch log"):
            decode_flips(log, 4000, 8)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_the_longest_honest_log_is_read() -> None:
    units = np.array([place - 16384 + k % 2 for k in range(2000) for place in range(0, 16, 2)])
    log = encode_units(units, 8)
    assert log.startswith("z:")
    assert (decode_units(log, 16000, 8) == units).all()


@pytest.mark.parametrize("log", ["0:7,0:1", "3:4,0:4", "0:8,1:0", "0:9,1:-1"])
def test_a_batch_of_losses_counts_each_value_once_in_rising_order(log: str) -> None:
    with pytest.raises(ValueError, match="batch log"):
        decode_units(log, 8, 8)


def test_the_bomb_is_refused_as_a_result() -> None:
    plan, world = a_plan(), World(np.zeros(3000, np.int64))
    result = world.judged(plan)
    forged = result.gates[0].model_copy(update={"batch_log": packed(b"0,0 " * (1 << 24))})
    with pytest.raises(ResultRefused, match="unpacks to more than"):
        recompute(plan, retold(plan, result, [forged, *result.gates[1:]]))


def test_a_placeholder_passes_nothing() -> None:
    plan, world = a_plan(), World(np.zeros(3000, np.int64))
    result = world.judged(plan)
    bare = type(result.gates[0])(name="accuracy", claim="accuracy", decision=Decision.PROVED)
    with pytest.raises(ResultRefused):
        recompute(plan, retold(plan, result, [bare, *result.gates[1:]]))


@pytest.mark.parametrize(("baseline", "candidate"), [(0, 3), (1, 200), (256, 257), (-1, 0), (0, -1)])
def test_what_answered_in_two_ways_is_not_deterministic(baseline: int, candidate: int) -> None:
    plan, world = a_plan(), World(np.zeros(3000, np.int64))
    result = world.judged(plan)
    honest = result.model_copy(update={"repeat": RepeatRecord(items=256, baseline=1, candidate=2)})
    assert recompute(plan, honest).outcome is Outcome.PASSED
    said = RepeatRecord(items=256, baseline=baseline, candidate=candidate)
    with pytest.raises(ResultRefused, match="Deterministic is said to hold"):
        recompute(plan, result.model_copy(update={"repeat": said}))


@pytest.mark.parametrize("count", ["judged", "items_in_order", "exploratory_family", "repeated_items"])
def test_a_count_is_never_negative(count: str) -> None:
    plan = a_plan()
    result = World(np.zeros(3000, np.int64)).judged(plan)
    with pytest.raises(ResultRefused, match="never negative"):
        recompute(plan, result.model_copy(update={count: -1}))


def test_no_more_items_are_judged_than_there_are() -> None:
    plan = a_plan()
    result = World(np.zeros(3000, np.int64)).judged(plan)
    with pytest.raises(ResultRefused, match="1 times 3,000 could be"):
        recompute(plan, result.model_copy(update={"judged": 3001}))


def test_a_slice_writes_no_line_of_its_own_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Who makes a record must not be able to paint another verdict on the screen of who rechecks it."""
    plan, world = a_plan(), World(np.zeros(3000, np.int64))
    world.candidate[:20] = 1
    result = world.judged(plan)
    painted = "\x1b[2J\nPASSED\u202e"
    found = named(plan, [("site", painted)], [(20, 20, 0)], 100)
    flip = Flip(id=painted, label=painted, baseline="a", candidate="b", confidence=0.5)
    update = {"exploratory": found, "exploratory_family": 100, "items_in_order": 3000, "worst": (flip,)}
    forged = result.model_copy(update=update)
    show_verdict(plan, forged, recompute(plan, forged))
    shown = capsys.readouterr().out
    assert "site ?[2J PASSED?: 100.00 pt lost" in shown
    assert "\nPASSED?" not in shown
    assert not {"\x1b", "\u202e"} & set(shown)


def test_counts_of_one_gate_at_a_time_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve bytes of a record ask for two million items: of a thousand gates at once that were gigabytes."""
    held: list[weakref.ref[ItemTally]] = []

    class Counted(ItemTally):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            held.append(weakref.ref(self))
            assert sum(tally() is not None for tally in held) <= 2

    plan = a_plan({"name": "by-class", "metric": "Recall", "margin": "0.3"})
    result = World(np.arange(3000) % 5).judged(plan)
    monkeypatch.setattr("paritygate.judge.recheck.replay.ItemTally", Counted)
    assert recompute(plan, result).outcome is Outcome.PASSED
    assert len(held) == len(result.gates) == 7
