"""What happens to a key after work on it ended well, busily, stale, hopelessly or by a bug."""

import asyncio
import logging
from datetime import timedelta

import pytest
from paritygate.engine import Conflict, Outcome, RetryLater, Terminal, TokenBucket, Workers, WorkQueue

ENDINGS: list[tuple[timedelta | Exception | None, Outcome, bool]] = [
    (None, Outcome.SUCCESS, False),
    (timedelta(milliseconds=1), Outcome.REQUEUE_AFTER, True),
    (timedelta(0), Outcome.REQUEUE_AFTER, True),
    (RetryLater("busy", 0.001), Outcome.RETRY_LATER, True),
    (Conflict("stale"), Outcome.CONFLICT, True),
    (Terminal("PolicyInvalid", "no alpha"), Outcome.TERMINAL, False),
    (ZeroDivisionError("a bug"), Outcome.ERROR, True),
]


@pytest.mark.parametrize(("ending", "outcome", "again"), ENDINGS, ids=[str(e[1]) + str(e[0]) for e in ENDINGS])
def test_the_one_switch(
    ending: timedelta | Exception | None, outcome: Outcome, again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> list[Outcome]:
        queue = WorkQueue[str](base=0.001)
        seen: list[Outcome] = []
        calls = 0

        async def reconcile(key: str) -> timedelta | None:
            nonlocal calls
            calls += 1
            if calls == 2 or (calls == 1 and not again):
                asyncio.get_running_loop().call_later(0.005, queue.close)
            if calls > 1:
                return None
            if isinstance(ending, Exception):
                raise ending
            return ending

        queue.add("ns/a")
        with caplog.at_level(logging.CRITICAL):
            async with asyncio.timeout(10):
                await Workers(queue, reconcile, count=2, observe=lambda o, s: seen.append(o)).run()
        return seen

    assert asyncio.run(main()) == ([outcome, Outcome.SUCCESS] if again else [outcome])


def test_a_bug_on_one_key_neither_ends_the_work_on_others_nor_goes_unsaid(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def main() -> None:
        queue = WorkQueue[str](base=60)

        async def reconcile(key: str) -> None:
            if key == "bad":
                raise KeyError("bug")
            done.append(key)
            if len(done) == 3:
                queue.close()

        for key in ("bad", "a", "b", "c"):
            queue.add(key)
        await Workers(queue, reconcile, count=1).run()

    asyncio.run(main())
    assert done == ["a", "b", "c"]
    assert [(r.message, getattr(r, "key", None)) for r in caplog.records] == [("reconcile failed", "bad")]
    assert caplog.records[0].exc_info is not None


def test_no_more_work_at_once_than_there_are_workers() -> None:
    async def main() -> int:
        queue = WorkQueue[int]()
        running = most = 0

        async def reconcile(key: int) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            if key == 49:
                queue.close()

        for key in range(50):
            queue.add(key)
        await Workers(queue, reconcile, count=4).run()
        return most

    assert asyncio.run(main()) == 4


def test_a_bucket_gives_its_burst_at_once_and_then_makes_wait() -> None:
    async def main() -> tuple[float, float]:
        bucket = TokenBucket(rate=1000, burst=3)
        loop = asyncio.get_running_loop()
        start = loop.time()
        for _ in range(3):
            await bucket.take()
        burst = loop.time() - start
        await asyncio.gather(*(bucket.take() for _ in range(20)))
        return burst, loop.time() - start

    burst, whole = asyncio.run(main())
    assert burst < whole
    assert whole >= 0.015  # 20 tokens at 1000 a second, less what was refilled meanwhile


def test_an_empty_bucket_refuses_what_does_not_wait() -> None:
    async def main() -> list[bool]:
        bucket = TokenBucket(rate=0.001, burst=2)
        return [bucket.try_take() for _ in range(3)]

    assert asyncio.run(main()) == [True, True, False]
