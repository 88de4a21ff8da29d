"""What an empty policy asks for, and what may be changed of it under its own name."""

from typing import Any

import pytest
from paritygate.api import (
    LABEL_FREE,
    Corpus,
    DataFile,
    EvaluationPlan,
    PlannedPack,
    Purpose,
    SliceColumn,
    SliceSource,
    Subject,
    Task,
    Technique,
)
from paritygate.api.policy import GateSpec, PolicySpec
from paritygate.judge import PlanError, build_plan


def a_pack(name: str = "core", **fields: Any) -> PlannedPack:
    known = {"version": "1", "task": Task.CLASSIFICATION, "labels": DataFile(uri=f"{name}.csv")}
    return PlannedPack(name=name, inputs=DataFile(uri=f"{name}.npz"), **known | fields)


def a_plan(*gates: dict[str, str], packs: tuple[PlannedPack, ...], technique: Technique) -> EvaluationPlan:
    return build_plan(
        baseline=Subject(uri="a"),
        candidate=Subject(uri="b"),
        technique=technique,
        purpose=Purpose.LATENCY,
        packs=packs,
        policy=PolicySpec(gates=tuple(GateSpec.model_validate(gate) for gate in gates)),
    )


LANGUAGES = (a_pack(slices=("language", "region")),)


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"name": "by-language", "metric": "Accuracy", "value": "pt", "sliceBy": "language"}, "value.*has no value"),
        ({"name": "by-language", "metric": "Accuracy", "sliceBy": "region"}, "sliceBy.*has sliceBy 'language'"),
        ({"name": "every-class", "metric": "Recall", "value": "3"}, "value.*has no value"),
        ({"name": "accuracy", "metric": "Accuracy", "sliceBy": "language"}, "sliceBy.*has no sliceBy"),
        ({"name": "p95", "metric": "LatencyRatio", "quantile": "0.50"}, "quantile.*has quantile '0.95'"),
    ],
)
def test_a_gate_about_less_than_the_default_of_its_name_is_refused(gate: dict[str, str], said: str) -> None:
    with pytest.raises(PlanError, match=rf"^gates\[0\] \({gate['name']}\)\.{said}.*another name"):
        a_plan(gate, packs=LANGUAGES, technique=Technique.PRUNED)


def test_a_default_is_overridden_by_its_own_scope_said_again() -> None:
    said = {"name": "p95", "metric": "LatencyRatio", "quantile": "0.950", "limit": "1.2"}
    by_language = {"name": "by-language", "metric": "Accuracy", "sliceBy": "language", "margin": "0.2"}
    plan = a_plan(said, by_language, packs=LANGUAGES, technique=Technique.PRUNED)
    assert {c.name: (c.margin, c.limit) for c in plan.claims if c.origin == "Policy"} == {
        "by-language": ("0.2", None),
        "p95": (None, "1.2"),
    }


def test_one_value_with_a_margin_of_its_own_is_judged_beside_all_of_them() -> None:
    gate = {"name": "pt", "metric": "Accuracy", "sliceBy": "language", "value": "pt", "margin": "0.01"}
    claims = {c.name: c.value for c in a_plan(gate, packs=LANGUAGES, technique=Technique.PRUNED).claims}
    assert claims["pt"] == "pt"
    assert claims["by-language"] is None


@pytest.mark.parametrize("first", [0, 1])
def test_the_edges_of_one_pack_cut_the_slices_that_a_technique_brings_to_all(first: int) -> None:
    own = SliceColumn(column="input-range", source=SliceSource.INPUT_RANGE, edges=("0.8",))
    packs = a_pack("own", derived=(own,)), a_pack("other")
    plan = a_plan(packs=(packs[first], packs[1 - first]), technique=Technique.INT8_STATIC)
    assert [pack.derived for pack in plan.packs] == [(own,), (own,)]


def test_a_column_of_one_packs_labels_is_not_taken_for_the_slice_of_a_technique() -> None:
    packs = a_pack("read", slices=("input-range",)), a_pack("derived")
    with pytest.raises(PlanError, match="read has a slice column 'input-range' in its labels, derived hasn't"):
        a_plan(packs=packs, technique=Technique.INT8_STATIC)


@pytest.mark.parametrize("technique", list(Technique))
@pytest.mark.parametrize(
    ("task", "fields", "overall"),
    [
        (Task.CLASSIFICATION, {"scores": "Logits"}, ("disagreement", "DisagreementRate")),
        (Task.MULTILABEL, {}, ("disagreement", "DisagreementRate")),
        (Task.EMBEDDING, {"corpus": Corpus(column="language", value="pt")}, ("moved", "NeighbourChange")),
    ],
)
def test_without_labels_the_tier_promises_as_much_and_reads_none(
    technique: Technique, task: Task, fields: dict[str, Any], overall: tuple[str, str]
) -> None:
    packs = tuple(a_pack(n, task=task, slices=("language",), unlabelled=True, **fields) for n in ("one", "two"))
    claims = {claim.name: claim for claim in a_plan(packs=packs, technique=technique).claims}
    name, metric = overall
    assert {claim.metric for claim in claims.values()} <= LABEL_FREE
    for gate, margin in ((name, "0.01"), ("by-language", "0.03")):
        assert (claims[gate].metric, claims[gate].margin, claims[gate].enforcement) == (metric, margin, "Hard")


@pytest.mark.parametrize("enforcement", ["Hard", "Soft", "DryRun"])
@pytest.mark.parametrize("metric", ["Accuracy", "Recall", "HarmfulFlipRate"])
def test_a_gate_that_reads_labels_is_refused_of_an_unlabelled_pack(metric: str, enforcement: str) -> None:
    gate = {"name": "mine", "metric": metric, "margin": "0.01", "enforcement": enforcement}
    said = rf"gates\[0\] \(mine\)\.metric: {metric} reads labels, and pack core is unlabelled: .*DisagreementRate"
    with pytest.raises(PlanError, match=said):
        a_plan(gate, packs=(a_pack(unlabelled=True),), technique=Technique.FP16)


def test_packs_with_and_without_labels_are_not_judged_together() -> None:
    with pytest.raises(PlanError, match="unlabelled is true in free and false in core"):
        a_plan(packs=(a_pack(), a_pack("free", unlabelled=True)), technique=Technique.FP16)


def test_a_regression_without_labels_has_nothing_that_could_pass() -> None:
    with pytest.raises(PlanError, match="pack core is unlabelled"):
        a_plan(
            {"name": "error", "metric": "AbsoluteError", "cap": "9", "margin": "0.01"},
            packs=(a_pack(task=Task.REGRESSION, unlabelled=True),),
            technique=Technique.FP16,
        )
    with pytest.raises(PlanError, match="no Hard gate is about the answers"):
        a_plan(packs=(a_pack(task=Task.REGRESSION, unlabelled=True),), technique=Technique.FP16)
