"""Packs, labels and outputs for tests of scoring: a valid default, one keyword a difference."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from paritygate.api import Corpus, DataFile, PlannedPack, Reason, Scores, Task
from paritygate.judge import Column
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.client import Port
from paritygate_evaluator.referee.labels import Column as Texts
from paritygate_evaluator.referee.labels import Labels
from paritygate_evaluator.referee.scoring import Scored, Scorer, scorer_for


def pack(
    task: Task, *, output: str | None = None, scores: Scores | None = None, among: str | None = None
) -> PlannedPack:
    """A pack named core; `among` is the value of column `part` that makes the corpus."""
    file = DataFile(uri="core")
    corpus = Corpus(column="part", value=among) if among else None
    return PlannedPack(
        name="core", version="1", task=task, inputs=file, labels=file, output=output, scores=scores, corpus=corpus
    )


def labelled(cells: Sequence[str], **columns: Sequence[str]) -> Labels:
    """Items i0, i1, ... with these labels."""
    texts = {name: Texts.of(values) for name, values in columns.items()}
    return Labels(tuple(f"i{k}" for k in range(len(cells))), Texts.of(cells), texts, (len(cells),))


def scores(classes: int | None, name: str = "scores", dtype: str = "float32") -> Port:
    """An output (items, classes)."""
    return Port(name, dtype, (None, classes))


def scorer(
    task: Task,
    ports: Sequence[Port],
    cells: Sequence[str],
    columns: Collection[Column] = (),
    **of_pack: object,
) -> Scorer:
    """The scorer of one pack."""
    return scorer_for([pack(task, **of_pack)], ports, labelled(cells), columns)  # type: ignore[arg-type]


def score(one: Scorer, baseline: object, candidate: object) -> Scored:
    """Score all items, from the one output of each model."""
    first, second = np.asarray(baseline), np.asarray(candidate)
    return one.score(np.arange(len(first)), [first], [second])


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """What is done in it is refused as an invalid pack, in a message with all of these words."""
    with pytest.raises(EvaluatorError) as caught:
        yield
    assert caught.value.reason is Reason.PACK_INVALID
    for word in words:
        assert word in caught.value.message
