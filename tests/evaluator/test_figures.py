"""Figures that only warn, against scikit-learn and scipy where they have the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from paritygate.api import Metric, Scores, Task
from paritygate_evaluator.referee import figures as module
from paritygate_evaluator.referee.client import Port
from paritygate_evaluator.referee.figures import (
    Figures,
    auroc,
    divergence,
    kolmogorov_smirnov,
    population_stability,
    reliability,
)
from paritygate_evaluator.referee.scoring import scorer_for
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy, ks_2samp
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from .scoring_case import labelled, pack, scores

ITEMS = 600
OF_FORECASTS = [
    Metric.CALIBRATION_ERROR,
    Metric.AUROC,
    Metric.CONFIDENCE_SHIFT,
    Metric.POPULATION_STABILITY,
    Metric.KOLMOGOROV_SMIRNOV,
    Metric.JENSEN_SHANNON,
    Metric.KULLBACK_LEIBLER,
]


def forecasts(classes: int, seed: int = 1, items: int = ITEMS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and probabilities of a baseline and of a candidate that is a noisy copy."""
    rng = np.random.default_rng(seed)
    right = rng.integers(0, classes, items)
    logits = rng.normal(0, 1, (items, classes)) + 1.5 * np.eye(classes)[right]
    noisy = logits + rng.normal(0, 0.5, logits.shape)
    return right, softmax(logits, 1).astype(np.float32), softmax(noisy, 1).astype(np.float32)


def told(
    right: np.ndarray,
    *outputs: np.ndarray,
    metrics: list[Metric] = OF_FORECASTS,
    given_as: Scores | None = Scores.PROBABILITIES,
) -> Figures:
    """Figures that were told of all items, in chunks."""
    labels = labelled([str(label) for label in right])
    one = scorer_for([pack(Task.CLASSIFICATION, scores=given_as)], [scores(outputs[0].shape[1])], labels, [])
    figures = Figures(one, metrics, labels)
    for chunk in np.array_split(np.random.default_rng(0).permutation(len(right)), 5):
        figures.add(chunk, one.score(chunk, [outputs[0][chunk]], [outputs[1][chunk]]))
    return figures


def all_of(right: np.ndarray) -> np.ndarray:
    return np.ones(len(right), bool)


def test_auroc_of_two_classes_is_scikit_learns() -> None:
    right, baseline, candidate = forecasts(2)
    found = told(right, baseline, candidate).figure(Metric.AUROC, all_of(right))
    assert found is not None
    before, after, lost, data = found
    assert before == pytest.approx(roc_auc_score(right, baseline[:, 1]))
    assert after == pytest.approx(roc_auc_score(right, candidate[:, 1]))
    assert lost == pytest.approx(before - after)
    assert data["class"] == (1.0,)


def test_auroc_of_several_classes_is_scikit_learns_one_against_the_rest() -> None:
    right, baseline, candidate = forecasts(4)
    found = told(right, baseline, candidate).figure(Metric.AUROC, all_of(right))
    assert found is not None
    for value, forecast in zip(found[:2], (baseline, candidate), strict=True):
        expected = roc_auc_score(right, forecast.astype(np.float64), multi_class="ovr", average="macro")
        assert value == pytest.approx(expected, abs=1e-6)


@given(arrays(np.float64, 40, elements=st.integers(0, 5)), arrays(np.bool_, 40))
def test_ties_are_half_a_win(scores_of_items: np.ndarray, inside: np.ndarray) -> None:
    inside[:2] = [True, False]
    assert auroc(scores_of_items, inside) == pytest.approx(roc_auc_score(inside, scores_of_items))


def test_bins_of_the_reliability_diagram_are_scikit_learns() -> None:
    rng = np.random.default_rng(2)
    sure = rng.uniform(0.3, 1, ITEMS)
    right = rng.random(ITEMS) < sure**2
    found = reliability(sure, right)
    accuracy, confidence = calibration_curve(right, sure, n_bins=module.BINS)
    filled = np.flatnonzero(found.items)
    np.testing.assert_allclose(np.array(found.accuracy)[filled], accuracy)
    np.testing.assert_allclose(np.array(found.confidence)[filled], confidence)
    assert sum(found.items) == ITEMS


def test_a_confidence_on_the_border_of_two_bins_belongs_to_the_lower() -> None:
    found = reliability(np.array([0.0, 0.2, 1.0]), np.array([True, True, False]))
    assert np.flatnonzero(found.items).tolist() == [0, 2, 14]
    assert (found.accuracy[2], found.accuracy[14], found.confidence[14]) == (1, 0, 1)


def test_a_perfectly_calibrated_model_has_no_calibration_error_on_any_number_of_items() -> None:
    rng = np.random.default_rng(3)
    errors, naive = [], []
    for _ in range(60):
        sure = rng.uniform(0.3, 1, 500)
        right = rng.random(500) < sure
        errors.append(reliability(sure, right).error)
        naive.append(sum(abs(a - c) * n for a, c, n in zip(*_bins(sure, right), strict=True)) / 500)
    assert np.mean(naive) > 0.02  # what is reported elsewhere
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(60)


def _bins(sure: np.ndarray, right: np.ndarray) -> tuple[tuple[float, ...], ...]:
    found = reliability(sure, right)
    return found.accuracy, found.confidence, found.items


def test_an_overconfident_candidate_has_a_larger_calibration_error_at_the_same_answers() -> None:
    right, raw, _ = forecasts(3, items=3000)
    # The label moved its logit by 1.5 standard deviations: this power is the true posterior, that one is too sure.
    baseline, sharp = (raw**power / (raw**power).sum(1, keepdims=True) for power in (1.5, 6))
    found = told(right, baseline, sharp).figure(Metric.CALIBRATION_ERROR, all_of(right))
    assert found is not None
    before, after, added, data = found
    assert added == pytest.approx(after - before)  # type: ignore[operator]
    assert abs(before) < 0.02  # type: ignore[arg-type]
    assert added > 0.1
    for model, forecast in (("baseline", baseline), ("candidate", sharp)):
        assert sum(data[f"{model}Items"]) == 3000
        accuracy = np.dot(data[f"{model}Accuracy"], data[f"{model}Items"]) / 3000
        assert accuracy == pytest.approx((forecast.argmax(1) == right).mean())


def test_each_model_is_calibrated_against_its_own_answers() -> None:
    right, baseline, candidate = forecasts(3)
    found = told(right, baseline, candidate).figure(Metric.CALIBRATION_ERROR, all_of(right))
    assert found is not None
    for value, forecast in zip(found[:2], (baseline, candidate), strict=True):
        assert value == reliability(forecast.max(1), forecast.argmax(1) == right).error


def test_confidences_are_compared_by_mean_and_by_distribution() -> None:
    right, baseline, candidate = forecasts(3)
    figures = told(right, baseline, candidate)
    shift = figures.figure(Metric.CONFIDENCE_SHIFT, all_of(right))
    distance = figures.figure(Metric.KOLMOGOROV_SMIRNOV, all_of(right))
    assert shift is not None
    assert distance is not None
    assert shift[2] == pytest.approx(abs(baseline.max(1).mean() - candidate.max(1).mean()), rel=1e-4)
    assert distance[2] == pytest.approx(ks_2samp(baseline.max(1), candidate.max(1)).statistic)
    assert distance[3]["baseline"][5] == pytest.approx(np.median(baseline.max(1)))


@given(arrays(np.float64, 20, elements=st.integers(0, 4)), arrays(np.float64, 30, elements=st.integers(0, 4)))
def test_the_kolmogorov_smirnov_distance_is_scipys(first: np.ndarray, second: np.ndarray) -> None:
    assert kolmogorov_smirnov(first, second) == pytest.approx(ks_2samp(first, second).statistic)


@given(
    arrays(np.float32, (3, 4), elements=st.floats(0.0078125, 1, width=32)),
    arrays(np.float32, (3, 4), elements=st.floats(0.0078125, 1, width=32)),
)
def test_divergences_of_an_item_are_scipys(p: np.ndarray, q: np.ndarray) -> None:
    for row, (one, two) in enumerate(zip(p.astype(np.float64), q.astype(np.float64), strict=True)):
        assert divergence(Metric.JENSEN_SHANNON, p, q)[row] == pytest.approx(jensenshannon(one, two) ** 2, abs=2e-6)
        assert divergence(Metric.KULLBACK_LEIBLER, p, q)[row] == pytest.approx(entropy(one, two), abs=2e-6)


def test_divergences_are_worked_out_in_pieces_and_stay_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SCORES_AT_ONCE", 8)
    sure, opposite, bland = [1, 0, 0, 0], [0, 1, 0, 0], [0.25] * 4
    p, q = np.array([sure, sure, bland, bland], np.float32), np.array([opposite, sure, sure, bland], np.float32)
    np.testing.assert_allclose(
        divergence(Metric.JENSEN_SHANNON, p, q), [np.log(2), 0, jensenshannon(bland, sure) ** 2, 0], atol=1e-6
    )
    np.testing.assert_allclose(divergence(Metric.KULLBACK_LEIBLER, p, q), [10, 0, 10, 0], atol=1e-6)


def test_a_softmax_that_underflows_where_nothing_is_expected_is_not_far_away() -> None:
    p, q = np.array([[1, 1e-30]], np.float32), np.array([[1, 0]], np.float32)
    assert divergence(Metric.KULLBACK_LEIBLER, p, q)[0] < 1e-6


def test_the_population_is_stable_when_classes_are_answered_as_often() -> None:
    first, second = np.array([400.0, 600]), np.array([500.0, 500])
    expected = 0.1 * np.log(5 / 4) + -0.1 * np.log(5 / 6)
    assert population_stability(first, first) == 0
    assert population_stability(first, second) == pytest.approx(expected, rel=1e-2)
    assert population_stability(np.array([1000.0, 0]), np.array([0, 1000.0])) == pytest.approx(
        2 * (1000 / 1001) * np.log(2001), rel=1e-9
    )


def test_the_population_of_names_needs_no_scores() -> None:
    labels = labelled(["cat", "dog"] * 50)
    one = scorer_for([pack(Task.CLASSIFICATION)], [Port("names", "str", (None,))], labels, [])
    figures = Figures(one, [Metric.POPULATION_STABILITY, Metric.CONFIDENCE_SHIFT], labels)
    chunk = np.arange(100)
    figures.add(chunk, one.score(chunk, [np.array(["cat", "dog"] * 50)], [np.array(["cat"] * 75 + ["emu"] * 25)]))
    found = figures.figure(Metric.POPULATION_STABILITY, np.ones(100, bool))
    assert found is not None
    assert found[2] > 0.25
    assert found[3]["candidate"] == (0.75, 0, 0.25)
    assert figures.figure(Metric.CONFIDENCE_SHIFT, np.ones(100, bool)) is None
    assert "scores: Probabilities" in figures.missing(Metric.CONFIDENCE_SHIFT, np.ones(100, bool))


@pytest.mark.parametrize("metric", OF_FORECASTS)
def test_equal_models_show_no_change(metric: Metric) -> None:
    right, baseline, _ = forecasts(3)
    found = told(right, baseline, baseline).figure(metric, all_of(right))
    assert found is not None
    assert found[2] == 0


@pytest.mark.parametrize("metric", OF_FORECASTS)
def test_only_judged_items_count(metric: Metric) -> None:
    right, baseline, candidate = forecasts(3)
    judged = np.arange(ITEMS) % 3 > 0
    some = told(right, baseline, candidate).figure(metric, judged)
    alone = told(right[judged], baseline[judged], candidate[judged])
    assert some == alone.figure(metric, all_of(right[judged]))
    assert some != told(right, baseline, candidate).figure(metric, all_of(right))


@pytest.mark.parametrize("metric", OF_FORECASTS)
def test_what_a_figure_rests_on_fits_its_record(metric: Metric) -> None:
    right, baseline, candidate = forecasts(70)
    found = told(right, baseline, candidate).figure(metric, all_of(right))
    assert found is not None
    assert len(found[3]) <= 16
    assert all(len(values) <= 64 and np.isfinite(values).all() for values in found[3].values())


def test_auroc_is_left_out_where_it_would_need_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    right, baseline, candidate = forecasts(3)
    monkeypatch.setattr(module, "MOST_SCORES", 3 * ITEMS - 1)
    figures = told(right, baseline, candidate)
    assert figures.figure(Metric.AUROC, all_of(right)) is None
    assert "600 items of 3 classes" in figures.missing(Metric.AUROC, all_of(right))
    assert figures.figure(Metric.JENSEN_SHANNON, all_of(right)) is not None


def test_what_can_not_be_worked_out_says_why() -> None:
    right, baseline, candidate = forecasts(2)
    figures = told(right, baseline, candidate)
    assert figures.missing(Metric.AUROC, np.zeros(ITEMS, bool)) == "no item was judged"
    assert figures.missing(Metric.AUROC, right == 1) == "the judged items are all of one class"
    assert told(right, baseline, candidate, metrics=[]).missing(Metric.AUROC, all_of(right)) == "it was not asked for"
