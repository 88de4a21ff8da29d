"""Task Embedding: a vector an item, judged by its neighbours and by how far it moved."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
from paritygate.judge.columns import Column, Kind

from ...wire import Array
from ..client import Ints, ModelFailedError, Port
from .outputs import of_numbers, only_output, row_an_item
from .scorer import NO_ANSWER, Bools, Floats, Scored, Scorer, Units, finite, no_outcomes, recorded, refusal
from .truth import Truth

LARGEST_CORPUS = 256 << 20
"""Bytes of the corpus' vectors of both models together."""

_NEIGHBOURS = (Kind.NEIGHBOUR_PRECISION, Kind.NEIGHBOUR_CHANGE)
_STEPS = 1 << 20
"""Of a cosine: those in one step count as equal, and then the earlier corpus item is nearer. So equal items keep their
order although the last bit of a product may depend on how many vectors were multiplied at once."""
_PRODUCTS = 1 << 21
"""Cosines worked out at once: bounds memory."""
_STRETCH = 64


class EmbeddingScorer(Scorer):
    """Vectors (items, n) of floats, compared by cosine. Queries are judged, corpus items are what they look among.

    `neighbourPrecision`: share of the k nearest corpus items with the query's own label; `neighbourChange`: share of
    the baseline's k nearest that are not among the candidate's; `cosineChange`: (1 - cosine of both vectors) / 2.
    """

    KINDS = frozenset({Kind.NEIGHBOUR_PRECISION, Kind.NEIGHBOUR_CHANGE, Kind.COSINE_CHANGE})

    def __init__(
        self,
        pack: str,
        ports: Sequence[Port],
        truth: Truth,
        *,
        corpus: Ints,
        output: str | None = None,
        columns: Collection[Column] = (),
    ) -> None:
        super().__init__(pack, truth, columns)
        self._corpus = corpus
        self._places = np.full(len(truth.codes), -1, np.int64)
        self._places[corpus] = np.arange(len(corpus))
        self._lacking = np.ones(len(corpus), np.bool_)
        self._vectors: list[Floats] = []
        self._port = only_output(pack, ports, output, _is_vector, "one of (items, n) floats")
        self._most = max((int(c.parameter) for c in self._columns if c.kind in _NEIGHBOURS), default=0)
        if self._most > len(corpus):
            said = f"neighbours: {self._most} are asked for and the corpus holds {len(corpus)} items"
            raise refusal(pack, f"{said}; add items to it, or ask for fewer")

    @property
    def corpus(self) -> Ints:
        """As `Scorer.corpus`; empty when no column asks for neighbours."""
        return self._corpus if self._most else self._corpus[:0]

    def prepare(self, indices: Ints, baseline: Sequence[Array], candidate: Sequence[Array]) -> tuple[Bools, Bools]:
        """As `Scorer.prepare`."""
        outputs = baseline[self._port], candidate[self._port]
        if not self._vectors:
            self._vectors = [np.zeros((len(self._corpus), self._width(output)), np.float32) for output in outputs]
        places = self._places[indices]
        for vectors, output in zip(self._vectors, outputs, strict=True):
            vectors[places] = _directions(output)
        self._lacking[places] = False
        return finite(baseline), finite(candidate)

    def score(self, indices: Ints, baseline: Sequence[Array], candidate: Sequence[Array]) -> Scored:
        """As `Scorer.score`. Raises ValueError while corpus items lack."""
        outputs, items = (baseline[self._port], candidate[self._port]), len(indices)
        return Scored(
            outcomes=no_outcomes(items),
            columns=self._moved(outputs) | self._neighbours(indices, outputs),
            baseline=np.full(items, NO_ANSWER, np.int32),
            candidate=np.full(items, NO_ANSWER, np.int32),
            confidence=np.zeros(items, np.float32),
            baseline_confidence=np.full(items, np.nan, np.float32),
            baseline_finite=finite(baseline),
            candidate_finite=finite(candidate),
        )

    def _width(self, output: Array) -> int:
        width = int(output.shape[1])
        size = 2 * 4 * width * len(self._corpus)
        if size > LARGEST_CORPUS:
            fit = LARGEST_CORPUS // (2 * 4 * width)
            said = f"the corpus' {len(self._corpus):,} vectors of {width} numbers are too large to hold"
            raise refusal(self._pack, f"{said}; at most {fit:,} fit: draw a sample of them")
        return width

    def _moved(self, outputs: tuple[Array, Array]) -> dict[Column, Units]:
        columns = [column for column in self._columns if column.kind is Kind.COSINE_CHANGE]
        if not columns:
            return {}
        if outputs[0].shape != outputs[1].shape:
            widths = f"{outputs[1].shape[1]} numbers an item, the baseline's {outputs[0].shape[1]}"
            said = f"vectors have {widths}: cosineChange can't compare them; leave its gate out"
            raise ModelFailedError("candidate", "OutputShape", said)
        # A quarter of the squared distance is (1 - cosine) / 2, and exactly 0 for equal vectors.
        apart = _directions(outputs[1], np.float64) - _directions(outputs[0], np.float64)
        return {column: recorded(np.einsum("ij,ij->i", apart, apart) / 4) for column in columns}

    def _neighbours(self, indices: Ints, outputs: tuple[Array, Array]) -> dict[Column, Units]:
        columns = [column for column in self._columns if column.kind in _NEIGHBOURS]
        if not columns:
            return {}
        if self._lacking.any():
            raise ValueError(f"{int(self._lacking.sum())} corpus items were not prepared yet")
        first, second = (
            self._nearest(_directions(output), vectors) for output, vectors in zip(outputs, self._vectors, strict=True)
        )
        labels, own = self._truth.codes[self._corpus], self._truth.codes[indices][:, None]
        losses = {}
        for column in columns:
            k = int(column.parameter)
            if column.kind is Kind.NEIGHBOUR_PRECISION:
                lost = (labels[first[:, :k]] == own).sum(1) - (labels[second[:, :k]] == own).sum(1)
            else:
                lost = k - _common(first[:, :k], second[:, :k])
            losses[column] = recorded(lost / k)
        return losses

    def _nearest(self, queries: Floats, vectors: Floats) -> Ints:
        """The places in the corpus of the nearest items (queries, most), the nearest first."""
        rows = max(1, _PRODUCTS // len(vectors))
        pieces = (queries[at : at + rows] @ vectors.T for at in range(0, len(queries), rows))
        return np.concatenate([_largest(products, self._most) for products in pieces])


def _largest(cosines: Floats, most: int) -> Ints:
    """Of each row the columns (rows, most) of its largest cosines, in steps; of equal ones those that come first.

    `cosines` is overwritten.
    """
    np.rint(np.multiply(cosines, _STEPS, out=cosines), out=cosines)
    # Of each stretch's largest, the `most`-th bounds the `most`-th largest of all from below: few are left to sort.
    starts = np.arange(0, cosines.shape[1], min(_STRETCH, cosines.shape[1] // most))
    peaks = np.maximum.reduceat(cosines, starts, axis=1)
    least = np.partition(peaks, -most, axis=1)[:, -most]
    rows, columns = np.divmod(np.flatnonzero(cosines >= least[:, None]), cosines.shape[1])
    order = np.lexsort((columns, -cosines[rows, columns], rows))
    firsts = np.searchsorted(rows, np.arange(len(cosines)))
    largest: Ints = columns[order][firsts[:, None] + np.arange(most)]
    return largest


def _common(first: Ints, second: Ints) -> npt.NDArray[np.int64]:
    """How many places both rows name."""
    both = np.sort(np.concatenate([first, second], axis=1), axis=1)
    shared: npt.NDArray[np.int64] = (both[:, 1:] == both[:, :-1]).sum(1)
    return shared


def _directions(vectors: Array, dtype: type = np.float32) -> npt.NDArray[np.floating]:
    """Vectors of length one. What has no direction (nothing but 0, or not finite) is 0: like no other."""
    wide = np.nan_to_num(vectors.astype(np.float64), nan=0, posinf=0, neginf=0)
    lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    directions: npt.NDArray[np.floating] = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    return directions.astype(dtype)


def _is_vector(port: Port) -> bool:
    return of_numbers(port) and row_an_item(port)
