"""The baseline's answers are computed once: what is kept, what is not, and that no verdict depends on it."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from paritygate.api import Outcome
from paritygate_evaluator.referee import evidence
from paritygate_evaluator.referee.cache import OutputCache
from paritygate_evaluator.referee.cache_room import remove

from .case import Case

KEY: dict[str, object] = {"baseline": "sha256:1", "batch": 8}
PLENTY = 1 << 30
ITEMS = np.arange(4, dtype=np.int64)
SCORES = np.arange(8, dtype=np.float32).reshape(4, 2)


def test_what_was_kept_is_there_for_the_next_evaluation(tmp_path: Path) -> None:
    first = OutputCache(tmp_path, KEY, 10, PLENTY)
    assert first.take(ITEMS) is None
    first.begin(8)
    first.keep(ITEMS, [SCORES])
    again = OutputCache(tmp_path, KEY, 10, PLENTY)
    assert again.batch == 8
    (found,) = again.take(ITEMS[::-1]) or ()
    assert (found == SCORES[::-1]).all()
    assert again.hits == 4
    assert again.take(np.array([3, 4])) is None, "one of them was never computed"


@pytest.mark.parametrize(
    ("key", "items"), [({**KEY, "baseline": "sha256:2"}, 10), (KEY, 11)], ids=["another-model", "another-pack"]
)
def test_another_model_or_pack_finds_nothing(tmp_path: Path, key: dict[str, object], items: int) -> None:
    first = OutputCache(tmp_path, KEY, 10, PLENTY)
    first.begin(8)
    first.keep(ITEMS, [SCORES])
    assert OutputCache(tmp_path, key, items, PLENTY).take(ITEMS) is None


def test_a_folder_that_can_not_be_written_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = OutputCache(tmp_path / "file", KEY, 10, PLENTY)
    cache.begin(8)
    cache.keep(ITEMS, [SCORES])
    assert cache.take(ITEMS) is None


def test_a_half_written_item_is_not_there(tmp_path: Path) -> None:
    answers = _kept(tmp_path) / "answers"
    whole = answers.read_bytes()
    for item in range(3):
        answers.write_bytes(whole[: 12 * item + 9] + b"\xff" * 3 + whole[12 * item + 12 :])
        cache = OutputCache(tmp_path, KEY, 10, PLENTY)
        assert cache.take(ITEMS[item : item + 1]) is None
        assert cache.take(ITEMS[item + 1 :]) is not None


NOT_OURS: dict[str, Callable[[Path], object]] = {
    "cut": lambda entry: (entry / "answers").write_bytes(b"cut"),
    "too-long": lambda entry: (entry / "answers").write_bytes(b"0" * 121),
    "a-link": lambda entry: _linked(entry / "answers"),
    "nothing-told": lambda entry: (entry / "about.json").unlink(),
    "not-json": lambda entry: (entry / "about.json").write_text("{"),
    "deep": lambda entry: (entry / "about.json").write_text("[" * 100_000),
    "of-another-key": lambda entry: _told(entry, key={"baseline": "sha256:2", "batch": 8}),
    "of-other-items": lambda entry: _told(entry, items=11),
    "of-objects": lambda entry: _told(entry, outputs=[{"dtype": "|O", "shape": [2]}]),
    "of-another-shape": lambda entry: _told(entry, outputs=[{"dtype": "<f4", "shape": [3]}]),
    "of-no-shape": lambda entry: _told(entry, outputs=[{"dtype": "<f4", "shape": [-2]}]),
    "of-no-batch": lambda entry: _told(entry, batch=0),
    "of-endless-batches": lambda entry: (entry / "about.json").write_text(_about(entry).replace("8,", "1e400,", 1)),
    "a-pipe": lambda entry: _piped(entry / "about.json"),
    "of-huge-answers": lambda entry: _huge(entry),
}


@pytest.mark.parametrize("spoil", NOT_OURS.values(), ids=NOT_OURS)
def test_an_entry_that_does_not_fit_is_none(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    spoil(_kept(tmp_path))
    cache = OutputCache(tmp_path, KEY, 10, PLENTY)
    assert (cache.batch, cache.take(ITEMS)) == (None, None)
    cache.begin(8)
    cache.keep(ITEMS, [SCORES])  # nothing to be kept beside it, and nothing that breaks


def test_more_outputs_than_are_kept_are_no_error(tmp_path: Path) -> None:
    cache = OutputCache(tmp_path, KEY, 10, PLENTY)
    cache.begin(8)
    cache.keep(ITEMS, [SCORES] * 65)
    assert cache.take(ITEMS) is None


def test_a_folder_that_can_not_be_listed_is_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _kept(tmp_path)

    def denied(folder: Path) -> None:
        raise PermissionError(folder)

    monkeypatch.setattr(Path, "iterdir", denied)
    assert OutputCache(tmp_path, KEY, 10, PLENTY).take(ITEMS) is not None


def test_what_finds_no_room_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Path, "write_text", full)
    cache = OutputCache(tmp_path, KEY, 10, PLENTY)
    cache.begin(8)
    cache.keep(ITEMS, [SCORES])
    assert cache.take(ITEMS) is None
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_else_removed_leaves_nothing_behind(tmp_path: Path) -> None:
    remove(tmp_path / ("0" * 64))
    assert list(tmp_path.iterdir()) == []


def test_an_entry_that_has_become_too_large_is_not_used(tmp_path: Path) -> None:
    _kept(tmp_path)
    assert OutputCache(tmp_path, KEY, 10, 100).take(ITEMS) is None


def test_two_that_begin_at_once_fill_one_entry(tmp_path: Path) -> None:
    first, second = (OutputCache(tmp_path, KEY, 10, PLENTY) for _ in range(2))
    for cache, items in ((first, ITEMS[:2]), (second, ITEMS[2:])):
        cache.begin(8)
        cache.keep(items, [SCORES[items]])
    (found,) = first.take(ITEMS) or ()
    assert (found == SCORES).all()
    assert len(list(tmp_path.iterdir())) == 1


def test_one_of_another_batch_size_is_left_alone(tmp_path: Path) -> None:
    first, second = (OutputCache(tmp_path, KEY, 10, PLENTY) for _ in range(2))
    assert (first.batch, second.batch) == (None, None)
    for cache, batch in ((first, 8), (second, 16)):
        cache.begin(batch)
        cache.keep(ITEMS, [SCORES * batch])
    assert second.take(ITEMS) is None
    (found,) = OutputCache(tmp_path, KEY, 10, PLENTY).take(ITEMS) or ()
    assert (found == SCORES * 8).all()


def test_the_entries_used_longest_ago_go_as_a_whole(tmp_path: Path) -> None:
    """Each takes 120 bytes and what is told about it: some 200."""
    mine = tmp_path / "notes.txt"
    mine.write_text("x" * 5000)
    (tmp_path / ("0" * 64 + ".abandoned")).mkdir()
    for number, day in ((1, 3), (2, 1), (3, 2)):
        entry = _kept(tmp_path, {"baseline": number})
        os.utime(entry, (day * 86400, day * 86400))
    os.utime(tmp_path / ("0" * 64 + ".abandoned"), (0, 0))
    _kept(tmp_path, {"baseline": 4}, size=1000)
    assert [_is_kept(tmp_path, number) for number in (1, 2, 3, 4)] == [True, False, True, True]
    assert sorted(len(path.name) for path in tmp_path.iterdir()) == [9, 64, 64, 64]
    assert mine.exists()


def test_what_is_larger_than_all_that_may_be_kept_is_not_kept(tmp_path: Path) -> None:
    entry = _kept(tmp_path)
    cache = OutputCache(tmp_path, {"baseline": 2}, 10, 100)
    cache.begin(8)
    cache.keep(ITEMS, [SCORES])
    assert cache.take(ITEMS) is None
    assert list(tmp_path.iterdir()) == [entry]


def test_an_entry_that_is_removed_while_it_is_read_is_a_miss(tmp_path: Path) -> None:
    cache = OutputCache(tmp_path, KEY, 10, PLENTY)
    entry = _kept(tmp_path)
    assert cache.take(ITEMS) is not None
    other = OutputCache(tmp_path, KEY, 10, PLENTY)
    other.sample(1)
    other.throw_away()
    assert not entry.exists()
    cache.keep(ITEMS + 4, [SCORES])  # into what nobody finds any more
    assert OutputCache(tmp_path, KEY, 10, PLENTY).take(ITEMS) is None


@pytest.mark.whole
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


@pytest.mark.whole
def test_answers_that_the_baseline_does_not_give_are_found_out_and_thrown_away(case: Case, tmp_path: Path) -> None:
    case.cache = tmp_path / "cache"
    case.cache.mkdir()
    honest = case.judge()
    (entry,) = case.cache.iterdir()
    about = json.loads((entry / "about.json").read_text())
    forged = OutputCache(case.cache, about["key"], about["items"], PLENTY)
    kept = forged.sample(about["items"])
    (known,) = forged.look(kept) or ()
    forged.keep(kept, [np.roll(known, 1, axis=1)])  # every one wrong: any candidate would look as good
    again = case.judge()
    assert again.environment["answerCache"].startswith("what was kept is not what the baseline answers")
    assert again.environment["baselineAnswersFromCache"] == "0"
    assert [gate.batch_log for gate in again.gates] == [gate.batch_log for gate in honest.gates]
    assert "answerCache" not in case.judge().environment


class Asked:
    """A runner of which only the baseline is asked, for ten items that it answers as they were kept."""

    def __init__(self) -> None:
        self.items: list[int] = []

    def outputs(self, role: str, indices: np.ndarray, batch: int) -> tuple[np.ndarray, ...]:
        self.items.append(len(indices))
        return (SCORES[indices],)


def test_long_answers_are_asked_again_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = OutputCache(tmp_path, KEY, 10, PLENTY)
    cache.begin(1)
    cache.keep(ITEMS, [SCORES])
    monkeypatch.setattr(evidence, "_CHUNK_BYTES", 2 * cache.record_bytes)
    runner = Asked()
    judged = evidence.Evidence(runner, None, ["item"] * 10, [], cache=cache)  # type: ignore[arg-type]
    assert judged.tune() == 1
    assert runner.items == [2, 2]
    assert not judged.forged


def _kept(folder: Path, key: dict[str, object] = KEY, size: int = 1 << 30) -> Path:
    """An entry of ten items, four of which are there."""
    before = set(folder.iterdir())
    cache = OutputCache(folder, key, 10, size)
    cache.begin(8)
    cache.keep(ITEMS, [SCORES])
    (entry,) = set(folder.iterdir()) - before
    return entry


def _is_kept(folder: Path, number: int) -> bool:
    return OutputCache(folder, {"baseline": number}, 10, PLENTY).look(ITEMS) is not None


def _linked(answers: Path) -> None:
    answers.rename(answers.parent.parent / "elsewhere")
    answers.symlink_to(answers.parent.parent / "elsewhere")


def _told(entry: Path, **update: object) -> None:
    about = json.loads((entry / "about.json").read_text())
    (entry / "about.json").write_text(json.dumps(about | update))


def _about(entry: Path) -> str:
    return (entry / "about.json").read_text()


def _piped(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _huge(entry: Path) -> None:
    """A record of 64 MiB an item, in a file without a block: it would be read 256 times."""
    _told(entry, outputs=[{"dtype": "<f4", "shape": [1 << 24]}])
    with (entry / "answers").open("wb") as stream:
        stream.truncate(10 * (4 + (1 << 26)))
