"""Figures over all judged items that have no bound of their own: they warn, they never decide.

A few numbers an item are kept, whatever the number of classes; only AUROC needs every score, and is left out where
they are too many. Logarithms are natural.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from paritygate.api import Metric
from paritygate.judge import BOTH_RIGHT, LOST, WON, Figure

from .client import Ints
from .labels import Labels
from .scoring import Scored, Scorer

MOST_SCORES = 8_000_000
"""Items times classes up to which AUROC is worked out: 64 MB for both models."""

BINS, REDRAWS = 15, 20
"""Of the calibration error: bins of equal width, and draws by which its bias is estimated."""

LARGEST_DIVERGENCE = 10.0
"""Of one item, in nats: it would be infinite where the candidate holds impossible what the baseline does not."""

_SCORES_AT_ONCE = 1 << 20
_SMALLEST = np.finfo(np.float32).tiny
_MOST_SHOWN = 64
_DECILES = np.linspace(0, 1, 11)
_TAIL = np.array([0.5, 0.9, 0.99, 1.0])

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

_DIVERGENCES = (Metric.JENSEN_SHANNON, Metric.KULLBACK_LEIBLER)
_OF_CONFIDENCE = frozenset({Metric.CALIBRATION_ERROR, Metric.CONFIDENCE_SHIFT, Metric.KOLMOGOROV_SMIRNOV})


@dataclass(frozen=True, slots=True)
class Reliability:
    """Calibration of one model. `error` is the ECE less its bias, so about 0 (and below it as often) when perfect.

    Guo et al. 2017 (ICML, eq. 3) for the ECE of `BINS` bins (low, high] of equal width. Its bias, which is large on
    few items, is its mean over `REDRAWS` draws of right and wrong with the model's own confidences.
    """

    error: float
    confidence: tuple[float, ...]
    """Mean confidence of each bin; 0 in one that is empty, as `accuracy`."""
    accuracy: tuple[float, ...]
    items: tuple[float, ...]


class Figures:
    """Told of every chunk; gives the figure of the items that were judged in the end."""

    def __init__(self, scorer: Scorer, metrics: Collection[Metric], labels: Labels) -> None:
        items = len(labels)
        self._scorer, self._items = scorer, items
        self._metrics = frozenset(metrics)
        self._forecast_lacks = False
        self._answers = np.zeros((2, items if Metric.POPULATION_STABILITY in metrics else 0), np.int32)
        self._sure = np.zeros((2, items if self._metrics & _OF_CONFIDENCE else 0), np.float32)
        self._right = np.zeros((2, items if Metric.CALIBRATION_ERROR in metrics else 0), np.bool_)
        self._divergences = {m: np.zeros(items, np.float32) for m in _DIVERGENCES if m in metrics}
        self._scores: npt.NDArray[np.float32] | None = None
        self._classes = 0

    def add(self, indices: Ints, scored: Scored) -> None:
        """Take a chunk of the items as they are."""
        if self._answers.size:
            self._answers[:, indices] = scored.baseline, scored.candidate
        if self._right.size:
            for right, alone in zip(self._right, (LOST, WON), strict=True):
                right[indices] = (scored.outcomes == BOTH_RIGHT) | (scored.outcomes == alone)
        if scored.probabilities is None:
            self._forecast_lacks = True
            return
        if self._sure.size:
            self._sure[:, indices] = scored.baseline_confidence, scored.confidence
        for metric, divergences in self._divergences.items():
            divergences[indices] = divergence(metric, *scored.probabilities)
        if Metric.AUROC in self._metrics:
            self._keep(indices, scored.probabilities)

    def figure(self, metric: Metric, judged: Bools) -> Figure | None:
        """The figure of the items where `judged` (items,) is true: the baseline's, the candidate's, what a gate
        compares (positive = worse), and what it rests on. None where `missing` says why.
        """
        items = np.flatnonzero(judged)
        if self.missing(metric, judged):
            return None
        match metric:
            case Metric.CALIBRATION_ERROR:
                return _calibration(self._sure[:, items], self._right[:, items])
            case Metric.CONFIDENCE_SHIFT:
                first, second = (float(sure.mean(dtype=np.float64)) for sure in self._sure[:, items])
                return first, second, abs(second - first), _deciles(self._sure[:, items])
            case Metric.KOLMOGOROV_SMIRNOV:
                return None, None, kolmogorov_smirnov(*self._sure[:, items]), _deciles(self._sure[:, items])
            case Metric.POPULATION_STABILITY:
                return _population(*(self._scorer.shares(answers) for answers in self._answers[:, items]))
            case Metric.AUROC:
                return self._auroc(items)
        of_items = self._divergences[metric][items]
        shown = {"quantile": _floats(_TAIL), "nats": _floats(np.quantile(of_items, _TAIL))}
        return None, None, float(of_items.mean(dtype=np.float64)), shown

    def missing(self, metric: Metric, judged: Bools) -> str:
        """Why there is no such figure; empty if there is one."""
        if not judged.any():
            return "no item was judged"
        if metric not in self._metrics:
            return "it was not asked for"
        if metric is Metric.POPULATION_STABILITY:
            return ""
        if self._forecast_lacks:
            return "the packs do not say what the scores are: write scores: Probabilities or scores: Logits"
        if metric is not Metric.AUROC:
            return ""
        if self._scores is None:
            return (
                f"{self._items:,} items of {self._classes:,} classes are more than {MOST_SCORES:,} scores, which AUROC "
                "would have to keep"
            )
        return "" if len(self._contrasts(np.flatnonzero(judged))) else "the judged items are all of one class"

    def _keep(self, indices: Ints, forecasts: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]) -> None:
        self._classes = forecasts[0].shape[1]
        if self._items * self._classes > MOST_SCORES:
            return
        kept = slice(1, None) if self._classes == 2 else slice(None)  # of two classes, one tells all
        if self._scores is None:
            self._scores = np.zeros((2, self._items, forecasts[0][:, kept].shape[1]), np.float32)
        for scores, forecast in zip(self._scores, forecasts, strict=True):
            scores[indices] = forecast[:, kept]

    def _contrasts(self, items: Ints) -> list[tuple[int, Bools]]:
        """The columns of the scores that have items of their class and of others, and where their class is."""
        right = self._scorer.right(items)
        classes = [1] if self._classes == 2 else range(self._classes)
        members = ((column, right == number) for column, number in enumerate(classes))
        return [(column, inside) for column, inside in members if inside.any() and not inside.all()]

    def _auroc(self, items: Ints) -> Figure:
        assert self._scores is not None
        contrasts = self._contrasts(items)
        areas = np.array(
            [[auroc(scores[items, column], inside) for column, inside in contrasts] for scores in self._scores]
        )
        before, after = (float(area) for area in areas.mean(1))
        numbers = [1.0] if self._classes == 2 else [float(column) for column, _ in contrasts]
        shown = {"class": tuple(numbers), "baseline": _floats(areas[0]), "candidate": _floats(areas[1])}
        return before, after, before - after, shown if len(numbers) <= _MOST_SHOWN else {}


def reliability(confidence: Floats, right: Bools) -> Reliability:
    """Of confidences (n,) in [0, 1] and whether each answer was right (n,)."""
    sure = confidence.astype(np.float64)
    places = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)
    rng = np.random.default_rng(0)
    drawn = [_distance(places, sure, rng.random(len(sure)) < sure) for _ in range(REDRAWS)]
    counts = np.bincount(places, minlength=BINS)
    filled = np.maximum(counts, 1)
    return Reliability(
        error=_distance(places, sure, right) - float(np.mean(drawn)),
        confidence=_floats(np.bincount(places, sure, BINS) / filled),
        accuracy=_floats(np.bincount(places, right, BINS) / filled),
        items=_floats(counts),
    )


def auroc(scores: Floats, inside: Bools) -> float:
    """Chance that a score (n,) of an item `inside` is above one of an item outside; a tie is half a win.

    Mann & Whitney 1947 (Ann. Math. Stat. 18); Hanley & McNeil 1982 (Radiology 143). Both kinds must be there.
    """
    others, own = np.sort(scores[~inside]), scores[inside]
    wins = np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")
    return float(wins.sum() / (2 * len(own) * len(others)))


def kolmogorov_smirnov(first: Floats, second: Floats) -> float:
    """The largest distance between the distribution functions of two samples."""
    places = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(sample), places, "right") / len(sample) for sample in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def population_stability(first: Floats, second: Floats) -> float:
    """sum (q - p) ln(q / p) over the classes that either counted; `first` and `second` are counts (classes,).

    Siddiqi 2006 (Credit Risk Scorecards). Half an item is added to each class, so that a class that only one of the
    models answers counts much, but not without end.
    """
    met = (first + second) > 0
    p, q = ((counts[met] + 0.5) / (counts[met] + 0.5).sum() for counts in (first, second))
    return float(((q - p) * np.log(q / p)).sum())


def divergence(metric: Metric, baseline: Floats, candidate: Floats) -> npt.NDArray[np.float32]:
    """Of the forecasts (items, classes) of each item, in nats: JensenShannon, at most ln 2, or KullbackLeibler of the
    baseline from the candidate, at most `LARGEST_DIVERGENCE`. Lin 1991 (IEEE Trans. Inf. Theory 37, eq. 4.1, 2.2).

    A probability of 0 counts as the smallest normal float32: that a softmax underflows in a class without weight, or
    is rounded there to 16 bits, is no infinite distance.
    """
    of_items = np.empty(len(baseline), np.float32)
    rows = max(1, _SCORES_AT_ONCE // baseline.shape[1])
    for at in range(0, len(baseline), rows):
        p, q = _normalised(baseline[at : at + rows]), _normalised(candidate[at : at + rows])
        if metric is Metric.JENSEN_SHANNON:
            middle = (p + q) / 2
            found: Floats = (_entropies(p, middle) + _entropies(q, middle)) / 2
        else:
            found = _entropies(p, q)
        of_items[at : at + rows] = np.clip(found, 0, LARGEST_DIVERGENCE)
    return of_items


def _calibration(sure: Floats, right: Bools) -> Figure:
    before, after = reliability(sure[0], right[0]), reliability(sure[1], right[1])
    shown = {
        "baselineConfidence": before.confidence,
        "baselineAccuracy": before.accuracy,
        "baselineItems": before.items,
        "candidateConfidence": after.confidence,
        "candidateAccuracy": after.accuracy,
        "candidateItems": after.items,
    }
    return before.error, after.error, after.error - before.error, shown


def _population(first: Floats, second: Floats) -> Figure:
    counts = np.zeros((2, max(len(first), len(second))))
    counts[0, : len(first)], counts[1, : len(second)] = first, second
    shown = {}
    if counts.shape[1] <= _MOST_SHOWN:
        shares = counts / counts.sum(1, keepdims=True)
        shown = {"baseline": _floats(shares[0]), "candidate": _floats(shares[1])}
    return None, None, population_stability(*counts), shown


def _deciles(sure: Floats) -> dict[str, tuple[float, ...]]:
    first, second = (np.quantile(row, _DECILES) for row in sure)
    return {"quantile": _floats(_DECILES), "baseline": _floats(first), "candidate": _floats(second)}


def _distance(places: Ints, sure: Floats, right: Bools) -> float:
    """The ECE: distance of confidence and accuracy in each bin, weighted by its items."""
    return float(np.abs(np.bincount(places, right - sure, BINS)).sum() / len(sure))


def _normalised(forecast: Floats) -> Floats:
    known = np.clip(np.nan_to_num(forecast), 0, None)
    shares: Floats = known / np.maximum(known.sum(1, keepdims=True), _SMALLEST)
    return shares


def _entropies(p: Floats, q: Floats) -> Floats:
    """Of each row sum p ln(p / q)."""
    sums: Floats = (p * (np.log(np.maximum(p, _SMALLEST)) - np.log(np.maximum(q, _SMALLEST)))).sum(1)
    return sums


def _floats(values: npt.ArrayLike) -> tuple[float, ...]:
    return tuple(float(value) for value in np.asarray(values))
