"""Slices without a hard gate: which are named as worth a look, by which items, and that nobody can name others."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate.api import EvaluationPlan, Outcome
from paritygate.judge import BOTH_RIGHT, LOST, WON, InOrder, Items, ResultRefused, expand, recompute, suspects
from paritygate.stats.harm import log_harm

from tests.adversary.case import World, a_pack, a_plan, retold

RIGHT = np.tile([0, 1], 2000)
IDS = [f"i{k}" for k in range(len(RIGHT))]


def split(names: str, seed: int = 1) -> list[str]:
    """A column of these values, drawn evenly."""
    return [names[k] for k in np.random.default_rng(seed).integers(0, len(names), len(RIGHT))]


def world(lost: str = "c", share: float = 0.22) -> World:
    """Of group `lost` this share is lost; there are two more columns that have nothing to do with it."""
    columns = {"group": split("abcdefghij"), "site": split("xy", 2), "hand": split("lr", 3)}
    made = World(RIGHT, columns)
    hit = (np.array(columns["group"]) == lost) & (np.random.default_rng(4).random(len(RIGHT)) < share)
    made.candidate[hit] = 1 - made.right[hit]
    return made


def plan_of(**policy: object) -> EvaluationPlan:
    """A plan in which only `site` has a hard gate."""
    gates = [
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.10"},
        {"name": "by-site", "metric": "Accuracy", "sliceBy": "site", "margin": "0.10"},
        {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.20"},
    ]
    return a_plan(*gates, packs=[a_pack(slices=("site",))], **policy)


def found(made: World, plan: EvaluationPlan, revealed: np.ndarray | None = None):
    items = made.items
    gates = expand(plan, items)
    seen = InOrder.of(gates, items, np.ones(len(RIGHT), np.bool_) if revealed is None else revealed)
    outcomes = np.where(made.candidate == made.right, BOTH_RIGHT, LOST)[seen.items]
    return seen, *suspects(plan, gates, made.columns, seen, outcomes)


def test_the_slice_that_lost_is_named_and_those_with_a_hard_gate_are_not_looked_at() -> None:
    made = world()
    _, named, family = found(made, plan_of())
    assert [(one.column, one.value) for one in named] == [("group", "c")]
    assert family == 12, "ten groups and two hands; site has a hard gate"
    (one,) = named
    assert one.n == made.columns["group"].count("c")
    assert one.log_e == log_harm(one.n10, one.n01, one.n - one.n10 - one.n01, 0.10)
    assert one.adjusted == pytest.approx(12 * math.exp(-one.log_e))


def test_only_items_judged_in_order_count() -> None:
    made, plan = world(), plan_of()
    order = expand(plan, made.items)[0].sequence
    revealed = np.zeros(len(RIGHT), np.bool_)
    revealed[order[:1000]] = revealed[order[1001:]] = True
    seen, named, _ = found(made, plan, revealed)
    assert seen.units == 1000
    assert seen.items.tolist() == order[:1000].tolist()
    assert all(one.n <= 1000 for one in named)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3999), st.randoms(use_true_random=False))
def test_what_lies_behind_the_first_gap_changes_nothing(gap: int, chance: object) -> None:
    made, plan = world(), plan_of()
    order = expand(plan, made.items)[0].sequence
    before = np.zeros(len(RIGHT), np.bool_)
    before[order[:gap]] = True
    more = before.copy()
    more[order[gap + 1 :]] = np.random.default_rng(chance.getrandbits(32)).random(len(order) - gap - 1) < 0.7
    assert found(made, plan, before)[1:] == found(made, plan, more)[1:]


def test_a_column_that_names_single_items_is_not_looked_at() -> None:
    made = world()
    made.columns = {"user": IDS, "group": made.columns["group"]}
    assert found(made, a_plan({"name": "accuracy", "metric": "Accuracy", "margin": "0.10"}))[2] == 10


def test_without_a_hard_gate_on_all_items_there_is_no_margin_to_hold_slices_to() -> None:
    gate = {"name": "accuracy", "metric": "Accuracy", "margin": "0.10", "enforcement": "DryRun"}
    plan = a_plan(gate, {"name": "differs", "metric": "DisagreementRate", "margin": "0.10"})
    assert found(world(), plan)[1:] == ((), 0)


def test_one_item_stands_for_its_cluster() -> None:
    clusters = np.arange(len(RIGHT)) // 4
    seen = InOrder(np.arange(len(RIGHT)), clusters)
    assert seen.units == 1000
    counts = seen.counts(np.arange(len(RIGHT)) % 2, 2, np.tile([LOST, WON, WON, LOST], 1000))
    assert counts.tolist() == [[1000, 1000, 0], [1000, 0, 1000]]


def recorded():
    made, plan = world(), plan_of()
    result = made.judged(plan)
    seen, named, family = found(made, plan)
    told = {"judged": len(RIGHT), "items_in_order": seen.units, "exploratory": named, "exploratory_family": family}
    return plan, result.model_copy(update=told)


def test_an_honest_list_is_believed_and_changes_no_verdict() -> None:
    plan, result = recorded()
    silent = result.model_copy(update={"exploratory": (), "exploratory_family": 0})
    assert len(result.exploratory) == 1
    assert recompute(plan, result) == recompute(plan, silent)
    assert recompute(plan, result).outcome is Outcome(result.outcome)


def one(**update: object):
    return lambda result: {"exploratory": (result.exploratory[0].model_copy(update=update),)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (one(log_e=50.0), "do not say so"),
        (one(adjusted=1e-9), "do not say so"),
        (one(n10=2, n=300), "do not say so"),
        (one(n10=500), "don't fit"),
        (one(n01=-1), "don't fit"),
        (one(n=5000), "don't fit"),
        (one(column="site", value="x"), "has a hard gate"),
        (lambda r: {"exploratory_family": 0}, "1 slices are named of 0"),
        (lambda r: {"exploratory_family": 4}, "do not say so"),
        (lambda r: {"exploratory": 2 * r.exploratory, "exploratory_family": 12}, "do not say so"),
        (lambda r: {"items_in_order": 10}, "a gate counted"),
        (lambda r: {"items_in_order": 5000}, "5,000 items in order"),
    ],
)
def test_a_list_that_does_not_follow_from_its_counts_is_refused(change, said: str) -> None:
    plan, result = recorded()
    forged = result.model_copy(update=change(result))
    with pytest.raises(ResultRefused, match=said):
        recompute(plan, retold(plan, forged, forged.gates))


def test_items_of_a_million_are_looked_at_in_a_moment() -> None:
    size = 1_000_000
    seen = InOrder(np.random.default_rng(0).permutation(size))
    counts = seen.counts(np.arange(size, dtype=np.int32) % 1000, 1000, np.full(size, BOTH_RIGHT, np.int8))
    assert counts[:, 0].tolist() == [1000] * 1000
    assert not Items([], {}).judged_order.size
