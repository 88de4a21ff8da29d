"""Which items come next, and what they showed.

What is judged follows a fixed rule of the plan's order, in steps of `STEP` items, whatever the speed of the machine:
the same models give the same evidence. Items are computed ahead of that in chunks that fit the models' speed; what was
computed and not yet judged does not exist for the judge.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from paritygate.api import Decision, EvaluationPlan, Flip
from paritygate.judge import BOTH_WRONG, LOST, UNKNOWN, WON, Gate, ItemTally, failed_already, hard_gates

from .client import Ints, ModelFailedError, Runner
from .labels import Labels
from .scoring import ClassificationScorer

STEP = 128
"""Items judged between two looks at whether all is decided."""

_CHUNK_SECONDS = 0.05
_SMALLEST_CHUNK, _LARGEST_CHUNK = 128, 16384
_WORST = 20


class NotFiniteError(Exception):
    """A model gave NaN or infinity for a judged item."""

    def __init__(self, role: str, item: str) -> None:
        super().__init__(f"{role}: NaN or infinity in the outputs for item {item!r}")
        self.role = role


class Evidence:
    """Outcomes of all items; fetched in chunks, revealed step by step."""

    def __init__(self, runner: Runner, scorer: ClassificationScorer, labels: Labels) -> None:
        self._runner, self._scorer, self._labels = runner, scorer, labels
        size = len(labels)
        self.revealed: npt.NDArray[np.int8] = np.full(size, UNKNOWN, np.int8)
        self._outcomes = np.full(size, UNKNOWN, np.int8)
        self._answers = np.zeros((2, size), np.int32)
        self._confidence = np.zeros(size, np.float32)
        self._finite = np.ones((2, size), np.bool_)
        self._trailing: tuple[tuple[int, ...], ...] | None = None
        self._batch, self._seconds = 1, 0.0

    def tune(self) -> int:
        """Let the runner choose the batch size for both models; it is returned."""
        self._batch, self._seconds = self._runner.batch()
        return self._batch

    def ahead(self) -> int:
        """Items to compute at once, so that a chunk takes a moment whatever the models."""
        wanted = _CHUNK_SECONDS / self._seconds if self._seconds else _SMALLEST_CHUNK
        return int(min(max(wanted, _SMALLEST_CHUNK), _LARGEST_CHUNK))

    def lacking(self, indices: Ints) -> Ints:
        """Those of these items that were not computed yet."""
        lacking: Ints = indices[self._outcomes[indices] == UNKNOWN]
        return lacking

    def fetch(self, indices: Ints) -> None:
        """Compute items with both models, one model after the other. Raises ModelFailedError."""
        started = time.perf_counter()
        baseline = self._runner.outputs("baseline", indices, self._batch)
        candidate = self._runner.outputs("candidate", indices, self._batch)
        shapes = [tuple(array.shape[1:] for array in arrays) for arrays in (baseline, candidate)]
        if shapes[0] != shapes[1] or (self._trailing is not None and shapes[0] != self._trailing):
            said = f"outputs of shape {_shapes(shapes[1])} an item, the baseline's are {_shapes(shapes[0])}"
            raise ModelFailedError("candidate", "OutputShape", said)
        self._trailing = shapes[0]
        scored = self._scorer.score(indices, baseline, candidate)
        self._outcomes[indices] = scored.outcomes
        self._answers[:, indices] = scored.baseline, scored.candidate
        self._confidence[indices] = scored.confidence
        self._finite[:, indices] = scored.baseline_finite, scored.candidate_finite
        # What was measured here, not in the sweep: several callers share the cores.
        self._seconds = (time.perf_counter() - started) / len(indices)

    def reveal(self, indices: Ints) -> None:
        """Show computed items to the judge. Raises NotFiniteError."""
        for role, finite in zip(("baseline", "candidate"), self._finite[:, indices], strict=True):
            if not finite.all():
                raise NotFiniteError(role, self._labels.ids[indices[int(finite.argmin())]])
        self.revealed[indices] = self._outcomes[indices]

    @property
    def judged(self) -> int:
        """Items revealed."""
        return int((self.revealed != UNKNOWN).sum())

    def flips(self) -> tuple[int, int, int]:
        """Harmful, beneficial and neutral flips (both wrong, answers differ) among the judged items."""
        differ = self._answers[0] != self._answers[1]
        neutral = (self.revealed == BOTH_WRONG) & differ
        return int((self.revealed == LOST).sum()), int((self.revealed == WON).sum()), int(neutral.sum())

    def worst(self) -> tuple[Flip, ...]:
        """The harmful flips of which the candidate was surest."""
        lost = np.flatnonzero(self.revealed == LOST)
        surest = lost[np.argsort(-self._confidence[lost], kind="stable")][:_WORST]
        return tuple(
            Flip(
                id=self._labels.ids[i],
                label=self._labels.labels[i],
                baseline=self._scorer.text(int(self._answers[0, i])),
                candidate=self._scorer.text(int(self._answers[1, i])),
                confidence=round(float(self._confidence[i]), 4),
                slices={column: values[i] for column, values in self._labels.columns.items()},
            )
            for i in surest.tolist()
        )


@dataclass(slots=True)
class ItemGates:
    """The gates that are counted item by item, and the rule of which gate gets items next.

    Hard gates over all items first, then hard slices in turn, then what only reports. A gate that is decided gets no
    more; a small slice that can't be proved still gets all its items, for they can fail the candidate.
    """

    plan: EvaluationPlan
    tallies: Sequence[ItemTally]

    @classmethod
    def of(cls, plan: EvaluationPlan, gates: Sequence[Gate]) -> "ItemGates":
        """Tallies of the gates that have items."""
        hard = hard_gates(gates)
        return cls(plan, [ItemTally(gate, plan, hard) for gate in gates if gate.power is not None])

    def failed(self) -> bool:
        """Whether a hard gate has proved harm."""
        claims = {claim.name: claim for claim in self.plan.claims}
        return failed_already(claims, [(tally.gate.claim.name, tally.decision) for tally in self.tallies])

    def next(self, evidence: Evidence, count: int) -> Ints:
        """The next items to judge, at most about `count`, none of them judged before; empty when all is done."""
        for rank in range(3):
            waiting = [t for t in self.tallies if _rank(t) == rank and _open(t)]
            share = max(8, count // max(1, len(waiting)))
            # A gate's next items may have been judged for another gate already: look a batch further.
            picked = [_unjudged(t.wanted(share + 8), evidence)[:share] for t in waiting]
            if any(len(one) for one in picked):
                return _distinct(np.concatenate(picked))[:count]
        return np.zeros(0, np.int64)

    def count(self, evidence: Evidence) -> None:
        """Let every open gate count on."""
        for tally in self.tallies:
            if _open(tally):
                tally.count(evidence.revealed)


def judge_items(gates: ItemGates, evidence: Evidence) -> bool:
    """One step: compute what lacks, reveal, count. False when there is nothing more to do.

    Raises ModelFailedError, NotFiniteError.
    """
    step = gates.next(evidence, STEP)
    if not len(step):
        return False
    if len(evidence.lacking(step)):
        further = gates.next(evidence, max(STEP, evidence.ahead()))
        evidence.fetch(_distinct(evidence.lacking(np.concatenate([step, further]))))
    evidence.reveal(step)
    gates.count(evidence)
    return not gates.failed()


def _rank(tally: ItemTally) -> int:
    if not tally.gate.hard:
        return 2
    return 0 if tally.gate.slice is None else 1


def _open(tally: ItemTally) -> bool:
    return tally.decision in (Decision.OPEN, Decision.NOT_PROVEN) and tally.n < len(tally.gate.sequence)


def _unjudged(indices: Ints, evidence: Evidence) -> Ints:
    unjudged: Ints = indices[evidence.revealed[indices] == UNKNOWN]
    return unjudged


def _distinct(indices: Ints) -> Ints:
    """Without repetitions, in the order of first occurrence."""
    _, first = np.unique(indices, return_index=True)
    distinct: Ints = indices[np.sort(first)]
    return distinct


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes)
