"""Batches shared among threads: each is taken once, whoever takes it, and an error ends the rest."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate_evaluator.runner.callers import Callers, Span


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 4))
def test_every_item_is_in_one_batch(items: int, batch: int, threads: int) -> None:
    taken: list[Span] = []
    Callers(threads).share(items, batch, taken.extend)
    assert sorted(taken) == [(at, min(at + batch, items)) for at in range(0, items, batch)]


def test_who_is_free_takes_the_next_batch() -> None:
    """One caller is held up in its first batch until the other has done all that is left."""
    others_done, ours = threading.Event(), threading.current_thread()
    by: dict[Span, bool] = {}

    def work(spans: Iterator[Span]) -> None:
        for span in spans:
            by[span] = threading.current_thread() is ours
            if by[span] and not others_done.wait(10):
                return
        others_done.set()

    Callers(2).share(10, 1, work)
    assert len(by) == 10
    assert sum(by.values()) <= 1


@pytest.mark.parametrize("ours_fails", [True, False])
def test_an_error_of_any_caller_is_told_when_the_others_have_stopped_before_all_is_done(ours_fails: bool) -> None:
    begun, ours = threading.Event(), threading.current_thread()
    taken, at_work = 0, False

    def work(spans: Iterator[Span]) -> None:
        nonlocal taken, at_work
        if (threading.current_thread() is ours) == ours_fails:
            begun.wait(10)
            raise RuntimeError("of a model")
        at_work = True
        for _ in spans:
            taken += 1
            begun.set()
            time.sleep(0.02)
        at_work = False

    with pytest.raises(RuntimeError, match="of a model"):
        Callers(2).share(100, 1, work)
    assert not at_work
    assert 0 < taken < 100


def test_the_others_are_prepared_as_they_are_told() -> None:
    prepared: list[str] = []
    Callers(3, lambda: prepared.append(threading.current_thread().name)).share(9, 1, lambda spans: [*spans].clear())
    assert prepared
    assert threading.current_thread().name not in prepared
