"""From the outputs of both models to what is judged of each item; one file a task."""

from .classification import ClassificationScorer
from .scorer import Answers, Scored, Scorer
from .tasks import scorer_for
from .truth import class_members, corpus_of

__all__ = ["Answers", "ClassificationScorer", "Scored", "Scorer", "class_members", "corpus_of", "scorer_for"]
