"""Waiting for whatever happens first."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first(*things: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> None:
    """Return when one of them ends; raise what it raised. Coroutines are cancelled then, tasks are left alone."""
    tasks = [thing if isinstance(thing, asyncio.Task) else asyncio.create_task(thing) for thing in things]
    ours = [task for task, thing in zip(tasks, things, strict=True) if task is not thing]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in ours:
            task.cancel()
        if ours:
            await asyncio.wait(ours)
    for task in done:
        task.result()


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, Any]) -> bool:
    """Do the work unless stopped first; whether it was done."""
    await first(stop.wait(), work)
    return not stop.is_set()
