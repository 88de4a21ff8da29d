"""How add-ons' own manifests are changed for this cluster, and who gets a cluster by which way."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import coredns, kserve, lifecycle
from tests.cluster.cluster import Provider, models_volume
from tests.cluster.errors import ClusterError, ProviderUnavailable
from tests.cluster.given import handle
from tests.cluster.lifecycle import choose
from tests.cluster.manifests import Object, definitions, from_files, light, webhooks, workload
from tests.cluster.places import Profile


def _object(kind: str, name: str = "x", **rest: Any) -> Object:
    return {"kind": kind, "metadata": {"name": name}, **rest}


def test_every_object_has_one_turn() -> None:
    documents = [
        _object("Deployment"),
        _object("Namespace"),
        _object("ValidatingWebhookConfiguration"),
        _object("CustomResourceDefinition"),
    ]
    turns = [definitions(documents), workload(documents), webhooks(documents)]
    assert [[d["kind"] for d in turn] for turn in turns] == [
        ["Namespace", "CustomResourceDefinition"],
        ["Deployment"],
        ["ValidatingWebhookConfiguration"],
    ]


def test_the_first_of_two_files_counts(tmp_path: Path) -> None:
    for name, image in (("1.yaml", "a"), ("2.yaml", "b")):
        (tmp_path / name).write_text(f"kind: Image\nmetadata: {{name: x}}\nspec: {{image: {image}}}\n---\n# empty\n")
    assert from_files(sorted(tmp_path.iterdir())) == [_object("Image", spec={"image": "a"})]


def test_light_deployments_ask_for_nothing_and_pull_nothing() -> None:
    container = {"resources": {"requests": {"cpu": "1"}}, "securityContext": {"runAsUser": 65534}}
    template = {"spec": {"containers": [container, {}], "affinity": {"podAntiAffinity": {}}}}
    deployment = _object("Deployment", spec={"strategy": {}, "template": template})
    light(deployment)
    spec = deployment["spec"]["template"]["spec"]
    assert [c["resources"] for c in spec["containers"]] == [{}, {}]
    assert [c["imagePullPolicy"] for c in spec["containers"]] == ["Never", "Never"]
    assert [c["securityContext"]["runAsUser"] for c in spec["containers"]] == [65534, 65532]
    assert spec["nodeSelector"] == {"paritygate.io/pool": "cpu"}
    assert "affinity" not in spec
    assert "strategy" not in deployment["spec"]


def test_kserve_settings_keep_what_is_not_ours() -> None:
    data = {
        "deploy": '{"defaultDeploymentMode": "Serverless"}',
        "ingress": '{"ingressDomain": "example.com"}',
        "inferenceService": '{"resource": {"cpuLimit": "1", "cpuRequest": "1"}}',
        "logger": "{}",
    }
    kserve.configure(data)
    assert json.loads(data["deploy"]) == {"defaultDeploymentMode": "Knative"}
    assert json.loads(data["ingress"])["ingressDomain"] == "example.com"
    service = json.loads(data["inferenceService"])
    assert (service["resource"]["cpuLimit"], service["resource"]["cpuRequest"]) == ("1", "50m")
    assert "argocd.argoproj.io/tracking-id" in service["serviceAnnotationDisallowedList"]


def test_dns_has_its_fixed_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coredns, "image_name", lambda binary: f"localhost/{binary.name}:1")
    services = [d for d in coredns.render() if d["kind"] == "Service"]
    assert [s["spec"]["clusterIP"] for s in services] == ["10.96.0.10"]


def test_a_volume_belongs_to_one_claim() -> None:
    volume, claim = models_volume("team", "models", Path("/models"))
    assert volume["spec"]["claimRef"]["namespace"] == claim["metadata"]["namespace"] == "team"
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]


OPEN, CLOSED = "", "closed"


@pytest.mark.parametrize(
    ("kubeconfig", "kind", "host", "chosen"),
    [
        (OPEN, OPEN, OPEN, Provider.KUBECONFIG),
        (CLOSED, OPEN, OPEN, Provider.KIND),
        (CLOSED, CLOSED, OPEN, Provider.HOST),
    ],
)
def test_order_of_ways(
    monkeypatch: pytest.MonkeyPatch, kubeconfig: str, kind: str, host: str, chosen: Provider
) -> None:
    ways = dict(zip(Provider, (kubeconfig, kind, host), strict=True))
    monkeypatch.setattr(lifecycle, "_closed", lambda: ways)
    assert choose() is chosen


def test_no_way_says_what_is_missing_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_closed", lambda: {way: f"no {way} here" for way in Provider})
    with pytest.raises(ProviderUnavailable, match=r"no kubeconfig here.*no kind here.*no host here"):
        choose()
    with pytest.raises(ProviderUnavailable, match="provider kind was asked for, but no kind here"):
        choose("kind")


def test_a_wrong_entrance_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.setenv("PARITYGATE_ENTRANCE", "gateway")
    with pytest.raises(ClusterError, match="HOST:PORT"):
        handle(Profile.API)
