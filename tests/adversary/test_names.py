"""What has one name is one thing: no gate, pack or slice hides behind another's."""

import numpy as np
import pytest
from paritygate.api import Perturbation, SliceColumn, SliceSource
from paritygate.judge import Items, PlanError, expand

from .case import a_pack, a_plan


@pytest.mark.parametrize(
    "classes",
    [("a b", "a-b"), ("猫", "犬"), ("c++", "c"), ("x" * 127 + "a", "x" * 127 + "b"), ("é", "-"), ("a_b", "a-b")],
)
def test_every_critical_class_has_a_gate_of_its_own(classes: tuple[str, ...]) -> None:
    plan = a_plan(packs=[a_pack(critical_classes=classes)])
    told = {claim.name: claim.value for claim in plan.claims if claim.name.startswith("critical-")}
    assert sorted(told.values()) == sorted(classes)
    assert all(len(name) <= 128 for name in told)


def test_a_class_with_a_plain_name_is_called_by_it() -> None:
    plan = a_plan(packs=[a_pack(critical_classes=("stop-sign",))])
    assert "critical-stop-sign" in {claim.name for claim in plan.claims}


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (a_pack("core"), "core and core have the same name: every item would count twice"),
        (a_pack("copy", inputs=a_pack("core").inputs), "core and copy have the same inputs"),
    ],
)
def test_no_item_counts_twice(second: object, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        a_plan(packs=[a_pack("core"), second])


def test_packs_mean_the_same_by_a_name() -> None:
    weak, strong = (Perturbation(name="noise", kind="GaussianNoise", strength=s) for s in ("0.01", "1"))
    with pytest.raises(PlanError, match=r"'noise' \(perturbations\) is not the same in a and b"):
        a_plan(packs=[a_pack("a", perturbations=(weak,)), a_pack("b", perturbations=(strong,))])
    low, high = (SliceColumn(column="size", source=SliceSource.INPUT_RANGE, edges=(edge,)) for edge in ("1", "2"))
    with pytest.raises(PlanError, match=r"'size' \(derived\) is not the same in a and b"):
        a_plan(packs=[a_pack("a", derived=(low,)), a_pack("b", derived=(high,))])


GAP = {"name": "gap", "metric": "FairnessGap", "margin": "0.05", "sliceBy": "group"}


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["a", "b | c", "a | b", "c"], "gate gap/a | b | c: 2 gates have this name"),
        (["x" * 63, "y"], "has 63 characters"),
    ],
)
def test_pairs_of_groups_have_names_of_their_own(groups: list[str], said: str) -> None:
    plan = a_plan(GAP, packs=[a_pack(slices=("group",))])
    column = [groups[k % len(groups)] for k in range(4000)]
    items = Items([f"i{k}" for k in range(4000)], {"group": column}, {"0": np.ones(4000, np.bool_)})
    with pytest.raises(PlanError, match=said.replace("|", r"\|")):
        expand(plan, items)


def test_a_gate_about_another_class_does_not_take_a_critical_ones_place() -> None:
    gate = {"name": "critical-cat", "metric": "Recall", "margin": "0.05"}
    with pytest.raises(PlanError, match="critical-cat has value 'cat'; give a gate of value 'dog' another name"):
        a_plan(gate | {"value": "dog"}, packs=[a_pack(critical_classes=("cat",))])
    plan = a_plan(gate, packs=[a_pack(critical_classes=("cat",))])
    assert {claim.name: claim.value for claim in plan.claims}["critical-cat"] == "cat"
