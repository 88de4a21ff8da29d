"""What the store keeps, what it can be asked, and how a re-list mends it."""

from typing import Any

import pytest
from paritygate.cluster import JOB, POD, VALIDATION, Key, Store
from paritygate.cluster.kinds import PACK, POLICY, POOL, REPORT, TARGET, Kind
from paritygate.lifecycle.model import UID_LABEL

from tests.operator.world import validation


def made(kind: Kind, name: str, uid: str = "", version: str = "1", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "uid": uid or name, "resourceVersion": version, **rest.pop("metadata", {})}
    if kind.namespaced:
        metadata["namespace"] = "ns"
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **rest}


def a_validation(name: str, uid: str = "", version: str = "1", **spec: Any) -> dict[str, Any]:
    return made(VALIDATION, name, uid, version, spec=validation("ns", name, **spec)["spec"])


def filled() -> Store:
    store = Store()
    store.put(VALIDATION, a_validation("v1", policy="p", pool="gpu", packs=[{"name": "core"}]))
    store.put(VALIDATION, a_validation("v2", policy="q", pool="gpu", packs=[], target={"inferenceService": "fraud"}))
    store.put(VALIDATION, a_validation("v3", policy="q", pool="cpu", packs=[], target={"inferenceService": "fraud"}))
    store.put(POLICY, made(POLICY, "q", spec={"requiredPacks": [{"name": "core"}]}))
    return store


OWNED = {"metadata": {"ownerReferences": [{"uid": "v1", "name": "v1", "kind": "CompressionValidation"}]}}
LABELLED = {"metadata": {"labels": {UID_LABEL: "v1"}, "ownerReferences": [{"uid": "job-of-v1"}]}}
CONCERNED = [
    (POLICY, made(POLICY, "p", spec={}), {"v1"}),
    (POLICY, made(POLICY, "nobody's", spec={}), set()),
    (POOL, made(POOL, "gpu", spec={}), {"v1", "v2"}),
    (PACK, made(PACK, "core", spec={}), {"v1", "v2", "v3"}),  # by name, and required by policy q
    (TARGET, made(TARGET, "fraud"), {"v2", "v3"}),
    (JOB, made(JOB, "j", **OWNED, spec={}), {"v1"}),
    (POD, made(POD, "p", **LABELLED, spec={}), {"v1"}),
    (POD, made(POD, "p", spec={}), set()),
    (REPORT, made(REPORT, "r", spec={"validation": {"uid": "v3"}}), {"v3"}),
    (VALIDATION, a_validation("v2", target={"inferenceService": "fraud"}), {"v2", "v3"}),  # a rival may go on
]


@pytest.mark.parametrize(("kind", "manifest", "names"), CONCERNED, ids=lambda p: getattr(p, "plural", None))
def test_whom_a_change_concerns(kind: Kind, manifest: dict[str, Any], names: set[str]) -> None:
    assert filled().concerned(kind, manifest) == {Key("ns", name) for name in names}


def test_references_follow_the_spec() -> None:
    store = filled()
    store.put(VALIDATION, a_validation("v1", pool="cpu", packs=[]))
    assert store.concerned(POOL, made(POOL, "gpu", spec={})) == {Key("ns", "v2")}
    store.drop(VALIDATION, a_validation("v1"))
    assert store.concerned(POOL, made(POOL, "cpu", spec={})) == {Key("ns", "v3")}


def test_what_is_handed_out_cannot_change_what_is_kept() -> None:
    store = filled()
    handed = store.get(VALIDATION, "ns", "v1")
    assert handed is not None
    handed["spec"]["policy"] = "another"
    kept = store.get(VALIDATION, "ns", "v1")
    assert kept is not None
    assert kept["spec"]["policy"] == "p"


def test_only_what_a_decision_reads_is_kept() -> None:
    store = Store()
    noise = {"managedFields": [{"manager": "kubectl"}]}
    last = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"}}
    container = {"name": "runner", "image": "i", "env": [], "resources": {"limits": {"memory": "1Gi"}}}
    spec = {"nodeName": "n", "volumes": [], "containers": [container]}
    store.put(POD, made(POD, "p", metadata={**noise, **last}, spec=spec, status={"phase": "Running"}))
    store.put(JOB, made(JOB, "j", spec={"template": {"spec": spec}, "backoffLimit": 0}))
    pod, job = store.get(POD, "ns", "p"), store.get(JOB, "ns", "j")
    assert pod == made(
        POD,
        "p",
        metadata={"annotations": {"a": "b"}},
        spec={"initContainers": [], "containers": [{"name": "runner", "resources": {"limits": {"memory": "1Gi"}}}]},
        status={"phase": "Running"},
    )
    assert job == made(JOB, "j", spec={"backoffLimit": 0})


def test_a_relist_forgets_ghosts_and_says_what_no_watch_told() -> None:
    store = filled()
    store.begin_relist(VALIDATION)
    missed = store.relist(VALIDATION, [a_validation("v1"), a_validation("v2", version="2")])
    missed |= store.relist(VALIDATION, [a_validation("v4", version="3")])
    store.end_relist(VALIDATION)
    assert set(store.validations()) == {Key("ns", "v1"), Key("ns", "v2"), Key("ns", "v4")}
    assert missed == {("ns", "v2"): "2", ("ns", "v4"): "3"}


def test_what_changed_while_the_list_was_read_is_newer_than_the_list() -> None:
    store = filled()
    store.begin_relist(VALIDATION)
    store.put(VALIDATION, a_validation("v1", version="9"))
    store.put(VALIDATION, a_validation("v5", version="9"))
    store.drop(VALIDATION, a_validation("v2"))
    missed = store.relist(VALIDATION, [a_validation("v1"), a_validation("v2"), a_validation("v3")])
    store.end_relist(VALIDATION)
    assert set(store.validations()) == {Key("ns", "v1"), Key("ns", "v3"), Key("ns", "v5")}
    found = store.get(VALIDATION, "ns", "v1")
    assert found is not None
    assert found["metadata"]["resourceVersion"] == "9"
    assert missed == {}


def test_a_namesake_is_another_object() -> None:
    store = filled()
    store.put(VALIDATION, a_validation("v1", uid="newer"))
    assert store.concerned(JOB, made(JOB, "j", **OWNED, spec={})) == set()


def test_releases_in_flight() -> None:
    store = filled()
    for name, release in (("v1", {"outcome": "Promoted"}), ("v2", {"effectivePercent": 10}), ("v3", None)):
        status = {"release": release} if release else {}
        store.put(VALIDATION, {**a_validation(name), "status": status})
    assert [m["metadata"]["name"] for m in store.releasing()] == ["v2"]
