"""How many of the pack's items are run: by the gates, by the policy's wish for all of them, by its cap."""

from pathlib import Path

import numpy as np
import pytest
from paritygate.api import Check, Decision, EvaluationPlan, Outcome, Reason
from paritygate.judge import recompute

from .case import ITEMS, Case
from .models import answers, overflowing

pytestmark = pytest.mark.whole


def judged(case: Case, monkeypatch: pytest.MonkeyPatch, **limits: object):
    """The result of a plan with these limits, and that plan."""
    plan: EvaluationPlan = case.plan().model_copy(update=limits)
    monkeypatch.setattr(Case, "plan", lambda self: plan)
    return case.judge(), plan


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A candidate that overflows on three items, which no gate comes to when few are needed."""
    made = Case(tmp_path)
    made.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.10"},)
    return made


def overflow(case: Case, places: list[int]) -> None:
    case.candidate = overflowing()
    x = answers(case.baseline_says, case.candidate_says)
    x[places, -1] = 1e30  # squared by the candidate
    case.inputs = {"x": x}


def test_a_few_infinities_can_hide_from_a_run_that_needs_few_items_and_the_record_says_so(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = judged(case, monkeypatch)
    order = np.arange(ITEMS)
    assert first.items < ITEMS // 2
    (clean,) = [check for check in first.checks if check.name is Check.FINITE]
    assert (clean.items, clean.of_items) == (first.items, ITEMS)
    assert clean.share_below == pytest.approx(1 - 0.05 ** (1 / first.items_in_order))
    assert f"no NaN or infinity in {first.items:,} of {ITEMS:,} items: with 95 % confidence fewer than" in clean.message
    overflow(case, order[::7].tolist())
    found, plan = judged(case, monkeypatch, every_item=True)
    assert (found.outcome, found.reason) == (Outcome.FAILED, Reason.CHECK_FAILED)
    assert recompute(plan, found).outcome is Outcome.FAILED


@pytest.mark.parametrize("place", [3, 1111, ITEMS - 1])
def test_where_every_item_is_run_one_infinity_anywhere_is_found(
    case: Case, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    overflow(case, [place])
    result, _ = judged(case, monkeypatch, every_item=True)
    assert [check.name for check in result.checks if not check.ok] == [Check.FINITE]
    assert f"'i{place}'" in result.message


def test_every_item_is_run_and_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    result, plan = judged(case, monkeypatch, every_item=True)
    assert (result.items, result.items_in_order, result.judged) == (ITEMS, ITEMS, ITEMS)
    assert any(check.message.startswith(f"no NaN or infinity in all {ITEMS:,} items") for check in result.checks)
    assert recompute(plan, result).outcome is Outcome.PASSED


def test_the_cap_counts_an_item_again_under_each_perturbation(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.perturbations = ({"name": "glare", "kind": "Brightness", "strength": "0.1"},)
    glare = {"name": "glare", "metric": "Accuracy", "margin": "0.10", "perturbation": "glare"}
    case.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.10"}, glare)
    case.lose(lambda i: i % 40 == 0)  # near enough to the margin of harmful flips to take its time
    result, plan = judged(case, monkeypatch, max_items=300)
    assert (result.outcome, result.reason) == (Outcome.INCONCLUSIVE, Reason.ITEMS_EXHAUSTED)
    assert result.judged == 300 > result.items
    assert "harmful-flips: " in result.message
    assert "the 300 items that evaluation.maxItems allows" in result.message
    assert next(gate for gate in result.gates if gate.name == "harmful-flips").decision is Decision.OPEN
    assert recompute(plan, result).outcome is Outcome.INCONCLUSIVE


def test_what_the_cap_can_not_prove_is_refused_before_a_model_is_loaded(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, plan = judged(case, monkeypatch, max_items=64)
    assert (result.outcome, result.reason) == (Outcome.INCONCLUSIVE, Reason.UNDERPOWERED)
    assert "64 of 2,000 items, which evaluation.maxItems allows, can't prove" in result.message
    assert "raise evaluation.maxItems" in result.message
    assert case.asked == []
    assert recompute(plan, result).outcome is Outcome.INCONCLUSIVE
