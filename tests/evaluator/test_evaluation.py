"""What an evaluation says of two models whose every answer is known. The models run for real."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from paritygate.api import Check, Decision, Outcome, Reason
from paritygate.cli.show import show_verdict
from paritygate.judge import recompute
from paritygate_evaluator.ending import EvaluatorError

from .case import ITEMS, Case
from .models import WIDTH, answers, copying, exploding, overflowing

pytestmark = pytest.mark.whole


def test_equal_models_pass_and_use_only_the_items_they_need(case: Case) -> None:
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.PASSED, Reason.ALL_GATES_PROVED)
    assert result.items < ITEMS / 2
    hard = {claim.name for claim in case.plan().claims if claim.enforcement == "Hard"}
    assert {gate.decision for gate in result.gates if gate.claim in hard} == {Decision.PROVED}
    assert all(check.ok for check in result.checks)
    assert recompute(case.plan(), result).outcome is Outcome.PASSED


def test_a_slice_that_is_lost_fails_by_name_while_the_average_is_open(case: Case) -> None:
    case.gates = (*case.gates, {"name": "by-scanner", "metric": "Accuracy", "sliceBy": "scanner", "margin": "0.03"})
    case.lose(lambda i: case.scanners[i] == "B" and i % 4 == 0)
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.HARM_PROVED)
    worse = [gate.name for gate in result.gates if gate.decision is Decision.HARM]
    assert "by-scanner/B" in worse
    assert "by-scanner/B" in result.message
    assert result.harmful_flips > 0 == result.beneficial_flips
    assert all(flip.slices == {"scanner": "B"} for flip in result.worst)
    assert recompute(case.plan(), result).outcome is Outcome.FAILED


def test_flips_are_counted_by_what_they_do(case: Case) -> None:
    case.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.10"},)
    case.truth[:] = 0
    case.baseline_says = np.where(np.arange(ITEMS) % 10 == 1, 1, 0)  # wrong
    case.candidate_says = np.where(np.arange(ITEMS) % 10 == 1, 2, 0)  # wrong in another way
    result = case.judge()
    assert (result.harmful_flips, result.beneficial_flips) == (0, 0)
    assert result.neutral_flips > 0


def test_without_labels_nothing_is_called_right_and_answers_that_differ_are_shown(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.unlabelled, case.gates = True, ()
    case.labels = "id,scanner\n" + "".join(f"i{i},{scanner}\n" for i, scanner in enumerate(case.scanners))
    case.lose(lambda i: i % 5 == 0)
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.HARM_PROVED)
    assert {gate.claim for gate in result.gates if gate.decision is Decision.HARM} >= {"disagreement"}
    assert (result.harmful_flips, result.beneficial_flips) == (0, 0)
    assert result.neutral_flips > 0
    assert {(flip.label, flip.baseline != flip.candidate) for flip in result.worst} == {("-", True)}
    assert min(flip.confidence for flip in result.worst) > 0
    assert result.exploratory == ()
    verdict = recompute(case.plan(), result)
    assert verdict.outcome is Outcome.FAILED
    show_verdict(case.plan(), result, verdict)
    shown = capsys.readouterr().out
    assert f"{result.neutral_flips:,} answered differently; nobody said what is right" in shown
    assert not any(word in shown for word in ("newly wrong", "newly right", "label -"))


def test_the_same_models_give_the_same_evidence(case: Case) -> None:
    case.lose(lambda i: i % 97 == 0)
    first, second = case.judge(), case.judge()
    assert first.gates == second.gates
    assert first.items == second.items


def test_a_pack_too_small_is_refused_before_anything_is_run(case: Case) -> None:
    case.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.0005"},)
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.INCONCLUSIVE, Reason.UNDERPOWERED)
    assert case.asked == []
    for word in ("accuracy", f"{ITEMS:,} items", "needed", "margin of", "HarmOnly"):
        assert word in result.message


def test_latency_size_and_memory_are_measured_when_accuracy_stands(case: Case) -> None:
    case.latency = True
    case.gates = (
        *case.gates,
        {"name": "p95", "metric": "LatencyRatio", "limit": "9.00"},
        {"name": "size", "metric": "SizeRatio", "limit": "0.50"},
        {"name": "memory", "metric": "PeakMemoryRatio", "limit": "9.00"},
    )
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.PASSED, Reason.ALL_GATES_PROVED)
    gates = {gate.name: gate for gate in result.gates}
    assert gates["size"].estimate == 0.25
    assert result.control is not None
    assert result.control.state == "Quiet"
    assert gates["p95"].n >= 250
    assert recompute(case.plan(), result).outcome is Outcome.PASSED


def test_models_that_take_one_item_at_a_time_are_judged_too(case: Case) -> None:
    case.baseline, case.candidate = copying(0, rows=1), copying(1, rows=1)
    result = case.judge()
    assert result.outcome is Outcome.PASSED
    assert result.environment["batch"] == "1"


def test_nothing_is_timed_once_accuracy_has_failed(case: Case) -> None:
    case.latency = True
    case.lose(lambda i: i % 3 == 0)
    result = case.judge()
    assert result.outcome is Outcome.FAILED
    assert result.control is None
    assert result.latency_blocks == ""


BROKEN: list[tuple[str, onnx.ModelProto | bytes, Check, str]] = [
    ("truncated", copying(1).SerializeToString()[:150], Check.LOADABLE, "truncated?"),
    ("empty", b"", Check.LOADABLE, "is empty"),
    ("no model", b"hello, world", Check.LOADABLE, "not a readable ONNX"),
    ("input name", copying(1, inputs="y"), Check.INTERFACE, "input 'x' of the"),
    ("output name", copying(1, outputs="p"), Check.INTERFACE, "output 'scores' of the"),
    ("width", copying(1, width=WIDTH + 1), Check.INTERFACE, "has shape [?, 9]"),
    ("classes", copying(1, classes=5), Check.INTERFACE, "has shape [?, 5]"),
    ("rows", copying(1, rows=8), Check.LOADABLE, "the first axis of 'x' is fixed to 8"),
    ("no rows", copying(1, flat=True), Check.LOADABLE, "'scores' has no axis for items"),
    ("type", copying(1, dtype=TensorProto.DOUBLE), Check.INTERFACE, "is float64, the baseline's is float32"),
]


@pytest.mark.parametrize(("what", "candidate", "check", "said"), BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_candidate_fails_its_check(
    case: Case, what: str, candidate: onnx.ModelProto | bytes, check: Check, said: str
) -> None:
    case.candidate = candidate
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.CHECK_FAILED)
    broken = [record for record in result.checks if not record.ok]
    assert [record.name for record in broken] == [check]
    assert broken[0].message.startswith("candidate: ")
    assert said in broken[0].message
    assert result.items == 0
    assert recompute(case.plan(), result).outcome is Outcome.FAILED


def test_one_infinity_in_the_candidates_outputs_is_a_fail(case: Case) -> None:
    case.candidate = overflowing()
    x = answers(case.baseline_says, case.candidate_says)
    x[::50, -1] = 1e30  # squared by the candidate
    case.inputs = {"x": x}
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.CHECK_FAILED)
    assert [record.name for record in result.checks if not record.ok] == [Check.FINITE]
    assert "NaN or infinity in the outputs for item 'i" in result.message


def row(k: int, change: str) -> Callable[[Case], None]:
    def labels(case: Case) -> None:
        rows = ["id,label,scanner", *(f"i{i},{case.truth[i]},{case.scanners[i]}" for i in range(ITEMS))]
        rows[k] = change
        case.labels = "\n".join(rows)

    return labels


def inputs(**arrays: np.ndarray) -> Callable[[Case], None]:
    return lambda case: setattr(case, "inputs", arrays)


def fill(**values: object) -> Callable[[Case], None]:
    def change(case: Case) -> None:
        for name, value in values.items():
            setattr(case, name, value)

    return change


UNUSABLE: list[tuple[str, Callable[[Case], None], Reason, str]] = [
    ("duplicate id", row(7, "i2,0,A"), Reason.PACK_INVALID, "core: labels.csv: row 8: id 'i2' was already in row 4"),
    ("missing label", row(7, "i6,,A"), Reason.PACK_INVALID, "row 8: column 'label' is empty"),
    ("missing slice value", row(7, "i6,1,"), Reason.PACK_INVALID, "row 8: column 'scanner' is empty"),
    ("short row", row(7, "i6,1"), Reason.PACK_INVALID, "row 8: 2 cells where the header has 3"),
    ("no label column", row(0, "id,truth,scanner"), Reason.PACK_INVALID, "column 'label' is missing"),
    (
        "no slice column",
        row(0, "id,label,station"),
        Reason.PACK_INVALID,
        "column 'scanner' (a slice column of the pack)",
    ),
    ("zero items", fill(labels="id,label,scanner\n"), Reason.PACK_INVALID, "no items"),
    ("label out of range", row(7, "i6,4,A"), Reason.PACK_INVALID, "the largest label is 4"),
    ("label no class", row(7, "i6,cat,A"), Reason.PACK_INVALID, "can't be compared with the model's outputs"),
    (
        "fewer inputs",
        inputs(x=np.zeros((9, WIDTH), np.float32)),
        Reason.PACK_INVALID,
        "inputs hold 9 items, labels 2,000",
    ),
    ("no inputs", inputs(x=np.zeros((0, WIDTH), np.float32)), Reason.PACK_INVALID, "inputs.npz holds no items"),
    ("other array", inputs(y=np.zeros((ITEMS, WIDTH), np.float32)), Reason.PACK_INVALID, "no array 'x'"),
    ("other type", inputs(x=np.zeros((ITEMS, WIDTH))), Reason.PACK_INVALID, '.astype("float32")'),
    (
        "other shape",
        inputs(x=np.zeros((ITEMS, 3), np.float32)),
        Reason.PACK_INVALID,
        "has shape [3], the model takes [8]",
    ),
    ("objects", inputs(x=np.array([{}] * ITEMS)), Reason.PACK_INVALID, "not a readable .npz of plain arrays"),
    (
        "baseline truncated",
        fill(baseline=copying(0).SerializeToString()[:150]),
        Reason.BASELINE_UNLOADABLE,
        "baseline: ",
    ),
]


@pytest.mark.parametrize(("what", "break_it", "reason", "said"), UNUSABLE, ids=[u[0] for u in UNUSABLE])
def test_what_can_not_be_judged_is_said_with_file_and_place(
    case: Case, what: str, break_it: Callable[[Case], None], reason: Reason, said: str
) -> None:
    break_it(case)
    with pytest.raises(EvaluatorError) as error:
        case.judge()
    assert error.value.reason is reason
    assert said in error.value.message


def test_a_slice_too_small_can_only_fail_the_candidate_and_the_plan_says_so_first(case: Case) -> None:
    case.scanners = ["B" if i < 20 else "A" for i in range(ITEMS)]
    case.gates = (*case.gates, {"name": "by-scanner", "metric": "Accuracy", "sliceBy": "scanner", "margin": "0.03"})
    result = case.judge()
    assert result.outcome is Outcome.PASSED
    gates = {gate.name: gate for gate in result.gates}
    assert gates["by-scanner/B"].decision is Decision.NOT_PROVEN
    assert gates["by-scanner/B"].n == 20
    assert "by-scanner/B" in result.message
    planned = case.progress[0]
    assert planned.stage == "Planned"
    assert "by-scanner/B: 20 items can't prove 3.00 points" in planned.message


@pytest.mark.parametrize(
    ("enforcement", "outcome"), [("Soft", Outcome.PASSED), ("DryRun", Outcome.PASSED), ("Hard", Outcome.FAILED)]
)
def test_what_can_only_warn_does_not_fail_a_candidate_that_breaks_where_nobody_decides(
    case: Case, enforcement: str, outcome: Outcome
) -> None:
    case.candidate = exploding()
    case.perturbations = ({"name": "glare", "kind": "Brightness", "strength": "1000"},)
    glare = {"name": "glare", "metric": "Accuracy", "margin": "0.05", "perturbation": "glare"}
    case.gates = (*case.gates, {**glare, "enforcement": enforcement})
    result = case.judge()
    assert result.outcome is outcome
    assert recompute(case.plan(), result).outcome is outcome
