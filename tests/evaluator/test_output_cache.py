"""The baseline's answers are computed once: what is kept, what is not, and that no verdict depends on it."""

from pathlib import Path

import numpy as np
import pytest
from paritygate.api import Outcome
from paritygate_evaluator.referee.cache import OutputCache

from .case import Case

KEY = {"baseline": "sha256:1", "batch": 8}
ITEMS = np.arange(4, dtype=np.int64)
SCORES = np.arange(8, dtype=np.float32).reshape(4, 2)


def test_what_was_kept_is_there_for_the_next_evaluation(tmp_path: Path) -> None:
    first = OutputCache(tmp_path, KEY, 10)
    assert first.take(ITEMS) is None
    first.begin(8)
    first.keep(ITEMS, [SCORES])
    again = OutputCache(tmp_path, KEY, 10)
    assert again.batch == 8
    (found,) = again.take(ITEMS[::-1]) or ()
    assert (found == SCORES[::-1]).all()
    assert again.hits == 4
    assert again.take(np.array([3, 4])) is None, "one of them was never computed"


@pytest.mark.parametrize(
    ("key", "items"), [({**KEY, "baseline": "sha256:2"}, 10), (KEY, 11)], ids=["another-model", "another-pack"]
)
def test_another_model_or_pack_finds_nothing(tmp_path: Path, key: dict[str, object], items: int) -> None:
    first = OutputCache(tmp_path, KEY, 10)
    first.begin(8)
    first.keep(ITEMS, [SCORES])
    assert OutputCache(tmp_path, key, items).take(ITEMS) is None


def test_a_folder_that_can_not_be_written_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = OutputCache(tmp_path / "file", KEY, 10)
    cache.begin(8)
    cache.keep(ITEMS, [SCORES])
    assert cache.take(ITEMS) is None


def test_a_half_written_item_does_not_count(tmp_path: Path) -> None:
    cache = OutputCache(tmp_path, KEY, 10)
    cache.begin(8)
    cache.keep(ITEMS, [SCORES])
    (folder,) = tmp_path.iterdir()
    (folder / "output-00.npy").write_bytes(b"cut")
    assert OutputCache(tmp_path, KEY, 10).take(ITEMS) is None


def test_the_next_candidate_is_judged_on_the_kept_answers_with_the_same_verdict(case: Case, tmp_path: Path) -> None:
    case.cache = tmp_path / "cache"
    case.cache.mkdir()
    first = case.judge()
    assert first.environment["baselineAnswersFromCache"] == "0"
    case.lose(lambda i: i % 3 == 0)
    second = case.judge()
    assert int(second.environment["baselineAnswersFromCache"]) > 0
    assert (first.outcome, second.outcome) == (Outcome.PASSED, Outcome.FAILED)
    case.cache = None
    assert [gate.batch_log for gate in case.judge().gates] == [gate.batch_log for gate in second.gates]
