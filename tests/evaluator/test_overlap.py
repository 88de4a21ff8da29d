"""What a candidate was calibrated on can't judge it."""

from pathlib import Path

import numpy as np
import pytest
from paritygate.api import Outcome, Reason
from paritygate.judge import recompute
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.runner.items import load_inputs
from paritygate_evaluator.runner.overlap import overlapping
from paritygate_evaluator.runner.rows import InputsError

from .case import Case

ITEMS = {"x": np.arange(12, dtype=np.float32).reshape(6, 2)}


def written(folder: Path, **arrays: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "calibration.npz", **arrays)
    return folder


@pytest.mark.parametrize(
    ("calibration", "found"),
    [
        (ITEMS["x"][[4, 1]], [1, 4]),
        (ITEMS["x"][[4]].astype(np.float64), [4]),
        (ITEMS["x"] + 1, []),
        (ITEMS["x"][:, ::-1], []),
    ],
    ids=["two-items", "as-float64", "other-items", "the-same-numbers-in-another-order"],
)
def test_items_are_compared_by_content(tmp_path: Path, calibration: np.ndarray, found: list[int]) -> None:
    assert overlapping(ITEMS, written(tmp_path, x=calibration), 1 << 20).tolist() == found


@pytest.mark.parametrize(
    ("pack", "calibration", "found"),
    [
        (np.array([[0, 0]], np.uint8), np.array([[0.1, 0.9]], np.float32), []),
        (np.array([[0, 1]], np.uint8), np.array([[256, 257]], np.int64), []),
        (np.array([[-(2**63)]]), np.array([[np.nan]], np.float32), []),
        (np.array([[3, 7]], np.uint8), np.array([[3, 7]], np.float32), [0]),
        (np.array([["ab"]]), np.array([["abcd"]]), []),
        (np.array([["ab"]]), np.array([["ab"], ["a longer one"]]), [0]),
    ],
    ids=["fractions", "wrapped", "no-number", "whole-numbers", "the-first-letters", "the-same-text"],
)
def test_a_number_or_text_that_a_pack_can_not_hold_is_none_of_its_own(
    tmp_path: Path, pack: np.ndarray, calibration: np.ndarray, found: list[int]
) -> None:
    items, _ = load_inputs([written(tmp_path / "pack", x=pack)], 1 << 20)
    assert overlapping(items, written(tmp_path / "seen", x=calibration), 1 << 20).tolist() == found


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": ITEMS["x"]}, "has no input 'x'"),
        ({"x": np.zeros((3, 5), np.float32)}, "have shape"),
        ({"x": np.array([["a", "b"]])}, "one of them is text"),
    ],
)
def test_a_calibration_set_of_another_kind_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(InputsError, match=said):
        overlapping(ITEMS, written(tmp_path, **arrays), 1 << 20)


def test_an_overlap_is_inconclusive_with_the_items_and_nothing_is_judged(case: Case) -> None:
    case.calibration = case.inputs_of()["x"][:3]
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.INCONCLUSIVE, Reason.CALIBRATION_OVERLAP)
    assert result.items == 0
    assert "calibration set too" in result.message
    assert recompute(case.plan(), result).reason is Reason.CALIBRATION_OVERLAP


@pytest.mark.whole
def test_other_calibration_data_changes_nothing(case: Case) -> None:
    case.calibration = case.inputs_of()["x"][:3] + 0.5
    assert case.judge().outcome is Outcome.PASSED


def test_a_calibration_set_that_can_not_be_compared_is_no_free_pass(case: Case) -> None:
    case.calibration = np.zeros((3, 1), np.float32)
    with pytest.raises(EvaluatorError, match="calibration set's items"):
        case.judge()
