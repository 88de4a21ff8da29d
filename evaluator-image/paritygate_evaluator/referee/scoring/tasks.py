"""The scorer of a task."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from paritygate.api import PlannedPack, Task
from paritygate.judge.columns import Column

from ..client import Port
from ..labels import Labels
from .classification import ClassificationScorer
from .embedding import EmbeddingScorer
from .multilabel import MultilabelScorer
from .regression import RegressionScorer
from .scorer import Scorer
from .truth import Truth, corpus_of


def scorer_for(
    packs: Sequence[PlannedPack], ports: Sequence[Port], labels: Labels, columns: Collection[Column]
) -> Scorer:
    """The scorer of the packs' task for a model with the outputs `ports`, filling `columns`.

    The packs agree in task, output and scores: the plan was checked. Raises EvaluatorError PackInvalid, naming pack,
    item or output and what to write, when the labels do not fit the task or the outputs, or a column can't be filled.
    """
    pack = ", ".join(pack.name for pack in packs)
    output, scores = packs[0].output, packs[0].scores
    truth = Truth.of(labels.labels, labels.ids)
    if not labels.labelled and packs[0].task is Task.CLASSIFICATION:
        truth = replace(truth, values=("0",))  # a class that every model has: what is right is not asked
    match packs[0].task:
        case Task.CLASSIFICATION:
            return ClassificationScorer(pack, ports, truth, output=output, scores=scores, columns=columns)
        case Task.MULTILABEL:
            return MultilabelScorer(pack, ports, truth, output=output, scores=scores, columns=columns)
        case Task.REGRESSION:
            return RegressionScorer(pack, ports, truth, output=output, columns=columns)
        case Task.EMBEDDING:
            corpus = corpus_of(packs, labels)
            return EmbeddingScorer(pack, ports, truth, corpus=corpus, output=output, columns=columns)
