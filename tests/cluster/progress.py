"""Progress lines for people: what happens, since when, and what was cached."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_STARTED = time.monotonic()
_HEARTBEAT_SECONDS = 30.0


def say(text: str) -> None:
    """Print one line with the seconds since the program started, to standard error: standard output is for results."""
    print(f"[{time.monotonic() - _STARTED:7.1f} s] {text}", file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announce a step, say every half minute that it still runs, and how long it took."""
    begun = time.monotonic()
    say(f"{text} ...")
    ended = threading.Event()

    def heartbeat() -> None:
        while not ended.wait(_HEARTBEAT_SECONDS):
            say(f"{text}: still at it after {time.monotonic() - begun:.0f} s")

    beat = threading.Thread(target=heartbeat, daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
    say(f"{text}: done in {time.monotonic() - begun:.1f} s")
