"""What the real API server says to the evaluator's Job and to the statuses that a plan writes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from paritygate.api import crd

from tests.cluster import Cluster

from ..serving.kserve_model import crashed
from . import builders
from .world import World

pytestmark = pytest.mark.api

NAMESPACE = "paritygate-lifecycle-tests"


@pytest.fixture(scope="module")
def api(api_cluster: Cluster) -> Iterator[Cluster]:
    """An API server with our kinds and a namespace under restricted Pod Security."""
    folder = crd.ROOT / crd.CRDS
    api_cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", folder)
    api_cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", folder)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    # No controller makes the default account here, and admission asks for it.
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    api_cluster.apply([namespace])
    api_cluster.apply([account])
    yield api_cluster
    api_cluster.kubectl("delete", "compressionvalidations", "--all", "-n", NAMESPACE)


def _job() -> dict[str, Any]:
    world = World()
    world.rest()
    job = json.loads(json.dumps(world.jobs[world.job()]))
    job["metadata"] = {k: job["metadata"][k] for k in ("name", "labels")} | {"namespace": NAMESPACE}
    return job


def test_the_job_is_valid_to_the_last_field(api: Cluster) -> None:
    said = api.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(_job()))
    assert "created (server dry run)" in said


def test_restricted_pod_security_takes_the_pod(api: Cluster) -> None:
    template = _job()["spec"]["template"]
    # A priority class or a runtime class would have to exist; this pool names none.
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "evaluator", "namespace": NAMESPACE},
        "spec": template["spec"],
    }
    said = api.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(pod))
    assert "created (server dry run)" in said
    pod["spec"] = {**template["spec"], "hostNetwork": True}
    with pytest.raises(Exception, match="violates PodSecurity"):
        api.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def _worlds() -> dict[str, World]:
    evaluating, failed, moving, turning = World(), World(), World(), World()
    evaluating.rest()
    failed.evaluated("fails")
    moving.evaluated()
    moving.until_share(10)
    turning.evaluated()
    turning.until_share(10)
    turning.serving_pods = [crashed(turning.status.release.candidate_revision)]
    turning.step()
    return {"evaluating": evaluating, "failed": failed, "moving": moving, "turning": turning}


def test_every_field_of_a_status_is_kept_as_it_was_written(api: Cluster) -> None:
    for name, world in _worlds().items():
        wanted = json.loads(json.dumps(world.status.dump()))
        manifest = {**builders.validation().dump(), "metadata": {"name": name, "namespace": NAMESPACE}}
        manifest.pop("status")
        api.apply([manifest])
        where = ("compressionvalidation", name, "-n", NAMESPACE)
        api.kubectl("patch", *where, "--subresource=status", "--type=merge", "-p", json.dumps({"status": wanted}))
        found = json.loads(api.kubectl("get", *where, "-o", "json"))["status"]
        assert found == wanted


def test_a_report_is_kept_as_it_was_written(api: Cluster) -> None:
    world = World()
    world.evaluated("fails")
    (report,) = world.reports.values()
    wanted = json.loads(json.dumps(report.dump()))
    wanted["metadata"]["namespace"] = NAMESPACE
    api.kubectl("delete", "validationreport", wanted["metadata"]["name"], "-n", NAMESPACE, "--ignore-not-found")
    found = json.loads(api.kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(wanted)))
    assert found["spec"] == wanted["spec"]
