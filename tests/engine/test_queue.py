"""What the queue promises: one worker a key, one place in the line a key, nothing forgotten."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.engine import Closed, WorkQueue


def run(test: Callable[[WorkQueue[str]], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(10):  # a key that never comes is a failure, not a hang
            await test(WorkQueue[str](base=0.001, longest=0.01, chance=lambda: 0.5))

    asyncio.run(main())


def test_a_key_waits_once_however_often_it_is_added() -> None:
    async def test(queue: WorkQueue[str]) -> None:
        for key in "aabab":
            queue.add(key)
        assert [await queue.take(), await queue.take()] == ["a", "b"]
        assert queue.depth == 0

    run(test)


def test_a_key_added_in_flight_is_taken_again_after_it_is_done_and_not_before() -> None:
    async def test(queue: WorkQueue[str]) -> None:
        queue.add("a")
        assert await queue.take() == "a"
        queue.add("a")
        queue.add("b")
        assert queue.depth == 1
        queue.done("a")
        assert [await queue.take(), await queue.take()] == ["b", "a"]

    run(test)


def test_the_newest_delay_replaces_the_older_one() -> None:
    async def test(queue: WorkQueue[str]) -> None:
        queue.add_after("a", 3600)
        queue.add_after("a", 0.001)
        assert await queue.take() == "a"
        queue.add_after("a", 0.001)
        queue.cancel("a")
        queue.done("a")
        queue.add_after("b", 0.002)
        assert await queue.take() == "b"
        assert queue.depth == 0
        queue.add_after("c", 0.001)
        queue.add_after("c", 3600)
        queue.add_after("d", 0.01)
        assert await queue.take() == "d"
        assert queue.depth == 0

    run(test)


def test_backoff_doubles_up_to_its_bound_and_starts_over_when_the_key_is_well() -> None:
    async def test(queue: WorkQueue[str]) -> None:
        delays = [queue.add_failed("a") for _ in range(6)]
        assert delays == pytest.approx([0.001, 0.002, 0.004, 0.008, 0.01, 0.01])
        queue.forget("a")
        assert queue.add_failed("a") == pytest.approx(0.001)

    run(test)


def test_backoff_of_a_key_that_fails_for_ever_never_overflows() -> None:
    async def test(queue: WorkQueue[str]) -> None:
        assert max(queue.add_failed("a") for _ in range(2000)) == pytest.approx(0.01)

    run(test)


def test_closing_lets_what_is_in_flight_finish_and_gives_out_nothing_more() -> None:
    async def test(queue: WorkQueue[str]) -> None:
        queue.add("a")
        queue.add("b")
        await queue.take()
        queue.close()
        for _ in range(3):  # every worker is told, not only one
            with pytest.raises(Closed):
                await queue.take()
        waiting = asyncio.ensure_future(queue.idle())
        await asyncio.sleep(0)
        assert not waiting.done()
        queue.add("a")
        queue.done("a")
        await waiting
        with pytest.raises(Closed):
            await queue.take()

    run(test)


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "done"]), st.sampled_from("abc")), max_size=60))
def test_no_key_is_in_flight_twice_and_every_change_is_seen_after_it_was_made(
    steps: list[tuple[str, str]],
) -> None:
    async def test(queue: WorkQueue[str]) -> None:
        in_flight: set[str] = set()
        unseen: set[str] = set()
        for step, key in steps:
            if step == "add":
                queue.add(key)
                unseen.add(key)
            elif step == "take" and queue.depth:
                taken = await queue.take()
                assert taken not in in_flight
                in_flight.add(taken)
                unseen.discard(taken)
            elif step == "done" and key in in_flight:
                in_flight.discard(key)
                queue.done(key)
        for key in in_flight:
            queue.done(key)
        while queue.depth:
            key = await queue.take()
            unseen.discard(key)
            queue.done(key)
        assert not unseen

    run(test)
