"""Tries on one locked set: counted once each, numbered once for good, and told."""

from typing import Any

import pytest
from paritygate.api import EvaluationPlan, Technique
from paritygate.lifecycle.tries import data_of, identity

from . import builders
from .world import World

OTHERS = frozenset({"sha256:one", "sha256:two"})


def _plan(world: World) -> EvaluationPlan:
    world.rest()
    return world.evaluator_plan()


def test_the_first_is_number_one_and_nothing_is_said_of_it() -> None:
    world = World()
    assert _plan(world).candidate_number == 1
    assert world.status.candidate_number == 1
    assert "try" not in world.condition("Planned").message


def test_those_before_are_counted_and_told() -> None:
    world = World(tries=OTHERS)
    assert _plan(world).candidate_number == 3
    assert world.status.candidate_number == 3
    assert "alpha 0.05; try 3 on the packs' data;" in world.condition("Planned").message


def test_a_shared_alpha_is_told_with_what_is_left_of_it() -> None:
    world = World(tries=OTHERS, policy=builders.policy(evaluation={"alphaBudget": True}))
    world.rest()
    assert "alpha 0.05, of which it gets 0.0034; try 3" in world.condition("Planned").message


def test_a_try_is_not_counted_against_itself() -> None:
    own = identity(_plan(World()).dump())
    assert _plan(World(tries=OTHERS | {own})).candidate_number == 3


LATER: dict[str, Any] = {
    "while-it-runs": lambda world: None,
    "after-its-verdict": lambda world: world.evaluated(),
    "after-an-edit-that-changes-no-input": lambda world: world.edit(owner={"team": "x", "contact": "y"}),
    "after-its-verdict-and-such-an-edit": lambda world: (world.evaluated(), world.edit(release=None)),
}


@pytest.mark.parametrize("happens", LATER.values(), ids=LATER)
def test_a_number_stays_whoever_is_tried_later(happens: Any) -> None:
    world = World(validation=builders.validation(release=None))
    world.rest()
    digest = world.status.input_digest
    happens(world)
    world.tries = OTHERS
    world.rest()
    assert (world.status.candidate_number, world.status.input_digest) == (1, digest)
    assert len(world.jobs) == 1


OTHER = {"uri": builders.C, "digest": builders.SHA[builders.C], "technique": "Int8Static"}


def _judged(world: World) -> frozenset[str]:
    return frozenset(identity(report.dump()["spec"]["plan"]) for report in world.reports.values())


def test_another_candidate_under_the_same_name_is_another_try_and_the_first_keeps_its_number() -> None:
    world = World(validation=builders.validation(release=None))
    world.evaluated("fails")
    world.tries = _judged(world)
    world.edit(release=None, candidate=OTHER)
    world.rest()
    assert world.status.candidate_number == 2
    world.evaluated()
    world.tries = _judged(world)
    world.edit(release=None)
    world.rest()
    assert world.status.candidate_number == 1
    assert world.standing() == ("False", "HarmProved")
    assert len(world.reports) == 2


def test_without_inputs_there_is_no_number() -> None:
    world = World(tries=OTHERS)
    world.rest()
    world.policy = None
    world.edit()
    world.rest()
    assert world.status.candidate_number is None


CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "its-number": ({"candidate_number": 7}, True),
    "technique": ({"technique": Technique.PRUNED}, False),
    "environment": ({"environment": {"pool": "other"}}, False),
    "alpha": ({"alpha": "0.01"}, False),
}


@pytest.mark.parametrize(("change", "same"), CHANGES.values(), ids=CHANGES)
def test_a_try_is_a_candidate_under_given_conditions(change: dict[str, Any], same: bool) -> None:
    plan = _plan(World())
    assert (identity(plan.model_copy(update=change).dump()) == identity(plan.dump())) is same


def test_the_set_is_its_files_whatever_the_packs_are_called() -> None:
    one, other = builders.pack(), builders.pack("renamed")
    relabelled = builders.pack(labels={"uri": "s3://data/labels.csv", "digest": builders.SHA[builders.A]})
    assert data_of([one]) == data_of([other, None])
    assert data_of([one]) & data_of([relabelled])
