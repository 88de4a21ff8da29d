"""The rights in the chart are those that the operator uses: all of them, and not one more."""

import asyncio
import copy
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from paritygate.api import ValidationReport, ValidationStatus
from paritygate.cluster import VALIDATION
from paritygate.cluster.kinds import TARGET, Kind
from paritygate.lifecycle.model import (
    CreateJob,
    CreateReport,
    DeleteJob,
    Observed,
    PatchTarget,
    Plan,
    ReadLog,
    RecordEvent,
    SetFinalizer,
)
from paritygate.shell.app import Operator

from tests.chart.conftest import Objects, Render
from tests.operator.world import World, digest, until

pytestmark = pytest.mark.api

NAME = "pg-paritygate"
FORBIDDEN = ("secrets", "pods/exec", "pods/attach", "serviceaccounts/token", "customresourcedefinitions", "namespaces")
Rules = set[tuple[str, str, str]]


def granted(objects: Objects) -> Rules:
    rules = [rule for (kind, _), o in objects.items() if kind in ("ClusterRole", "Role") for rule in o["rules"]]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_nothing_dangerous_is_granted(render: Render) -> None:
    rules = granted(render())
    assert not [rule for rule in rules if rule[1] in FORBIDDEN or "*" in rule]
    assert not [rule for rule in rules if rule[2] in ("escalate", "bind", "impersonate", "deletecollection")]


def test_what_is_granted_is_what_is_used(render: Render, story: Callable[..., None]) -> None:
    """The operator comes as its own ServiceAccount, does everything that a plan can ask for, and is refused nothing."""
    objects = render()

    async def test(world: World) -> None:
        world.proxy.token = await installed(world, objects)
        await world.proxy.stop()
        await world.proxy.start()
        await world.make(TARGET, "fraud", {"spec": {"predictor": {}}})
        await world.validate(target={"inferenceService": "fraud"})
        everything, stop = Everything(), asyncio.Event()
        operator = Operator(world.settings(), everything)
        running = asyncio.create_task(operator.run(stop))
        # Told twice: what is there already is looked at, an event becomes a series.
        await until(lambda: everything.told(world, 2), "all actions were taken twice")
        stop.set()
        await running
        refused = [seen for seen in world.proxy.seen if seen.code in (401, 403)]
        assert not refused
        assert granted(objects) == set(world.proxy.counted())

    story(test)


class Everything:
    """A planner that asks for every action there is, every time, of a release in flight."""

    def __init__(self) -> None:
        self.times = 0

    async def told(self, world: World, times: int) -> bool:
        events = Counter(seen.rule for seen in world.proxy.seen)["events.k8s.io", "events", "patch"]
        return self.times > times and events > 0

    def __call__(self, observed: Observed) -> Plan:
        self.times += 1
        uid, namespace = observed.validation.metadata.uid, observed.validation.metadata.namespace
        owner = {"apiVersion": VALIDATION.api_version, "kind": VALIDATION.name, "name": "fraud", "uid": uid}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": "evaluator",
                "namespace": namespace,
                "labels": {"app.kubernetes.io/managed-by": "paritygate"},
                "ownerReferences": [{**owner, "controller": True}],
            },
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
        }
        actions: list[Any] = [
            SetFinalizer(self.times % 2 == 1),
            CreateJob(job),
            CreateJob(job),
            ReadLog("evaluator", "no-pod", "uid"),
            CreateReport(a_report(namespace or "", str(uid))),
        ]
        actions += [DeleteJob("evaluator", j["metadata"]["uid"]) for j in observed.jobs]
        if observed.target is not None:
            version = observed.target["metadata"]["resourceVersion"]
            actions.append(PatchTarget("fraud", {"spec": {"predictor": {"canaryTrafficPercent": self.times}}}, version))
        release = {"inputDigest": digest("a"), "target": "fraud"}
        status = ValidationStatus.model_validate({"observedGeneration": 1, "release": release})
        return Plan(tuple(actions), status, (RecordEvent("Told", "the same again"),), timedelta(milliseconds=50))


def a_report(namespace: str, uid: str) -> ValidationReport:
    pack = {
        "name": "core",
        "version": "1",
        "task": "Classification",
        "inputs": {"uri": "s3://i", "digest": digest("1")},
        "labels": {"uri": "s3://l", "digest": digest("2")},
    }
    claim = {"name": "a", "metric": "Accuracy", "margin": "0.01", "enforcement": "Hard", "underpowered": "Refuse"}
    plan = {
        "baseline": {"uri": "s3://a", "digest": digest("a")},
        "candidate": {"uri": "s3://b", "digest": digest("b")},
        "technique": "Int8Static",
        "purpose": "Memory",
        "packs": [pack],
        "alpha": "0.05",
        "flipRate": "0.03",
        "claims": [claim],
    }
    spec = {
        "validation": {"name": "fraud", "uid": uid, "generation": 1},
        "inputDigest": digest("a"),
        "outcome": "Error",
        "reason": "RunnerLost",
        "message": "none",
        "decidedAt": "2026-01-01T00:00:00Z",
        "plan": plan,
    }
    return ValidationReport.model_validate({"metadata": {"name": "fraud-report", "namespace": namespace}, "spec": spec})


async def installed(world: World, objects: Objects) -> str:
    """Create roles, bindings and ServiceAccount in this corner; the token of the operator's account."""
    rbac = "rbac.authorization.k8s.io"
    plural = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "Role": "roles"}
    plural |= {"RoleBinding": "rolebindings", "ServiceAccount": "serviceaccounts"}
    for (kind, name), manifest in copy.deepcopy(objects).items():
        if kind not in plural:
            continue
        cluster = kind.startswith("Cluster")
        del manifest["metadata"]
        for subject in manifest.get("subjects", []):
            subject["namespace"] = world.name
        if manifest.get("roleRef", {}).get("kind") == "ClusterRole":
            manifest["roleRef"]["name"] += f"-{world.name}"
        group, version = (rbac, "v1") if kind != "ServiceAccount" else ("", "v1")
        await world.make(
            Kind(group, version, plural[kind], kind, not cluster), f"{name}-{world.name}" if cluster else name, manifest
        )
    request = Kind("", "v1", f"serviceaccounts/{NAME}/token", "TokenRequest")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
    answer = await world.client.create(request, {**body, "metadata": {"namespace": world.name}})
    return str(answer["status"]["token"])
