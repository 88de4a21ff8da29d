"""What the chart installs, and which values it refuses."""

from collections.abc import Callable

import pytest
from paritygate.shell.settings import PREFIX, OperatorSettings, parse

from tests.chart.conftest import CHART, Objects, Render
from tests.cluster.errors import CommandFailed

pytestmark = pytest.mark.api

NAME = "pg-paritygate"


def container(objects: Objects) -> dict[str, object]:
    (found,) = pod(objects)["containers"]
    return dict(found)


def pod(objects: Objects) -> dict[str, list[dict[str, object]]]:
    return dict(objects["Deployment", NAME]["spec"]["template"]["spec"])


def test_helm_finds_no_fault(helm: Callable[..., str]) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART)


def test_two_replicas_that_a_drain_does_not_take_both(render: Render) -> None:
    objects = render()
    assert objects["Deployment", NAME]["spec"]["replicas"] == 2
    assert objects["PodDisruptionBudget", NAME]["spec"]["minAvailable"] == 1
    assert ("PodDisruptionBudget", NAME) not in render("replicaCount=1")


def test_the_pod_is_what_restricted_pod_security_admits(render: Render) -> None:
    spec, operator = pod(render()), container(render())
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert operator["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "volumes" not in spec


def test_the_environment_is_understood_by_the_operator(render: Render) -> None:
    objects = render(
        "watchNamespaces={a,b}", "operator.resync=5m", "evaluator.image=e@sha256:1", "evaluator.images.torch=t"
    )
    env = {e["name"]: e.get("value", "system") for e in container(objects)["env"]}  # type: ignore[attr-defined]
    assert {name.removeprefix(PREFIX).lower() for name in env} <= set(OperatorSettings.model_fields)
    settings = parse([], env)
    assert settings.watch_namespaces == ("a", "b")
    assert (settings.evaluator_image, settings.torch_evaluator_image) == ("e@sha256:1", "t")
    assert settings.resync.total_seconds() == 300
    assert settings.lease == NAME


def test_service_links_cannot_overwrite_the_environment(render: Render) -> None:
    assert pod(render())["enableServiceLinks"] is False  # type: ignore[comparison-overlap]


def test_there_is_time_enough_to_stop(render: Render) -> None:
    grace = parse(["--evaluator-image=e"], {}).grace.total_seconds()
    assert pod(render())["terminationGracePeriodSeconds"] > grace + 10  # type: ignore[operator]


def test_images_by_digest_tag_or_version_of_the_chart(render: Render) -> None:
    digest = "sha256:" + "a" * 64
    assert container(render("image.repository=r", f"image.digest={digest}"))["image"] == f"r@{digest}"
    assert container(render("image.repository=r", "image.tag=t"))["image"] == "r:t"
    assert container(render("image.repository=r"))["image"] == "r:0.1.0"


def test_crds_are_installed_kept_and_can_be_left_out(render: Render) -> None:
    crds = [o for (kind, _), o in render().items() if kind == "CustomResourceDefinition"]
    assert len(crds) == 5
    assert {o["metadata"]["annotations"]["helm.sh/resource-policy"] for o in crds} == {"keep"}
    assert not [kind for kind, _ in render("crds.install=false") if kind == "CustomResourceDefinition"]


def test_extras_are_off_until_asked_for(render: Render) -> None:
    extras = {"NetworkPolicy", "ServiceMonitor"}
    assert not extras & {kind for kind, _ in render()}
    asked = render("networkPolicy.enabled=true", "serviceMonitor.enabled=true")
    assert extras <= {kind for kind, _ in asked}


def test_named_namespaces_get_their_rights_one_by_one(render: Render) -> None:
    everywhere, named = render(), render("watchNamespaces={a,b}")
    assert ("ClusterRoleBinding", NAME) in everywhere
    assert ("ClusterRoleBinding", NAME) not in named
    assert named["RoleBinding", NAME]["metadata"]["namespace"] in ("a", "b")


REFUSED = [
    "replicaCount=0",
    "operator.resync=10",
    "image.digest=latest",
    "evaluator.pullPolicy=Sometimes",
    "evaluator.images.jax=j",
    "watchNamespaces={A}",
    "operator.wrokers=4",
    "secrets=true",
]


@pytest.mark.parametrize("value", REFUSED)
def test_wrong_values_are_refused_by_name(render: Render, value: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        render(value)
    assert value.split("=")[0].split(".")[-1] in str(refused.value)


def test_service_account_must_be_named_where_none_is_made(render: Render) -> None:
    with pytest.raises(CommandFailed, match=r"serviceAccount\.name is needed"):
        render("serviceAccount.create=false")
    objects = render("serviceAccount.create=false", "serviceAccount.name=mine")
    assert not [kind for kind, _ in objects if kind == "ServiceAccount"]
