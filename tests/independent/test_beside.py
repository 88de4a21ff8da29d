"""What a record tells beside its verdict is derived again by the second judge, and refused where it can't be."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate.api import EvaluationResult
from paritygate.judge import BOTH_RIGHT, LOST, WON, InOrder, expand, finite_record, suspects

from tests.adversary.case import World, a_pack, a_plan

from .beside import check, listed

RIGHT = np.zeros(1500, np.int64)
PLAN = a_plan({"name": "accuracy", "metric": "Accuracy", "margin": "0.05"}, packs=[a_pack()])


def printed(result: EvaluationResult) -> dict[str, Any]:
    """As a record holds it."""
    told: dict[str, Any] = json.loads(json.dumps(result.dump(), allow_nan=False))
    return told


def recorded(seed: int, share: float) -> EvaluationResult:
    """Slices of sixteen values, of which two lost this share; the items up to some place were judged in order."""
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 16, len(RIGHT))
    made = World(RIGHT, {"group": [f"g{code}" for code in codes.tolist()]})
    made.candidate[(codes < 2) & (draw.random(len(RIGHT)) < share)] = 1
    made.baseline[draw.random(len(RIGHT)) < 0.02] = 2
    result, gates = made.judged(PLAN), expand(PLAN, made.items)
    revealed = np.ones(len(RIGHT), np.bool_)
    revealed[gates[0].sequence[draw.integers(1400, len(RIGHT))]] = False
    seen = InOrder.of(gates, made.items, revealed)
    first, second = (said[seen.items] == 0 for said in (made.baseline, made.candidate))
    outcomes = np.where(first, np.where(second, BOTH_RIGHT, LOST), np.where(second, WON, BOTH_RIGHT))
    named, family = suspects(PLAN, gates, made.columns, seen, outcomes)
    clean = finite_record(PLAN, len(RIGHT), len(RIGHT), seen.units)
    return result.model_copy(
        update={
            "checks": (*(one for one in result.checks if one.name != "Finite"), clean),
            "judged": len(RIGHT),
            "items_in_order": seen.units,
            "exploratory": named,
            "exploratory_family": family,
        }
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.15, 0.3, 0.9]))
def test_two_judges_list_the_same_slices(seed: int, share: float) -> None:
    check(PLAN.dump(), printed(recorded(seed, share)))


def test_what_was_lost_is_listed() -> None:
    told = printed(recorded(1, 0.9))
    assert {one[1] for one in listed(PLAN.dump(), told)} == {"g0", "g1"}


@pytest.mark.parametrize(
    "change",
    [
        {"exploratoryFamily": 1600},
        {"itemsInOrder": 100},
        {"itemsInOrder": 1501},
        {
            "exploratory": [
                {"column": "group", "value": "g5", "n": 90, "n10": 3, "n01": 1, "logE": 9.0, "adjusted": 0.01}
            ]
        },
    ],
)
def test_what_does_not_follow_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"worth a look|not seen|in order"):
        check(PLAN.dump(), printed(recorded(1, 0.3)) | change)


@pytest.mark.parametrize(("limits", "judged"), [({"maxItems": 1499}, 1500), ({"everyItem": True}, 1000)])
def test_a_run_that_went_too_far_or_not_far_enough_is_refused(limits: dict[str, Any], judged: int) -> None:
    told = printed(recorded(1, 0.0)) | {"items": judged, "judged": judged, "itemsInOrder": judged, "checks": []}
    with pytest.raises(ValueError, match="items"):
        check(PLAN.dump() | limits, told | {"outcome": "Passed"})
