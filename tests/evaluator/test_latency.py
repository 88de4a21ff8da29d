import numpy as np
import pytest
from paritygate.api import Decision, GateRecord
from paritygate.judge import Items, expand
from paritygate_evaluator.referee.latency import Latency

from ..judge.conftest import a_plan

LIMIT = {"name": "p50", "metric": "LatencyRatio", "quantile": "0.50", "limit": "1.25"}
REPORTED = {"name": "p95", "metric": "LatencyRatio", "enforcement": "DryRun"}


class Clock:
    """A runner of which only times are asked: each pair of fresh processes has a luck of its own."""

    def __init__(self, slower: float, spread: float = 0.0) -> None:
        self.asked: list[tuple[str, int, bool]] = []
        self._slower, self._spread, self._draw = slower, spread, np.random.default_rng(1)

    def latency(self, second: str, swapped: np.ndarray, indices: np.ndarray, *, fresh: bool = False) -> np.ndarray:
        assert indices.shape == (len(swapped), 2)
        self.asked.append((second, len(swapped), fresh))
        times = self._draw.lognormal(0, 0.02, (len(swapped), 4)) * 1e6
        if second == "candidate":
            times[:, 2:] *= self._slower * np.exp(self._spread * self._draw.standard_normal())
        return times.astype(np.int64)


def measured(clock: Clock, limit: str = "1.25") -> Latency:
    plan = a_plan(LIMIT | {"limit": limit}, REPORTED, latency=True).model_copy(update={"latency_blocks": 500})
    latency = Latency(plan, expand(plan, Items(["a"], {"scanner": ["A"]})), clock, np.arange(1000))
    latency.measure(lambda blocks, what: None)
    return latency


def p50(latency: Latency) -> GateRecord:
    return next(record for record in latency.records() if record.name == "p50")


def test_each_round_of_the_candidate_has_fresh_processes_and_the_control_has_one() -> None:
    clock = Clock(0.8)
    latency = measured(clock)
    assert p50(latency).decision is Decision.PROVED
    assert [asked for asked in clock.asked if asked[0] == "baseline"] == [("baseline", 50, False)] * 5
    assert [asked for asked in clock.asked if asked[0] == "candidate"] == [("candidate", 50, True)] * 5


@pytest.mark.parametrize(("slower", "decision"), [(0.8, "Proved"), (1.0, "Open"), (1.3, "Harm")])
def test_what_lucky_processes_hide_no_verdict_rests_on(slower: float, decision: str) -> None:
    clock = Clock(slower, spread=0.05)
    record = p50(measured(clock, "1.00"))
    assert record.decision is Decision(decision)
    if decision == "Open":
        assert record.n == 500
