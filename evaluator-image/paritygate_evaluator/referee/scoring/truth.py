"""What the labels say, as each task reads them: classes, sets of classes, numbers. Refused before a model is loaded."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from paritygate.api import PlannedPack, Reason, Task

from ...ending import EvaluatorError
from ..labels import Column, Labels

SEPARATOR, NOTHING = ";", "-"
"""Of task Multilabel: between the labels of one item; the cell of an item that has none."""

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Truth:
    """The distinct cells of the label column in order of first occurrence, and each item's place among them."""

    values: tuple[str, ...]
    codes: Codes
    ids: Sequence[str]

    @classmethod
    def of(cls, labels: Sequence[str], ids: Sequence[str]) -> "Truth":
        """One label and one id an item."""
        column = labels if isinstance(labels, Column) else Column.of(labels)
        return cls(column.values, column.codes, ids)

    def item(self, code: int) -> str:
        """The first item whose label is `values[code]`."""
        return str(self.ids[int((self.codes == code).argmax())])


class ClassMembers(Mapping[str, npt.NDArray[np.bool_]]):
    """Which items carry each class: (items,) for a class, worked out when asked (a thousand of them may be large)."""

    def __init__(self, codes: Codes, carriers: Mapping[str, Sequence[int]]) -> None:
        self._codes, self._carriers = codes, carriers

    def __getitem__(self, name: str) -> npt.NDArray[np.bool_]:
        return np.isin(self._codes, self._carriers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._carriers)

    def __len__(self) -> int:
        return len(self._carriers)


def class_members(task: Task, labels: Labels) -> ClassMembers:
    """Which items carry each class, by its name; none for tasks without classes.

    Also the check that the labels fit the task, which needs no model: raises EvaluatorError PackInvalid naming the
    item, its label and what to write.
    """
    truth = Truth.of(labels.labels, labels.ids)
    if not labels.labelled:
        return ClassMembers(truth.codes, {})
    if task is Task.REGRESSION:
        targets(truth)
    if task in (Task.REGRESSION, Task.EMBEDDING):
        return ClassMembers(truth.codes, {})
    sets = label_sets(truth) if task is Task.MULTILABEL else [(value,) for value in truth.values]
    carriers: dict[str, list[int]] = {name: [] for name in in_order({name for one in sets for name in one})}
    for code, names in enumerate(sets):
        for name in names:
            carriers[name].append(code)
    return ClassMembers(truth.codes, carriers)


def corpus_of(packs: Sequence[PlannedPack], labels: Labels) -> npt.NDArray[np.int64]:
    """Items among which neighbours are looked for; empty unless the task is Embedding.

    Raises EvaluatorError PackInvalid for packs that differ in their corpus, a column that is no slice column of them,
    and when no item, or every item, is in the corpus.
    """
    name = ", ".join(pack.name for pack in packs)
    wanted = {pack.corpus for pack in packs if pack.corpus is not None}
    if packs[0].task is not Task.EMBEDDING:
        return np.zeros(0, np.int64)
    if len(wanted) != 1 or any(pack.corpus is None for pack in packs):
        raise _invalid(f"{name}: task Embedding needs one and the same corpus (column and value) in every pack")
    corpus = wanted.pop()
    if corpus.column not in labels.columns:
        known = ", ".join(labels.columns) or "none"
        raise _invalid(f"{name}: corpus.column {corpus.column!r} is not among the slice columns of the packs: {known}")
    column = labels.columns[corpus.column]
    inside = column.codes == (column.values.index(corpus.value) if corpus.value in column.values else -1)
    if inside.all() or not inside.any():
        said = "every item is in the corpus, none is left to ask with" if inside.all() else "no item is in the corpus"
        known = ", ".join(sorted(column.values)[:20])
        raise _invalid(f"{name}: {said}: corpus.value is {corpus.value!r}, column {corpus.column!r} has: {known}")
    return np.flatnonzero(inside)


def class_number(label: str) -> int | None:
    """A label that is a class number: 0, 1, ... without leading zeros."""
    return int(label) if label.isdecimal() and len(label) < 10 and str(int(label)) == label else None


def in_order(names: set[str]) -> list[str]:
    """Names sorted; class numbers by their size."""
    return sorted(names, key=lambda name: (number if (number := class_number(name)) is not None else math.inf, name))


def label_sets(truth: Truth) -> list[tuple[str, ...]]:
    """Of each distinct cell its labels, sorted: `cat;dog` holds two and `-` none.

    Raises EvaluatorError PackInvalid for a label that is empty or there twice, and for `-` beside others.
    """
    sets = []
    for code, cell in enumerate(truth.values):
        names = [] if cell.strip() == NOTHING else [name.strip() for name in cell.split(SEPARATOR)]
        wrong = (
            f"{NOTHING!r} (no label) stands beside others"
            if NOTHING in names
            else "a label is empty"
            if "" in names
            else "a label is there twice"
            if len(set(names)) < len(names)
            else ""
        )
        if wrong:
            raise _invalid(
                f"item {truth.item(code)!r}: label {cell!r}: {wrong}; write labels with {SEPARATOR!r} between them, "
                f"such as 'cat{SEPARATOR}dog', and {NOTHING!r} for an item that has none"
            )
        sets.append(tuple(sorted(names)))
    return sets


def targets(truth: Truth) -> npt.NDArray[np.float64]:
    """Of each item the number in its label. Raises EvaluatorError PackInvalid for one that is not a finite number."""
    numbers = np.empty(len(truth.values))
    for code, cell in enumerate(truth.values):
        try:
            numbers[code] = float(cell)
        except ValueError:
            numbers[code] = math.nan
        if not math.isfinite(numbers[code]):
            raise _invalid(
                f"item {truth.item(code)!r}: label {cell!r} is not a finite number, which task Regression needs; "
                "write it with a decimal point, such as 12.5"
            )
    wanted: npt.NDArray[np.float64] = numbers[truth.codes]
    return wanted


def _invalid(what: str) -> EvaluatorError:
    return EvaluatorError(Reason.PACK_INVALID, what)
