"""A made-up candidate truly is what its name says: the loss is in the gate that it is about, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate.api import Metric, Outcome
from paritygate.judge import LOST, WON, Gate
from paritygate.judge import Kind as ColumnKind
from paritygate.judge.processes.confusion import ratio_of
from paritygate.simulation import Candidate, Ending, Kind, Setting, candidates, summarize
from paritygate.simulation.cells import cell_shares, given_label
from paritygate.simulation.draws import drawn
from paritygate.stats.bounded import UNIT
from paritygate.stats.ratio import ratio_estimates

from .settings import a_setting

SETTING = a_setting(
    {"name": "accuracy", "metric": "Accuracy", "margin": "0.02"},
    {"name": "by-scanner", "metric": "Accuracy", "margin": "0.05", "sliceBy": "scanner"},
    {"name": "recall", "metric": "Recall", "margin": "0.04", "value": "1"},
    {"name": "gap", "metric": "FairnessGap", "margin": "0.08", "sliceBy": "scanner"},
    {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.03"},
    {"name": "differ", "metric": "DisagreementRate", "margin": "0.07"},
    {"name": "brier", "metric": "Brier", "margin": "0.008"},
    items=30_000,
    rare=0.2,
)


def candidate(kind: Kind, gate: str = "", setting: Setting = SETTING) -> Candidate:
    return next(c for c in candidates(setting) if c.kind is kind and gate in (c.gate.name if c.gate else ""))


def measured(setting: Setting, made: Candidate, gate: Gate) -> float:
    """What the gate would measure if every item were judged, in the mean of a few draws."""
    return float(np.mean([_once(setting, made, gate, np.random.default_rng(seed)) for seed in range(6)]))


def _once(setting: Setting, made: Candidate, gate: Gate, draw: np.random.Generator) -> float:
    values = drawn(setting, made, gate.column, draw)[gate.sequence]
    if gate.column.kind is ColumnKind.DIFFERS:
        return float(values.mean())
    if gate.column.kind is ColumnKind.BRIER:
        return float(values.mean()) * UNIT
    if gate.claim.metric is Metric.HARMFUL_FLIP_RATE:
        return float((values == LOST).mean())
    if gate.marks is not None:
        second = gate.marks != 0
        return float(_loss(values[~second]) - _loss(values[second]))
    return _loss(values)


def _loss(values: np.ndarray) -> float:
    return float((values == LOST).mean() - (values == WON).mean())


def gate_of(name: str, setting: Setting = SETTING) -> Gate:
    return next(gate for gate in setting.counted if gate.name == name)


AT = ["accuracy", "by-scanner/B", "recall/1", "gap/A | B", "harmful-flips", "differ", "brier"]


@pytest.mark.parametrize("name", AT)
def test_at_the_margin_is_exactly_there_and_no_other_hard_gate_is_reached(name: str) -> None:
    made, noise = candidate(Kind.AT_MARGIN, name), 0.003
    for gate in SETTING.hard():
        margin, found = float(gate.claim.margin or 0), measured(SETTING, made, gate)
        if gate.name == name:
            assert found == pytest.approx(margin, abs=noise)
        else:
            assert found < margin - noise, gate.name


def test_what_a_slice_loses_does_not_show_in_the_whole() -> None:
    made = candidate(Kind.AT_MARGIN, "by-scanner/B")
    assert measured(SETTING, made, gate_of("accuracy")) == pytest.approx(0, abs=0.002)


def test_of_the_gates_of_one_kind_the_smallest_is_looked_at() -> None:
    assert sorted(c.gate.name for c in candidates(SETTING) if c.gate and c.kind is Kind.AT_MARGIN) == sorted(AT)


@pytest.mark.parametrize(
    ("kind", "accuracy", "brier"),
    [
        (Kind.EQUAL, 0.0, 0.0),
        (Kind.BETTER, -0.01, 0.0),
        (Kind.TWICE, 0.04, 0.0),
        (Kind.BROKEN, 0.05, 0.05),
    ],
)
def test_true_losses(kind: Kind, accuracy: float, brier: float) -> None:
    made = candidate(kind)
    assert measured(SETTING, made, gate_of("accuracy")) == pytest.approx(accuracy, abs=0.003)
    assert measured(SETTING, made, gate_of("brier")) == pytest.approx(brier, abs=0.001)


def test_a_loss_beside_items_that_must_pass_is_still_the_whole_margin() -> None:
    setting = a_setting(
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.02"},
        only=["accuracy", "must-pass-chosen"],
        items=40_000,
        must_pass=20_000,
    )
    made = candidate(Kind.AT_MARGIN, "accuracy", setting)
    assert measured(setting, made, gate_of("accuracy", setting)) == pytest.approx(0.02, abs=0.003)
    assert measured(setting, made, gate_of("must-pass-chosen/chosen", setting)) == 0


@pytest.mark.parametrize(("items", "net"), [(1000, 20), (1001, 21), (50, 1)])
def test_a_locked_set_at_its_margin_loses_the_fewest_items_that_fail_it(items: int, net: int) -> None:
    gate = {"name": "accuracy", "metric": "Accuracy", "margin": "0.02", "underpowered": "HarmOnly"}
    setting = a_setting(gate, only=["accuracy"], items=items, locked=True)
    if not setting.hard():
        return
    made = candidate(Kind.AT_MARGIN, "accuracy", setting)
    values = drawn(setting, made, gate_of("accuracy", setting).column, np.random.default_rng(0))
    assert (values == LOST).sum() - (values == WON).sum() == net


@settings(max_examples=60, deadline=None)
@given(
    metric=st.sampled_from([Metric.PRECISION, Metric.F_BETA, Metric.JACCARD]),
    beta=st.floats(0.5, 2),
    prevalence=st.floats(0.02, 0.6),
    flips=st.floats(0, 0.12),
    loss=st.floats(0.001, 0.2),
)
def test_cells_lose_exactly_what_is_asked(
    metric: Metric, beta: float, prevalence: float, flips: float, loss: float
) -> None:
    shares = cell_shares(metric, beta, prevalence, flips, loss)
    before, after = ratio_estimates(ratio_of(metric, beta), shares)
    assert before is not None
    assert after is not None
    assert before - after == pytest.approx(loss, abs=1e-9)
    assert shares.sum() == pytest.approx(1)
    assert shares.min() >= 0
    assert given_label(shares).sum(1) == pytest.approx([1, 1])
    equal = ratio_estimates(ratio_of(metric, beta), cell_shares(metric, beta, prevalence, flips, 0.0))
    assert equal[0] == pytest.approx(equal[1])


def test_equal_candidates_flip_no_more_than_leaves_them_well_within_a_limit_on_flips() -> None:
    assert a_setting(technique="Distilled").plan.flip_rate == "0.12"
    assert a_setting(technique="Distilled").flips == 0.03
    assert a_setting(technique="Distilled", tier="Low", only=["accuracy"]).flips == 0.12


@pytest.mark.parametrize(
    ("outcomes", "passed", "error"),
    [(["Passed"] * 4, 1.0, 0.15), (["Failed"] * 4, 0.0, 0.15), (["Passed", "Failed"] * 200, 0.5, 0.025)],
)
def test_a_share_has_an_error_even_when_nothing_was_seen(outcomes: list[str], passed: float, error: float) -> None:
    made = candidates(SETTING)[0]
    row = summarize(made, [Ending(Outcome(outcome), k) for k, outcome in enumerate(outcomes)])
    assert row.passed.value == passed
    assert row.passed.error == pytest.approx(error, rel=0.1)
    assert row.passed.count + row.failed.count + row.inconclusive.count == len(outcomes)


def test_a_candidate_without_paths_has_no_row() -> None:
    with pytest.raises(ValueError, match="equal: no path was run"):
        summarize(candidates(SETTING)[0], [])
