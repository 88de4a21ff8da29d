"""What the gatherer says of earlier tries on the same data, from the store alone."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from paritygate.cluster import Client, Gatherer, Key, RefereeLogs, Store
from paritygate.cluster.kinds import PACK, POLICY, REPORT, VALIDATION
from paritygate.lifecycle.model import Settings
from paritygate.lifecycle.tries import identity

INPUTS, LABELS, OTHER = (f"sha256:{64 * digit}" for digit in "123")


class NoLogs:
    """A reader of logs that has none."""

    def of(self, namespace: str, name: str) -> None:
        return None


def _object(kind: Any, name: str, spec: dict[str, Any], **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1, **rest.pop("metadata", {})}
    if kind.namespaced:
        metadata.setdefault("namespace", "ns")
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec, **rest}


def _report(
    name: str, *, items: int = 500, candidate: str = "a", labels: str = LABELS, **metadata: str
) -> dict[str, Any]:
    plan = {
        "candidate": {"digest": candidate},
        "packs": [{"name": "any", "inputs": {"digest": OTHER}, "labels": {"digest": labels}}],
    }
    spec = {"validation": {"uid": f"of-{name}"}, "items": items, "plan": {**plan, "candidateNumber": len(name)}}
    return _object(REPORT, name, spec, metadata=metadata)


def _validation(name: str, created: str, status: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    spec = {
        "owner": {"team": "t", "contact": "c"},
        "baseline": {"uri": "s3://m/a", "digest": INPUTS},
        "candidate": {"uri": "s3://m/b", "digest": LABELS, "technique": "Fp16"},
        "policy": "p",
        "pool": "gpu",
        **rest.pop("spec", {"packs": [{"name": "core"}]}),
    }
    metadata = {"creationTimestamp": created, **rest.pop("metadata", {})}
    return _object(VALIDATION, name, spec, metadata=metadata, status=status or {})


def _tries(store: Store, *, budget: bool = False, requires: bool = False) -> frozenset[str]:
    store.put(VALIDATION, _validation("own", "2026-11-21T12:00:00Z"))
    policy: dict[str, Any] = {"evaluation": {"alphaBudget": budget}}
    store.put(POLICY, _object(POLICY, "p", policy | ({"requiredPacks": [{"name": "core"}]} if requires else {})))
    data = {"inputs": {"uri": "s3://d/i", "digest": INPUTS}, "labels": {"uri": "s3://d/l", "digest": LABELS}}
    store.put(PACK, _object(PACK, "core", {"version": "1", "task": "Classification", "data": data}))
    gatherer = Gatherer(
        cast(Client, None), store, cast(RefereeLogs, NoLogs()), Settings("image"), lambda: datetime.now(UTC)
    )
    observed = asyncio.run(gatherer.gather(Key("ns", "own")))
    assert observed is not None
    return observed.tries


def _identity(report: dict[str, Any]) -> str:
    return identity(report["spec"]["plan"])


REPORTS = {
    "on-the-same-labels": (_report("r"), 1),
    "on-other-data": (_report("r", labels=OTHER), 0),
    "of-which-nothing-was-judged": (_report("r", items=0), 0),
    "in-another-namespace": (_report("r", namespace="elsewhere"), 0),
}


@pytest.mark.parametrize(("report", "count"), REPORTS.values(), ids=REPORTS)
def test_a_report_counts_where_it_judged_the_same_data(report: dict[str, Any], count: int) -> None:
    store = Store()
    store.put(REPORT, report)
    assert _tries(store) == frozenset([_identity(report)][:count])


def test_tries_are_distinct_and_go_with_their_reports() -> None:
    store = Store()
    reports = [_report("r"), _report("rr"), _report("b", candidate="b")]
    for report in reports:
        store.put(REPORT, report)
        store.put(REPORT, report)
    assert len(_tries(store)) == 2  # r and rr differ in their number alone
    store.drop(REPORT, reports[2])
    store.drop(REPORT, reports[0])
    assert _tries(store) == {_identity(reports[0])}
    store.drop(REPORT, reports[1])
    assert _tries(store) == frozenset()


EARLY, LATE = "2026-11-21T11:00:00Z", "2026-11-21T13:00:00Z"
FIXED = {"observedGeneration": 1, "inputDigest": INPUTS}
STALLED = {
    "observedGeneration": 1,
    "conditions": [{"type": "Stalled", "status": "True", "reason": "x", "lastTransitionTime": EARLY}],
}
UNDER_WAY: dict[str, tuple[dict[str, Any], bool]] = {
    "older-and-new": (_validation("v", EARLY), True),
    "younger-and-new": (_validation("v", LATE), False),
    "younger-but-numbered": (_validation("v", LATE, FIXED), True),
    "decided": (_validation("v", EARLY, FIXED | {"verdict": {"outcome": "Failed"}}), False),
    "decided-and-edited": (
        _validation("v", EARLY, FIXED | {"verdict": {"outcome": "Failed"}}, metadata={"generation": 2}),
        True,
    ),
    "stalled": (_validation("v", EARLY, STALLED), False),
    "deleted": (_validation("v", EARLY, FIXED, metadata={"deletionTimestamp": EARLY}), False),
    "of-another-pack": (_validation("v", EARLY, spec={"packs": [{"name": "other"}]}), False),
    "of-another-namespace": (_validation("v", EARLY, metadata={"namespace": "elsewhere"}), False),
    "of-the-same-second": (_validation("a", "2026-11-21T12:00:00Z"), True),
}


@pytest.mark.parametrize(("other", "first"), UNDER_WAY.values(), ids=UNDER_WAY)
def test_with_a_shared_alpha_those_under_way_count_too(other: dict[str, Any], first: bool) -> None:
    store = Store()
    store.put(VALIDATION, other)
    assert _tries(store, budget=True) == frozenset({other["metadata"]["uid"]} if first else ())
    assert _tries(store) == frozenset()


def test_a_pack_that_the_policy_requires_is_shared_too() -> None:
    store = Store()
    store.put(VALIDATION, _validation("v", EARLY, spec={"packs": []}))
    assert _tries(store, budget=True) == frozenset()
    assert _tries(store, budget=True, requires=True) == {"uid-v"}
