"""What the models showed, item by item: computed in chunks, revealed to the judge step by step.

There is one view of the items as they are, and one for each perturbation of the inputs. What was computed and is not
revealed yet does not exist for the judge.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from paritygate.api import Flip, Perturbation, RepeatRecord
from paritygate.judge import BOTH_RIGHT, BOTH_WRONG, LOST, PACK, UNKNOWN, WON, Column, Kind

from ..wire import Array
from .cache import OutputCache
from .client import Ints, ModelFailedError, Runner
from .figures import Figures
from .interface import disturbed
from .labels import Labels
from .scoring import Scored, Scorer

_CHUNK_SECONDS = 0.2
_SMALLEST_CHUNK, _LARGEST_CHUNK = 128, 16384
_CHUNK_BYTES = 32 << 20
"""Of one model's outputs for a chunk."""
_WORST = 20

REPEATED = 256
"""Items of the A/A run."""

AUDITED = 256
"""Kept answers that are computed again before any is believed."""

UNJUDGED = -1
"""Outcome of an item that is not revealed, where outcomes take a byte each."""


class NotFiniteError(Exception):
    """A model gave NaN or infinity for a judged item."""

    def __init__(self, role: str, item: str, perturbation: str = "") -> None:
        disturbed_by = f" under perturbation {perturbation}" if perturbation else ""
        super().__init__(f"{role}: NaN or infinity in the outputs for item {item!r}{disturbed_by}")
        self.role = role


@dataclass(slots=True)
class View:
    """The items as they are, or under one perturbation; one entry an item."""

    perturbation: Perturbation | None
    columns: Mapping[Column, npt.NDArray[np.int32]]
    computed: npt.NDArray[np.bool_]
    revealed: npt.NDArray[np.bool_]
    outcomes: npt.NDArray[np.int8]
    answers: npt.NDArray[np.int32]
    confidence: npt.NDArray[np.float32]
    finite: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, size: int, perturbation: Perturbation | None, columns: Collection[Column]) -> "View":
        """Nothing computed yet. `columns`: those that don't follow from outcomes and answers."""
        return cls(
            perturbation,
            {column: np.zeros(size, np.int32) for column in columns},
            np.zeros(size, np.bool_),
            np.zeros(size, np.bool_),
            np.full(size, UNJUDGED, np.int8),
            np.zeros((2, size), np.int32),
            np.zeros(size, np.float32),
            np.ones((2, size), np.bool_),
        )

    def keep(self, indices: Ints, scored: Scored) -> None:
        """Take what a chunk showed."""
        self.computed[indices] = True
        self.outcomes[indices] = scored.outcomes
        self.answers[:, indices] = scored.baseline, scored.candidate
        self.confidence[indices] = scored.confidence
        self.finite[:, indices] = scored.baseline_finite, scored.candidate_finite
        for column, values in self.columns.items():
            asked = column if not column.perturbation else Column(column.kind, column.parameter)
            values[indices] = scored.columns[asked]


@dataclass(slots=True)
class Evidence:
    """All views of the items of one evaluation."""

    runner: Runner
    scorer: Scorer
    labels: Labels
    columns: Collection[Column]
    perturbations: Collection[Perturbation] = ()
    cache: OutputCache | None = None
    """Where the baseline's outputs are kept for the next candidate."""
    figures: Figures | None = None
    """Told of every chunk of the items as they are: what can only warn."""
    threads: int = 1
    """Callers among which the runner shares the batches of a chunk."""
    forged: bool = False
    """Whether kept answers were found that the baseline does not give, and thrown away."""
    _views: dict[str, View] = field(default_factory=dict)
    _trailing: tuple[tuple[int, ...], ...] | None = None
    _row_bytes: int = 1024
    _batch: int = 1
    _seconds: float = 0.0

    def __post_init__(self) -> None:
        size = len(self.labels)
        for perturbation in (None, *self.perturbations):
            name = perturbation.name if perturbation else ""
            own = {
                column
                for column in self.columns
                if column.perturbation == name and column.kind not in (Kind.OUTCOME, Kind.CELL)
            }
            self._views[name] = View.of(size, perturbation, sorted(own, key=str))

    @property
    def plain(self) -> View:
        """The items as they are."""
        return self._views[""]

    def view(self, name: str) -> View:
        """The items under this perturbation; "" = as they are."""
        return self._views[name]

    def views(self) -> Iterator[tuple[str, View]]:
        """All of them by name."""
        yield from self._views.items()

    def tune(self) -> int:
        """Let the runner choose the batch size for both models, if no kept answers tell it; it is returned.

        Kept answers are believed only if the baseline gives some of them again. Raises ModelFailedError.
        """
        if self.cache and not self._still_true(self.cache):
            self.cache.throw_away()
            self.forged = True
        kept = self.cache.batch if self.cache else None
        if kept is None:
            self._batch, self._seconds = self.runner.batch()
        else:
            self._batch = kept
        if self.cache:
            self.cache.begin(self._batch)
        return self._batch

    def _still_true(self, cache: OutputCache) -> bool:
        batch, indices = cache.batch, cache.sample(AUDITED)
        if batch is None:
            return True
        step = max(batch, _CHUNK_BYTES // cache.record_bytes)  # outputs may be long
        return all(self._gives(cache, indices[at : at + step], batch) for at in range(0, len(indices), step))

    def _gives(self, cache: OutputCache, indices: Ints, batch: int) -> bool:
        known = cache.look(indices)
        if known is None:
            return True
        again = self.runner.outputs("baseline", indices, batch)
        alike = [(array.dtype, array.shape) for array in known] == [(array.dtype, array.shape) for array in again]
        return alike and not _far_apart(known, again)

    @property
    def cached(self) -> int:
        """Items whose baseline answers were known from an evaluation before."""
        return self.cache.hits if self.cache else 0

    def ahead(self) -> int:
        """Items to compute at once, so that a chunk takes a moment and little memory whatever the models."""
        wanted = _CHUNK_SECONDS / self._seconds if self._seconds else _SMALLEST_CHUNK
        # Whole rounds of batches: at the end of a chunk callers would wait for each other.
        whole = self._batch * self.threads
        return int(min(-(-max(wanted, _SMALLEST_CHUNK) // whole) * whole, max(self._largest, whole)))

    @property
    def _largest(self) -> int:
        return min(_LARGEST_CHUNK, max(_SMALLEST_CHUNK, _CHUNK_BYTES // self._row_bytes))

    def read(self, column: Column, indices: Ints) -> npt.NDArray[np.integer]:
        """Values of a column; UNKNOWN where the item is not revealed."""
        view = self._views[column.perturbation]
        match column.kind:
            case Kind.OUTCOME:
                values: npt.NDArray[np.integer] = view.outcomes[indices].astype(np.int32)
            case Kind.CELL:
                baseline, candidate = view.answers[:, indices]
                values = self.scorer.cells(column, indices, baseline, candidate)
            case _:
                values = view.columns[column][indices]
        return np.where(view.revealed[indices], values, UNKNOWN)

    def fetch(self, name: str, indices: Ints) -> None:
        """Compute items with both models, one model after the other. Raises ModelFailedError."""
        view = self._views[name]
        started = time.perf_counter()
        baseline, candidate = self._outputs(indices, view.perturbation)
        scored = self.scorer.score(indices, baseline, candidate)
        if not self.labels.labelled:
            differ = scored.baseline != scored.candidate
            scored = replace(scored, outcomes=np.where(differ, BOTH_WRONG, BOTH_RIGHT).astype(np.int8))
        view.keep(indices, scored)
        if not name and self.figures is not None:
            self.figures.add(indices, scored)
        # What was measured here, not in the sweep: several callers share the cores.
        self._seconds = (time.perf_counter() - started) / len(indices)

    def prepare(self) -> None:
        """Let both models embed the corpus. Raises ModelFailedError, NotFiniteError."""
        corpus = self.scorer.corpus
        step = _LARGEST_CHUNK // 8  # vectors may be long, and nothing is known of them yet
        for start in range(0, len(corpus), step):
            indices = corpus[start : start + step]
            finite = self.scorer.prepare(indices, *self._outputs(indices, None))
            for role, clean in zip(("baseline", "candidate"), finite, strict=True):
                if not clean.all():
                    raise NotFiniteError(role, self.labels.ids[indices[int(clean.argmin())]])

    def repeat(self, indices: Ints) -> RepeatRecord:
        """The A/A run: judged items again, twice, in the same batches. Raises ModelFailedError.

        Classes are compared with what was judged, too: a model that changes as it is used would answer alike in a row.
        """
        once = [self.runner.outputs(role, indices, self._batch) for role in ("baseline", "candidate")]
        again = [self.runner.outputs(role, indices, self._batch) for role in ("baseline", "candidate")]
        scored = [self.scorer.score(indices, *outputs) for outputs in (once, again)]
        if self.scorer.classes:
            said = [np.stack([one.baseline, one.candidate]) for one in scored]
            moved = (said[0] != said[1]) | (said[0] != self.plain.answers[:, indices])
            differ = moved.sum(1).tolist()
        else:
            differ = [_far_apart(one, two) for one, two in zip(once, again, strict=True)]
        return RepeatRecord(items=len(indices), baseline=differ[0], candidate=differ[1])

    def baseline_confidence(self, indices: Ints) -> npt.NDArray[np.float32]:
        """How sure the baseline is of its answers; NaN where it gives none. Raises ModelFailedError."""
        found = np.full(len(indices), np.nan, np.float32)
        for start in range(0, len(indices), _LARGEST_CHUNK // 8):
            chunk = indices[start : start + _LARGEST_CHUNK // 8]
            outputs = self._baseline(chunk)
            found[start : start + len(chunk)] = self.scorer.score(chunk, outputs, outputs).baseline_confidence
        return found

    def reveal(self, name: str, indices: Ints) -> None:
        """Show computed items to the judge. Raises NotFiniteError."""
        view = self._views[name]
        for role, finite in zip(("baseline", "candidate"), view.finite[:, indices], strict=True):
            if not finite.all():
                raise NotFiniteError(role, self.labels.ids[indices[int(finite.argmin())]], name)
        view.revealed[indices] = True

    @property
    def judged(self) -> int:
        """Items revealed as they are."""
        return int(self.plain.revealed.sum())

    def flips(self) -> tuple[int, int, int]:
        """Harmful, beneficial and neutral flips (both wrong, answers differ) among the judged items."""
        outcomes, (baseline, candidate) = self.plain.outcomes, self.plain.answers
        shown = self.plain.revealed
        neutral = shown & (outcomes == BOTH_WRONG) & (baseline != candidate)
        return int((shown & (outcomes == LOST)).sum()), int((shown & (outcomes == WON)).sum()), int(neutral.sum())

    def lost(self) -> Ints:
        """Items that only the baseline got right, those first of which the candidate was surest; without labels, items
        that are answered differently.
        """
        looked_for = LOST if self.labels.labelled else BOTH_WRONG
        lost = np.flatnonzero(self.plain.revealed & (self.plain.outcomes == looked_for))
        ordered: Ints = lost[np.argsort(-self.plain.confidence[lost], kind="stable")]
        return ordered

    def worst(self) -> tuple[Flip, ...]:
        """The harmful flips of which the candidate was surest."""
        view = self.plain
        told = {c: v for c, v in self.labels.columns.items() if c != PACK or len(self.labels.counts) > 1}
        return tuple(
            Flip(
                id=self.labels.ids[i],
                label=self.labels.labels[i],
                baseline=self.scorer.text(int(view.answers[0, i])),
                candidate=self.scorer.text(int(view.answers[1, i])),
                confidence=round(float(view.confidence[i]), 4),
                slices={column: values[i] for column, values in list(told.items())[:16]},
            )
            for i in self.lost()[:_WORST].tolist()
        )

    def _outputs(self, indices: Ints, perturbation: Perturbation | None) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        how = disturbed(perturbation) if perturbation else None
        baseline = self.runner.outputs("baseline", indices, self._batch, how) if how else self._baseline(indices)
        candidate = self.runner.outputs("candidate", indices, self._batch, how)
        shapes = [tuple(array.shape[1:] for array in arrays) for arrays in (baseline, candidate)]
        if shapes[0] != shapes[1] or (self._trailing is not None and shapes[0] != self._trailing):
            said = f"outputs of shape {_shapes(shapes[1])} an item, the baseline's are {_shapes(shapes[0])}"
            raise ModelFailedError("candidate", "OutputShape", said)
        self._trailing = shapes[0]
        self._row_bytes = max(1, sum(array.nbytes for array in baseline) // len(indices))
        return baseline, candidate

    def _baseline(self, indices: Ints) -> tuple[Array, ...]:
        if self.cache is None:
            return self.runner.outputs("baseline", indices, self._batch)
        known = self.cache.take(indices)
        if known is not None:
            return known
        outputs = self.runner.outputs("baseline", indices, self._batch)
        self.cache.keep(indices, outputs)
        return outputs


def _far_apart(one: Sequence[Array], two: Sequence[Array]) -> int:
    """Items of which some number moved by more than rounding does."""
    rows = len(one[0])
    moved = np.zeros(rows, np.bool_)
    for first, second in zip(one, two, strict=True):
        near = np.isclose(first.astype(np.float64), second.astype(np.float64), rtol=1e-3, atol=1e-5, equal_nan=True)
        moved |= ~near.reshape(rows, -1).all(1)
    return int(moved.sum())


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes)
