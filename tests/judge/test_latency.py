import numpy as np
import pytest
from paritygate.api import Decision, Enforcement, Metric
from paritygate.judge import (
    ControlTally,
    Items,
    LatencyTally,
    PlanError,
    block_orders,
    check_blocks,
    decode_blocks,
    encode_blocks,
    expand,
)
from paritygate.judge.gates import Gate

from .conftest import a_plan

P50 = {"name": "p50", "metric": "LatencyRatio", "quantile": "0.50", "limit": "1.25"}


def times(ratio: float, n: int = 400, seed: int = 1) -> np.ndarray:
    """Blocks in ns: lognormal, 5 % spread, the second model `ratio` times as slow."""
    draw = np.random.default_rng(seed).lognormal(0, 0.05, (n, 4)) * 50_000
    draw[:, 2:] *= ratio
    return draw.astype(np.int64)


def p50_gate() -> tuple[object, Gate]:
    plan = a_plan(P50, {"name": "p95", "metric": "LatencyRatio", "enforcement": "DryRun"}, latency=True)
    return plan, next(g for g in expand(plan, Items(["a"], {"scanner": ["A"]})) if g.name == "p50")


def tally_of(ratio: float) -> LatencyTally:
    plan, gate = p50_gate()
    tally = LatencyTally(gate, plan, 4)
    blocks = times(ratio)
    for part in np.array_split(blocks, 7):
        tally.add(part)
    tally.add(blocks[:0])
    return tally


@pytest.mark.parametrize(("ratio", "decision"), [(0.8, "Proved"), (1.0, "Proved"), (1.6, "Harm"), (1.25, "Open")])
def test_a_latency_gate_decides_by_evidence(ratio, decision):
    assert tally_of(ratio).decision is Decision(decision)


def test_a_record_of_times_is_confirmed_by_two_looks_and_a_forged_one_is_not():
    plan, gate = p50_gate()
    record, blocks = tally_of(0.8).record(), times(0.8)
    assert LatencyTally(gate, plan, 4).confirms(record.pass_at, record.harm_at, blocks)
    assert not LatencyTally(gate, plan, 4).confirms(record.pass_at, record.harm_at, times(1.6))
    assert not LatencyTally(gate, plan, 4).confirms(51, None, blocks), "not a scheduled look"


def test_two_identical_models_are_quiet_and_a_biased_harness_is_told():
    plan, _ = p50_gate()
    for ratio, state in ((1.0, "Quiet"), (1.5, "Biased")):
        control = ControlTally(plan)
        control.add(times(ratio))
        assert control.state == state


def test_few_blocks_are_noisy_not_quiet():
    plan, _ = p50_gate()
    control = ControlTally(plan)
    control.add(times(1.0, n=5))
    assert control.state == "Noisy"


def test_too_few_blocks_for_any_proof_are_not_blamed_on_the_node():
    plan, _ = p50_gate()
    few = plan.model_copy(update={"latency_blocks": 249})
    control = ControlTally(few)
    control.add(times(1.0, n=249))
    assert control.state == "Noisy"
    assert "evaluation.latencyBlocks allows 249 blocks" in control.record().message
    assert "with fewer than 250" in control.record().message


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"latency_blocks": 249}, "249 blocks can't prove p50, .* at alpha 0.05 it takes 250; write 250 or more"),
        ({"latency_blocks": 250}, ""),
        ({"latency_blocks": 250, "alpha_budget": True, "candidate_number": 3}, "at alpha 0.00338 it takes 500"),
        ({"latency_blocks": 500, "alpha_budget": True, "candidate_number": 3}, ""),
        ({"latency_blocks": 20_000, "alpha": "0.0000000000001"}, "20,000 are the most: raise alpha"),
    ],
    ids=["too few", "enough", "too few for the third candidate", "enough for it", "no number would do"],
)
def test_blocks_that_prove_nothing_are_refused_when_planned(changed, said):
    plan = p50_gate()[0].model_copy(update=changed)
    if said:
        with pytest.raises(PlanError, match=rf"^evaluation\.latencyBlocks: .*{said}"):
            check_blocks(plan)
    else:
        check_blocks(plan)


def test_a_gate_that_only_reports_may_have_few_blocks():
    plan, _ = p50_gate()
    soft = tuple(claim.model_copy(update={"enforcement": Enforcement.SOFT}) for claim in plan.claims)
    check_blocks(plan.model_copy(update={"latency_blocks": 50, "claims": soft}))


def test_block_orders_extend_and_blocks_survive_the_record():
    plan, _ = p50_gate()
    assert (block_orders(plan, 0, 100)[60:] == block_orders(plan, 60, 40)).all()
    blocks = times(1.0, n=3)
    assert (decode_blocks(encode_blocks(blocks)) == blocks).all()
    assert Metric.LATENCY_RATIO in {c.metric for c in plan.claims}
