"""What a candidate or a pack could do to be judged by something else than what it does."""

import math
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from paritygate.api import Check, DataFile, Outcome, Perturbation, Reason, Scores, Technique
from paritygate.judge import Items
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.cache import OutputCache, kept_answers
from paritygate_evaluator.referee.client import Port
from paritygate_evaluator.referee.evidence import Evidence
from paritygate_evaluator.referee.figures import reliability
from paritygate_evaluator.referee.labels import Column, Labels
from paritygate_evaluator.referee.planning import gates_of
from paritygate_evaluator.referee.scoring import ClassificationScorer
from paritygate_evaluator.referee.scoring.probability import probabilities
from paritygate_evaluator.referee.scoring.truth import Truth
from paritygate_evaluator.referee.slices import joined

from tests.evaluator.case import Case
from tests.evaluator.models import copying

from .case import a_pack, a_plan


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_a_model_that_changed_since_it_was_judged_is_not_deterministic() -> None:
    """It answers alike when it is asked twice in a row, and not as it did."""
    evidence = _asked_again(judged=[0, 0, 0, 0], now=[0, 1, 1, 0])
    repeat = evidence.repeat(np.arange(4))
    assert (repeat.baseline, repeat.candidate) == (0, 2)


def test_a_model_that_stays_as_it_was_is() -> None:
    assert _asked_again(judged=[0, 1, 0, 1], now=[0, 1, 0, 1]).repeat(np.arange(4)).candidate == 0


def _asked_again(judged: list[int], now: list[int]) -> Evidence:

    ids = [f"i{k}" for k in range(len(judged))]
    labels = Labels(ids, Column.of("0" for _ in ids), {}, (len(ids),))
    truth = Truth.of(labels.labels, ids)
    scorer = ClassificationScorer("core", [Port("scores", "float32", (None, 2))], truth)

    class Answering:
        """A runner whose candidate says `now`, whatever it said before."""

        def outputs(self, role: str, indices: np.ndarray, batch: int) -> tuple[np.ndarray, ...]:
            said = np.zeros(len(ids), np.int64) if role == "baseline" else np.array(now)
            return (np.eye(2, dtype=np.float32)[said[indices]],)

    evidence = Evidence(Answering(), scorer, labels, ())  # type: ignore[arg-type]
    evidence.plain.answers[1] = judged
    return evidence


def test_noise_inside_a_model_is_found(case: Case) -> None:
    model = copying(1)
    model.graph.node[-1].CopyFrom(helper.make_node("Add", ["copied", "noise"], ["scores"]))
    model.graph.node.append(helper.make_node("RandomNormalLike", ["copied"], ["noise"], scale=4.0))
    nodes = sorted(model.graph.node, key=lambda node: ["MatMul", "RandomNormalLike", "Add"].index(node.op_type))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    case.candidate = model
    case.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.90"},)
    result = case.judge()
    assert result.outcome is Outcome.FAILED
    assert result.reason in (Reason.CHECK_FAILED, Reason.HARM_PROVED)


def test_numbers_too_large_for_32_bits_are_numbers_still() -> None:
    logits = np.array([[1e300, 0.0], [-1e300, 1e300], [0.0, 0.0]])
    found = probabilities(logits, Scores.LOGITS)
    assert found.tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    assert math.isfinite(reliability(found.max(1), np.ones(3, np.bool_)).error)
    assert np.isnan(probabilities(np.array([[np.nan, 0.0]]), Scores.LOGITS)).any(), "what is no number is not made one"


@pytest.mark.parametrize(
    "columns",
    [
        (["a & b", "a"], ["c", "b & c"]),
        (["x" * 80, "x" * 80], ["y" * 60 + "1", "y" * 60 + "2"]),
    ],
    ids=["by-an-and", "by-length"],
)
def test_combinations_are_slices_of_their_own(columns: tuple[list[str], ...]) -> None:
    column = joined(columns)
    assert len(set(column)) == 2
    assert all(len(value) <= 128 for value in column)


def test_combinations_are_called_by_their_values() -> None:
    assert list(joined([["en", "de", "en"], ["new", "old", "new"]])) == ["en & new", "de & old", "en & new"]


def test_too_many_gates_are_blamed_on_the_claim_that_has_them() -> None:
    plan = a_plan({"name": "every", "metric": "Recall", "margin": "0.5"})
    items = 3900
    classes = {str(k): np.arange(items) % 1300 == k for k in range(1300)}
    with pytest.raises(EvaluatorError, match="at most 1,280 are judged: 'every' alone has 1,300"):
        gates_of(plan, Items([f"i{k}" for k in range(items)], {}, classes))


def test_each_of_a_thousand_classes_has_a_gate() -> None:
    plan = a_plan(technique=Technique.PRUNED)
    names = np.arange(3000) % 1000
    classes = {str(k): names == k for k in range(1000)}
    gates = gates_of(plan, Items([f"i{k}" for k in range(3000)], {}, classes))
    assert sum(gate.claim.name == "every-class" for gate in gates) == 1000


def test_what_a_killed_referee_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """The process id is the same in every pod."""

    key, outputs = {"baseline": "x"}, [np.ones((4, 2), np.float32)]
    probe = OutputCache(tmp_path, key, 4, 1 << 20)
    probe.begin(8)
    probe.keep(np.arange(4), outputs)
    (folder,) = tmp_path.iterdir()
    folder.rename(tmp_path / f"{folder.name}.{os.getpid()}")
    cache = OutputCache(tmp_path, key, 4, 1 << 20)
    cache.begin(8)
    cache.keep(np.arange(4), outputs)
    assert cache.take(np.arange(4)) is not None


@pytest.mark.parametrize(("uri", "kept"), [("s3://bucket/inputs.npz", False), ("inputs.npz", True)])
def test_without_a_digest_a_remote_name_is_not_remembered(tmp_path: Path, uri: str, kept: bool) -> None:
    plan = a_plan(packs=[a_pack(inputs=DataFile(uri=uri))])
    assert (kept_answers(tmp_path, 1 << 20, plan, "sha256:0", {"runtime": "onnxruntime 1"}, 1) is not None) is kept


def a_nan_under(case: Case) -> onnx.ModelProto:
    """As the baseline, but 0 / 0 where the first number of an item is not exactly what the pack holds."""
    model = copying(1)
    zero, whole = (helper.make_tensor(name, TensorProto.FLOAT, [], [0.0]) for name in ("zero", "whole"))
    nodes = list(model.graph.node)[:-1]
    nodes += [
        helper.make_node("Floor", ["copied"], ["floored"]),
        helper.make_node("Sub", ["copied", "floored"], ["rest"]),
        helper.make_node("Neg", ["rest"], ["negative"]),
        helper.make_node("Sqrt", ["negative"], ["root"]),
        helper.make_node("Add", ["copied", "root"], ["scores"]),
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend([zero, whole])
    return model


def test_a_candidate_that_breaks_only_on_disturbed_items_fails(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:

    case.candidate = a_nan_under(case)
    x = case.inputs_of()["x"]
    case.inputs = {"x": np.where(x > 0, x, -np.arange(len(x), dtype=np.float32)[:, None])}
    plain = case.plan()
    noise = Perturbation(name="noise", kind="FeatureJitter", strength="0.01")
    claim = plain.claims[0].model_copy(update={"name": "noisy", "perturbation": "noise", "margin": "0.05"})
    packs = tuple(pack.model_copy(update={"perturbations": (noise,)}) for pack in plain.packs)
    plan = plain.model_copy(update={"claims": (*plain.claims, claim), "packs": packs})
    monkeypatch.setattr(Case, "plan", lambda self: plan)
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.CHECK_FAILED)
    assert [check.name for check in result.checks if not check.ok] == [Check.FINITE]
    assert "under perturbation noise" in result.message
