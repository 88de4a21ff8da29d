"""Whom a watch event sends to work."""

import asyncio
from typing import Any

from paritygate.cluster import VALIDATION, Key, Resync, Store
from paritygate.engine import WorkQueue
from paritygate.shell.feed import Feed

from tests.operator.test_store import a_validation


def announced(store: Store, *events: tuple[str, dict[str, Any]]) -> set[Key]:
    async def main() -> set[Key]:
        queue = WorkQueue[Key]()
        resync = Resync(None, store)  # type: ignore[arg-type]
        feed = Feed(resync, store, queue, kubeconfig=None, namespaces=(), every=1.0, missed=lambda count: None)
        for type_, manifest in events:
            feed.announce(VALIDATION, type_, manifest)
        return {await queue.take() for _ in range(queue.depth)}

    return asyncio.run(main())


def aimed_at(name: str, target: str) -> dict[str, Any]:
    return a_validation(name, target={"inferenceService": target})


def test_who_waited_for_a_rival_looks_again_when_it_turns_elsewhere_or_goes() -> None:
    for event in (("MODIFIED", aimed_at("first", "other")), ("DELETED", aimed_at("first", "fraud"))):
        store = Store()
        for name in ("first", "second"):
            store.put(VALIDATION, aimed_at(name, "fraud"))
        assert announced(store, event) == {Key("ns", "first"), Key("ns", "second")}


def test_a_deleted_validation_is_gone_when_it_is_looked_at() -> None:
    store = Store()
    assert announced(store, ("ADDED", aimed_at("v", "fraud")), ("DELETED", aimed_at("v", "fraud"))) == {Key("ns", "v")}
    assert store.get(VALIDATION, "ns", "v") is None
