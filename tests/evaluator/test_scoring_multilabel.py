"""Any number of labels an item: the whole set is right or wrong, and each label on its own."""

import numpy as np
import pytest
from paritygate.api import Scores, Task
from paritygate.judge import BOTH_RIGHT, BOTH_WRONG, LOST, WON, Column, Kind
from paritygate.stats.bounded import SCALE
from paritygate_evaluator.referee.client import ModelFailedError, Port
from paritygate_evaluator.referee.scoring import Scorer
from sklearn.metrics import hamming_loss, multilabel_confusion_matrix

from .scoring_case import refused, score, scorer, scores

LABEL_ERROR = Column(Kind.LABEL_ERROR)
CELLS = ["cat;dog", "dog", "-", "cat; emu"]
TRUTH = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]], bool)  # cat, dog, emu


def tagger(*columns: Column, cells: list[str] = CELLS, given_as: Scores | None = Scores.PROBABILITIES) -> Scorer:
    port = scores(3) if given_as else Port("tags", "int64", (None, 3))
    return scorer(Task.MULTILABEL, [port], cells, columns, scores=given_as)


def said(bits: np.ndarray, low: float = 0.25, high: float = 0.75) -> np.ndarray:
    return np.where(bits, high, low).astype(np.float32)


def flipped(*places: tuple[int, int]) -> np.ndarray:
    bits = TRUTH.copy()
    for place in places:
        bits[place] ^= True
    return bits


def test_right_is_the_whole_set() -> None:
    seen = score(tagger(Column(Kind.DIFFERS)), said(flipped((2, 0), (3, 1))), said(flipped((1, 0), (2, 0), (2, 1))))
    assert seen.outcomes.tolist() == [BOTH_RIGHT, LOST, BOTH_WRONG, WON]
    assert seen.columns[Column(Kind.DIFFERS)].tolist() == [0, 1, 1, 1]


def test_the_label_error_is_scikit_learns_hamming_loss() -> None:
    rng = np.random.default_rng(1)
    baseline, candidate = rng.random((2, 4, 3)) > 0.5
    seen = score(tagger(LABEL_ERROR), said(baseline), said(candidate))
    for row in range(4):
        expected = hamming_loss(TRUTH[row], candidate[row]) - hamming_loss(TRUTH[row], baseline[row])
        assert seen.columns[LABEL_ERROR][row] == np.ceil(expected * SCALE)


def test_cells_of_each_label_are_scikit_learns_confusion() -> None:
    baseline, candidate = np.random.default_rng(2).random((2, 4, 3)) > 0.5
    one = tagger()
    seen = score(one, said(baseline), said(candidate))
    assert one.classes == ("cat", "dog", "emu")
    for label, name in enumerate(one.classes):
        cells = one.cells(Column(Kind.CELL, name), np.arange(4), seen.baseline, seen.candidate)
        (_, _), (_, of_candidate) = multilabel_confusion_matrix(TRUTH, candidate)[label]
        (_, _), (_, of_baseline) = multilabel_confusion_matrix(TRUTH, baseline)[label]
        assert (np.isin(cells, [5, 7]).sum(), np.isin(cells, [6, 7]).sum()) == (of_candidate, of_baseline)
        assert (cells >> 2).tolist() == TRUTH[:, label].tolist()
    assert one.cells(Column(Kind.CELL, "yak"), np.arange(4), seen.baseline, seen.candidate).tolist() == [0] * 4


@pytest.mark.parametrize("given_as", [Scores.PROBABILITIES, Scores.LOGITS, None])
def test_a_label_is_answered_above_the_middle_of_its_scores(given_as: Scores | None) -> None:
    output = {
        Scores.PROBABILITIES: said(TRUTH, 0.5, 0.51),
        Scores.LOGITS: said(TRUTH, 0.0, 0.01),
        None: TRUTH.astype(np.int64),
    }[given_as]
    seen = score(tagger(given_as=given_as), output, output)
    assert seen.outcomes.tolist() == [BOTH_RIGHT] * 4


def test_answers_are_told_as_labels_are_written() -> None:
    one = tagger()
    seen = score(one, said(TRUTH), said(TRUTH))
    assert [one.text(answer) for answer in seen.baseline.tolist()] == ["cat;dog", "dog", "-", "cat;emu"]
    assert one.right(np.arange(4)).tolist() == seen.baseline.tolist()


def test_answers_are_counted_by_label_and_by_none() -> None:
    one = tagger()
    seen = score(one, said(TRUTH), said(TRUTH))
    assert one.shares(seen.baseline).tolist() == [2, 2, 1, 1]


def test_labels_may_be_numbers_in_the_models_order() -> None:
    one = scorer(Task.MULTILABEL, [scores(12)], ["11;2", "-"], scores=Scores.PROBABILITIES)
    output = np.zeros((2, 12), np.float32)
    output[0, [2, 11]] = 1
    assert score(one, output, output).outcomes.tolist() == [BOTH_RIGHT, BOTH_RIGHT]
    assert one.classes == ("2", "11")


def test_a_set_is_as_sure_as_its_least_sure_label_and_a_flip_as_its_surest_wrong_one() -> None:
    candidate = np.array([[1, 1, 0.9], [0, 1, 0], [0, 0, 0], [1, 0, 1]], np.float32)
    candidate[1] = [0.8, 0.1, 0]
    seen = score(tagger(), said(TRUTH, 0.25, 0.75), candidate)
    assert seen.baseline_confidence.tolist() == [0.75] * 4
    assert seen.confidence.tolist() == pytest.approx([0.9, 0.9, 0, 0])


def test_more_sets_than_fit_at_first_keep_their_numbers() -> None:
    wide = [Port("tags", "int64", (None, 10))]
    one = scorer(Task.MULTILABEL, wide, [str(k % 10) for k in range(1024)], [LABEL_ERROR])
    bits = (np.arange(1024)[:, None] >> np.arange(10)) & 1
    seen = score(one, bits, bits[::-1])
    assert len(set(seen.baseline.tolist())) == 1024
    for answer, row in ((int(seen.baseline[1023]), 1023), (int(seen.baseline[517]), 517)):
        assert one.text(answer) == ";".join(str(label) for label in np.flatnonzero(bits[row]))


WRONG_LABELS = [
    ("beside none", "-;cat", "'-' (no label) stands beside others"),
    ("twice", "cat;cat", "there twice"),
    ("empty", "cat;", "a label is empty"),
]


@pytest.mark.parametrize(("what", "cell", "why"), WRONG_LABELS, ids=[w[0] for w in WRONG_LABELS])
def test_labels_that_contradict_themselves_are_refused(what: str, cell: str, why: str) -> None:
    with refused("item 'i1'", repr(cell), why, "cat;dog", "'-' for an item that has none"):
        tagger(cells=["dog", cell])


def test_names_need_as_many_scores_so_that_their_order_is_certain() -> None:
    with refused("core: ", "scores 3 labels", "2 names (cat, dog)", "class numbers"):
        tagger(cells=["cat", "dog"])
    with refused("the largest label is 3", "scores 3 labels"):
        tagger(cells=["0;3"])
    with refused("2 names"):
        score(scorer(Task.MULTILABEL, [scores(None)], ["cat", "dog"], scores=Scores.LOGITS), said(TRUTH), said(TRUTH))


def test_scores_must_say_what_they_are() -> None:
    with refused("core: ", "scores: Probabilities (a label is answered above 0.5)", "scores: Logits"):
        scorer(Task.MULTILABEL, [scores(3)], CELLS)
    with refused("core: ", "needed is one of (items, labels) scores", "label int64[?]"):
        scorer(Task.MULTILABEL, [Port("label", "int64", (None,))], CELLS)


def test_label_probabilities_need_no_sum_but_a_range() -> None:
    assert score(tagger(), said(TRUTH, 0.1, 1.0), said(TRUTH, 0, 0.9)).outcomes.size == 4
    with refused("core: baseline: item 'i0'", "from -4 to 4", "scores: Logits"):
        score(tagger(), said(TRUTH, -4, 4), said(TRUTH))
    with refused("core: baseline: item 'i0'", "from 0 to 4"):
        score(tagger(), said(TRUTH, 0, 4), said(TRUTH))
    with pytest.raises(ModelFailedError, match=r"candidate: item 'i0'.*add a sigmoid to it"):
        score(tagger(), said(TRUTH), said(TRUTH, -4, 4))


def test_one_item_that_is_not_finite_says_so_and_is_wrong() -> None:
    candidate = said(TRUTH)
    candidate[0, 0] = np.nan
    seen = score(tagger(LABEL_ERROR), said(TRUTH), candidate)
    assert seen.candidate_finite.tolist() == [False, True, True, True]
    assert seen.outcomes[0] == LOST
    assert np.isfinite(seen.confidence).all()
