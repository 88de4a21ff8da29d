"""The status is written as the smallest patch that makes it so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.cluster.merge import merge_diff

CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {}),
    ({"a": 1}, {"a": 1}, {}),
    ({"a": 1, "b": 2}, {"a": 1}, {"b": None}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 3}}, {"a": {"c": None, "d": 3}}),
    ({"conditions": [{"type": "A"}, {"type": "B"}]}, {"conditions": [{"type": "B"}]}, {"conditions": [{"type": "B"}]}),
    ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
    ({"a": [1]}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    ({"a": 1}, {"a": None}, {"a": None}),
    ({}, {"a": None}, {}),
]


@pytest.mark.parametrize(("old", "new", "patch"), CASES)
def test_patches(old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]) -> None:
    assert merge_diff(old, new) == patch


def applied(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


def members(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from("abc"), inner, max_size=3)


leaves = st.integers(0, 2) | st.sampled_from("xy")
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | members(inner), max_leaves=6)


@given(members(values), members(values))
def test_the_patch_makes_the_one_the_other_and_no_patch_is_made_of_equals(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert applied(old, merge_diff(old, new)) == new
    assert merge_diff(new, new) == {}
