"""Which items carry a class, known before a model is loaded, and labels that do not fit their task."""

import numpy as np
import pytest
from paritygate.api import Task
from paritygate_evaluator.referee.scoring import class_members

from .scoring_case import labelled, refused

MEMBERS = [
    ("numbers by their size", Task.CLASSIFICATION, ["10", "2", "2"], {"2": [1, 2], "10": [0]}),
    ("names", Task.CLASSIFICATION, ["dog", "cat", "dog"], {"cat": [1], "dog": [0, 2]}),
    ("sets", Task.MULTILABEL, ["cat;dog", "-", "dog"], {"cat": [0], "dog": [0, 2]}),
    ("sets in two spellings", Task.MULTILABEL, ["cat;dog", "dog; cat"], {"cat": [0, 1], "dog": [0, 1]}),
    ("numbers to predict", Task.REGRESSION, ["1.5", "-2e3"], {}),
    ("vectors", Task.EMBEDDING, ["a", "b"], {}),
]


@pytest.mark.parametrize(("what", "task", "cells", "expected"), MEMBERS, ids=[m[0] for m in MEMBERS])
def test_items_of_each_class(what: str, task: Task, cells: list[str], expected: dict[str, list[int]]) -> None:
    members = class_members(task, labelled(cells))
    assert {name: np.flatnonzero(items).tolist() for name, items in members.items()} == expected
    assert list(members) == list(expected)


def test_labels_that_do_not_fit_the_task_are_refused_by_item() -> None:
    with refused("item 'i1'", "'cat' is not a finite number"):
        class_members(Task.REGRESSION, labelled(["1", "cat"]))
    with refused("item 'i1'", "'cat;'", "a label is empty"):
        class_members(Task.MULTILABEL, labelled(["dog", "cat;"]))
