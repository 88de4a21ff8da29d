"""A vector an item: which corpus items are near it, and how far it moved."""

import numpy as np
import pytest
from paritygate.api import Task
from paritygate.judge import Column, Kind
from paritygate.stats.bounded import SCALE
from paritygate_evaluator.referee.client import ModelFailedError, Port
from paritygate_evaluator.referee.scoring import Scorer, corpus_of, embedding, scorer_for
from sklearn.metrics.pairwise import cosine_similarity

from .scoring_case import labelled, pack, refused, scores

PRECISION, CHANGE, COSINE = (
    Column(Kind.NEIGHBOUR_PRECISION, "3"),
    Column(Kind.NEIGHBOUR_CHANGE, "3"),
    Column(Kind.COSINE_CHANGE),
)
EMBEDDING = pack(Task.EMBEDDING, among="corpus")
ITEMS, CORPUS = 60, 40


def finder(*columns: Column, labels: list[str] | None = None, parts: list[str] | None = None, width: int = 8) -> Scorer:
    """Items 0 .. 39 are the corpus, 40 .. 59 ask."""
    given = labelled(labels or [str(k % 4) for k in range(ITEMS)], part=parts or _parts())
    return scorer_for([EMBEDDING], [scores(width, "vector")], given, columns)


def _parts() -> list[str]:
    return ["corpus" if k < CORPUS else "query" for k in range(ITEMS)]


def prepared(one: Scorer, baseline: np.ndarray, candidate: np.ndarray) -> Scorer:
    for chunk in np.array_split(one.corpus, 3):
        one.prepare(chunk, [baseline[chunk]], [candidate[chunk]])
    return one


def vectors(seed: int, noise: float = 0.0, width: int = 8) -> np.ndarray:
    clean = np.random.default_rng(seed).normal(size=(ITEMS, width))
    return (clean + noise * np.random.default_rng(seed + 1).normal(size=clean.shape)).astype(np.float32)


QUERIES = np.arange(CORPUS, ITEMS)


def test_neighbours_are_the_nearest_by_cosine() -> None:
    baseline, candidate = vectors(1), vectors(1, noise=0.7)
    one = prepared(finder(PRECISION, CHANGE), baseline, candidate)
    seen = one.score(QUERIES, [baseline[QUERIES]], [candidate[QUERIES]])
    labels = np.arange(ITEMS) % 4
    for row, query in enumerate(QUERIES):
        near = [
            set(np.argsort(-cosine_similarity(model[[query]], model[:CORPUS])[0])[:3])
            for model in (baseline, candidate)
        ]
        hits = [sum(labels[k] == labels[query] for k in items) for items in near]
        assert seen.columns[PRECISION][row] == np.ceil((hits[0] - hits[1]) / 3 * SCALE)
        assert seen.columns[CHANGE][row] == np.ceil(len(near[0] - near[1]) / 3 * SCALE)
    assert len(set(seen.columns[CHANGE].tolist())) > 1


def test_the_cosine_change_is_half_the_cosine_distance() -> None:
    baseline, candidate = vectors(2), vectors(2, noise=0.3)
    seen = finder(COSINE).score(QUERIES, [baseline[QUERIES]], [candidate[QUERIES]])
    expected = (1 - np.diag(cosine_similarity(baseline[QUERIES], candidate[QUERIES]))) / 2
    np.testing.assert_allclose(seen.columns[COSINE] / SCALE, expected, atol=1.01 / SCALE)


def test_equal_models_lose_exactly_nothing() -> None:
    same = vectors(3)
    one = prepared(finder(PRECISION, CHANGE, COSINE), same, same)
    seen = one.score(QUERIES, [same[QUERIES]], [same[QUERIES]])
    assert all((units == 0).all() for units in seen.columns.values())
    longer = (same * 3).astype(np.float32)
    seen = prepared(finder(CHANGE), same, longer).score(QUERIES, [same[QUERIES]], [longer[QUERIES]])
    assert (seen.columns[CHANGE] == 0).all()


def test_opposite_vectors_are_as_far_as_it_goes() -> None:
    one = vectors(4)
    seen = finder(COSINE).score(QUERIES, [one[QUERIES]], [-one[QUERIES]])
    assert (seen.columns[COSINE] == SCALE).all()


def test_items_of_one_vector_are_told_apart_by_their_place_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = vectors(5)
    twins[:CORPUS] = twins[0]  # nothing but ties
    one = prepared(finder(CHANGE), twins, twins)
    whole = one.score(QUERIES, [twins[QUERIES]], [twins[QUERIES]]).columns[CHANGE]
    monkeypatch.setattr(embedding, "_PRODUCTS", 1)
    pieces = [one.score(QUERIES[k : k + 1], [twins[[40 + k]]], [twins[[40 + k]]]).columns[CHANGE] for k in range(20)]
    assert (whole == 0).all()
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_of_equal_items_the_first_are_the_nearest() -> None:
    baseline = vectors(6)
    baseline[:] = baseline[0]
    candidate = -baseline
    candidate[[0, 1, 2]] *= -1
    candidate[CORPUS:] *= -1  # to which the first three are nearest now, without a tie
    one = prepared(finder(CHANGE), baseline, candidate)
    seen = one.score(QUERIES, [baseline[QUERIES]], [candidate[QUERIES]])
    assert (seen.columns[CHANGE] == 0).all()


def test_what_happens_far_away_changes_no_neighbour_among_equals() -> None:
    baseline, candidate = vectors(6), vectors(7)
    for model in (baseline, candidate):
        model[10:30] = model[CORPUS:] = np.eye(8)[0]  # twenty equal items, and every query is one of them
    ten = Column(Kind.NEIGHBOUR_CHANGE, "10")
    one = prepared(finder(ten), baseline, candidate)
    seen = one.score(QUERIES, [baseline[QUERIES]], [candidate[QUERIES]])
    assert (seen.columns[ten] == 0).all()


def test_the_models_may_differ_in_width_unless_their_vectors_are_compared() -> None:
    baseline, candidate = vectors(6), vectors(7, width=4)
    one = prepared(finder(PRECISION, width=None), baseline, candidate)
    assert one.score(QUERIES, [baseline[QUERIES]], [candidate[QUERIES]]).columns[PRECISION].size == len(QUERIES)
    with pytest.raises(ModelFailedError, match="4 numbers an item, the baseline's 8: cosineChange") as failed:
        finder(COSINE).score(QUERIES, [baseline[QUERIES]], [candidate[QUERIES]])
    assert failed.value.kind == "OutputShape"


def test_a_corpus_is_prepared_before_a_query_and_only_where_neighbours_are_asked_for() -> None:
    same = vectors(8)
    assert finder(COSINE).corpus.size == 0
    with pytest.raises(ValueError, match="40 corpus items were not prepared"):
        finder(CHANGE).score(QUERIES, [same[QUERIES]], [same[QUERIES]])


def test_what_is_not_finite_is_told_of_corpus_and_query() -> None:
    baseline, candidate = vectors(9), vectors(9)
    candidate[[3, 45], 0] = np.nan
    one = finder(PRECISION, CHANGE, COSINE)
    of_baseline, of_candidate = one.prepare(one.corpus, [baseline[:CORPUS]], [candidate[:CORPUS]])
    assert of_baseline.all()
    assert np.flatnonzero(~of_candidate).tolist() == [3]
    seen = one.score(QUERIES, [baseline[QUERIES]], [candidate[QUERIES]])
    assert np.flatnonzero(~seen.candidate_finite).tolist() == [5]


def test_the_corpus_is_known_before_a_model_is_loaded() -> None:
    given = labelled(["a", "b", "c"], part=["query", "corpus", "query"])
    assert corpus_of([EMBEDDING], given).tolist() == [1]
    assert corpus_of([pack(Task.CLASSIFICATION)], given).size == 0


def test_corpora_that_can_not_be_are_refused() -> None:
    with refused("neighbours: 3 are asked for and the corpus holds 2"):
        finder(CHANGE, parts=["corpus"] * 2 + ["query"] * 58)
    with refused("core: no item is in the corpus", "is 'corpus', column 'part' has: query"):
        finder(CHANGE, parts=["query"] * 60)
    with refused("core: every item is in the corpus"):
        finder(CHANGE, parts=["corpus"] * 60)
    with refused("corpus.column 'part' is not among the slice columns of the packs: kind"):
        corpus_of([EMBEDDING], labelled(["a"], kind=["x"]))
    with refused("one and the same corpus"):
        corpus_of([EMBEDDING, pack(Task.EMBEDDING, among="other")], labelled(["a"], part=["corpus"]))


def test_a_corpus_too_large_to_hold_says_how_many_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "LARGEST_CORPUS", 1024)
    with refused("40 vectors of 8 numbers", "at most 16 fit"):
        prepared(finder(CHANGE), vectors(1), vectors(1))


def test_a_model_without_vectors_is_refused() -> None:
    with refused("core: ", "needed is one of (items, n) floats"):
        scorer_for([EMBEDDING], [Port("y", "float32", (None,))], labelled(["a", "b"], part=["corpus", "q"]), [COSINE])
    with refused("brier", "this task"):
        finder(Column(Kind.BRIER))
