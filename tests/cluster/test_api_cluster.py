"""The API-only cluster: what it brings, and that nothing of it stays."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cluster import Cluster, Profile, ensure
from tests.cluster.errors import CommandFailed
from tests.cluster.lifecycle import down, status
from tests.cluster.network import Namespace
from tests.cluster.places import state_dir
from tests.cluster.process import Daemons

pytestmark = [pytest.mark.api, pytest.mark.timeout(900)]


def test_strangers_may_nothing(api_cluster: Cluster) -> None:
    with pytest.raises(CommandFailed, match="forbidden"):
        api_cluster.kubectl("get", "pods", "-n", "default", "--as=somebody")


def test_restricted_pod_security_is_enforced(api_cluster: Cluster) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    privileged = {**pod, "spec": {"containers": [{"name": "c", "image": "x"}], "automountServiceAccountToken": False}}
    name = "restricted-pods"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
    api_cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}])
    api_cluster.apply([account])
    with pytest.raises(CommandFailed, match="violates PodSecurity"):
        api_cluster.apply([privileged], "-n", name)


def test_service_accounts_get_tokens_that_work(api_cluster: Cluster) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": "default"}}
    api_cluster.apply([account])
    token = api_cluster.kubectl("create", "token", "robot", "-n", "default").strip()
    # Other credentials of the kubeconfig would win over a token: name the server alone.
    server = ["--kubeconfig=/dev/null", f"--server={api_cluster.server}", "--insecure-skip-tls-verify"]
    done = subprocess.run(
        [api_cluster.kubectl_program(), *server, f"--token={token}", "auth", "whoami", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"


@pytest.mark.skipif(os.geteuid() != 0, reason="the host way takes root")
def test_a_crash_heals_and_nothing_stays_after_down(request: pytest.FixtureRequest) -> None:
    name = f"passing-{os.getpid()}"
    request.addfinalizer(lambda: down(Profile.API, name))
    made = ensure(Profile.API, provider="host", name=name)
    made.kubectl("create", "configmap", "kept", "-n", "default")
    daemons = Daemons(state_dir(made.name))
    for part in daemons.names():
        pid = daemons.pid(part)
        assert pid
        os.kill(pid, signal.SIGKILL)
        while daemons.pid(part) == pid:  # on a busy machine a killed process is seen a little longer
            time.sleep(0.01)
    assert ensure(Profile.API, provider="host", name=name) == made
    made.kubectl("get", "configmap", "kept", "-n", "default")

    folder = state_dir(made.name)
    namespace = Namespace(folder)
    pids = [line.rsplit(" ", 1)[1] for line in status(Profile.API, name) if "pid" in line]
    assert len(pids) == 3
    assert namespace.exists()

    down(Profile.API, name)
    assert status(Profile.API, name) == []
    assert not folder.exists()
    assert not namespace.path.exists()
    assert not [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]
