"""What is recorded of each item for a claim, so that the referee knows what to score and the judge what it counts.

A column holds one whole number an item. Its kind says what the number means:

- `outcome`: BOTH_WRONG, BOTH_RIGHT, LOST or WON; for `abstention`, "right" is an answer and "wrong" an abstention.
- `differs`: 1 where the two answers differ, else 0.
- `cell`: 4 y + 2 yB + yC of the class `parameter`: is it the label, the baseline's answer, the candidate's.
- the others: the candidate's loss beyond the baseline's, in [-1, 1], in whole units as `stats.bounded.to_units` has it.
"""

from dataclasses import dataclass
from enum import StrEnum

from paritygate.api import OF_ITEMS, Claim, Metric

UNKNOWN, BOTH_WRONG, BOTH_RIGHT, LOST, WON = -(1 << 20), 0, 1, 2, 3
"""An item that was not judged yet, in any column; and the outcomes: LOST = only the baseline right, WON the reverse."""


class Kind(StrEnum):
    """What the numbers of a column mean."""

    OUTCOME = "outcome"
    ABSTENTION = "abstention"
    DIFFERS = "differs"
    CELL = "cell"
    BRIER = "brier"
    LOG_LOSS = "logLoss"
    LABEL_ERROR = "labelError"
    ABSOLUTE_ERROR = "absoluteError"
    NEIGHBOUR_PRECISION = "neighbourPrecision"
    NEIGHBOUR_CHANGE = "neighbourChange"
    COSINE_CHANGE = "cosineChange"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `parameter`: the class, the cap, the confidence or the number of neighbours, as the claim has it."""

    kind: Kind
    parameter: str = ""
    perturbation: str = ""


_KINDS = {
    Metric.ACCURACY: Kind.OUTCOME,
    Metric.RECALL: Kind.OUTCOME,
    Metric.MUST_PASS: Kind.OUTCOME,
    Metric.FAIRNESS_GAP: Kind.OUTCOME,
    Metric.HARMFUL_FLIP_RATE: Kind.OUTCOME,
    Metric.DISAGREEMENT_RATE: Kind.DIFFERS,
    Metric.ABSTENTION_RATE: Kind.ABSTENTION,
    Metric.PRECISION: Kind.CELL,
    Metric.F_BETA: Kind.CELL,
    Metric.JACCARD: Kind.CELL,
    Metric.BRIER: Kind.BRIER,
    Metric.LOG_LOSS: Kind.LOG_LOSS,
    Metric.LABEL_ERROR: Kind.LABEL_ERROR,
    Metric.ABSOLUTE_ERROR: Kind.ABSOLUTE_ERROR,
    Metric.NEIGHBOUR_PRECISION: Kind.NEIGHBOUR_PRECISION,
    Metric.NEIGHBOUR_CHANGE: Kind.NEIGHBOUR_CHANGE,
    Metric.COSINE_CHANGE: Kind.COSINE_CHANGE,
}

NEIGHBOURS = 10
"""Of a claim that does not say how many."""


def column_of(claim: Claim, value: str | None = None) -> Column:
    """The column that a claim counts; `value` is the gate's class where there is a gate for each."""
    kind = _KINDS[claim.metric]
    parameter = {
        Kind.CELL: value,
        Kind.ABSOLUTE_ERROR: claim.cap,
        Kind.ABSTENTION: claim.confidence,
        Kind.NEIGHBOUR_PRECISION: str(claim.neighbours or NEIGHBOURS),
        Kind.NEIGHBOUR_CHANGE: str(claim.neighbours or NEIGHBOURS),
    }.get(kind)
    return Column(kind, parameter or "", claim.perturbation or "")


_NOT_ON_ANSWERS = frozenset({Metric.MUST_PASS, Metric.FAIRNESS_GAP, Metric.ABSTENTION_RATE})
"""A few chosen items, a difference, a habit: proved, they do not say that the answers are as good."""


def proves_answers(claim: Claim) -> bool:
    """Whether a proof of this claim is one about the quality of the answers, on the inputs as they are."""
    return claim.metric in OF_ITEMS and claim.metric not in _NOT_ON_ANSWERS and claim.perturbation is None
