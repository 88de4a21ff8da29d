"""The control plane as plain processes: etcd, kube-apiserver, and where pods run controller-manager and scheduler."""

import http.client
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import debian, golang
from tests.cluster.errors import NotReady
from tests.cluster.network import API_SERVICE_IP, SERVICE_CIDR, Namespace, in_namespace
from tests.cluster.pki import Authority, Pair
from tests.cluster.process import Daemon, Daemons

_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Where the API server of one cluster listens and who may call it.

    ``port`` is the same inside the namespace and at its door on the host's loopback. ``advertise`` is the address that
    pods reach the API server at, None for a cluster without pods.
    """

    state: Path
    namespace: Namespace
    authority: Authority
    port: int
    advertise: str | None = None

    @property
    def server(self) -> str:
        """The API server's URL, good on the host and in the namespace."""
        return f"https://127.0.0.1:{self.port}"

    def admin(self) -> Pair:
        """The certificate of the cluster's administrator."""
        return self.authority.pair("admin", "/O=system:masters/CN=paritygate-admin")

    def admin_kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.authority.kubeconfig("admin", self.server, self.admin())

    def component_kubeconfig(self, component: str) -> Path:
        """The kubeconfig of ``system:<component>``."""
        pair = self.authority.pair(component, f"/CN=system:{component}")
        return self.authority.kubeconfig(component, self.server, pair)

    def etcd(self) -> Daemon:
        """The store. It does not wait for the disk: after a power cut the state is thrown away anyway."""
        programs = debian.unpacked(debian.ETCD)
        client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
        argv: list[str | Path] = [
            programs.bin / "etcd",
            "--data-dir",
            self.state / "etcd",
            "--unsafe-no-fsync",
            "--log-level",
            "warn",
        ]
        argv += ["--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
        return Daemon("etcd", in_namespace(self.namespace, argv))

    def api_server(self) -> Daemon:
        """The API server with its default admission plugins, RBAC and ServiceAccount tokens."""
        names = "IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
        names += f",IP:{API_SERVICE_IP}" + (f",IP:{self.advertise}" if self.advertise else "")
        serving = self.authority.pair("apiserver", "/CN=kube-apiserver", names)
        accounts = self.authority.service_account_keys()
        flags = {
            "etcd-servers": "http://127.0.0.1:2379",
            "secure-port": self.port,
            "client-ca-file": self.authority.certificate,
            "tls-cert-file": serving.certificate,
            "tls-private-key-file": serving.key,
            "cert-dir": self.authority.folder,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": accounts.certificate,
            "service-account-signing-key-file": accounts.key,
            "service-cluster-ip-range": SERVICE_CIDR,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
            **self._reachability(),
        }
        argv: list[str | Path] = [
            golang.built(golang.API_SERVER),
            *(f"--{name}={value}" for name, value in flags.items()),
        ]
        return Daemon("kube-apiserver", in_namespace(self.namespace, argv), inputs=(serving.certificate,))

    def _reachability(self) -> dict[str, str | Path]:
        if self.advertise is None:
            # Loopback is no valid endpoint of the Service `kubernetes`, and without pods nobody asks for it.
            return {"bind-address": "127.0.0.1", "advertise-address": "127.0.0.1", "endpoint-reconciler-type": "none"}
        kubelet = self.authority.pair("apiserver-kubelet-client", "/CN=kube-apiserver-kubelet-client")
        return {
            "bind-address": "0.0.0.0",
            "advertise-address": self.advertise,
            "kubelet-client-certificate": kubelet.certificate,
            "kubelet-client-key": kubelet.key,
            "kubelet-certificate-authority": self.authority.certificate,
            "kubelet-preferred-address-types": "InternalIP",
        }

    def controller_manager(self) -> Daemon:
        """The controllers: garbage collection, Jobs, Deployments, ServiceAccounts, namespaces."""
        accounts = self.authority.service_account_keys()
        flags = {
            "kubeconfig": self.component_kubeconfig("kube-controller-manager"),
            "bind-address": "127.0.0.1",
            "leader-elect": "false",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": accounts.key,
            "root-ca-file": self.authority.certificate,
            "cluster-signing-cert-file": self.authority.certificate,
            "cluster-signing-key-file": self.authority.key,
        }
        argv: list[str | Path] = [
            golang.built(golang.CONTROLLER_MANAGER),
            *(f"--{name}={value}" for name, value in flags.items()),
        ]
        return Daemon("kube-controller-manager", in_namespace(self.namespace, argv))

    def scheduler(self) -> Daemon:
        """The scheduler."""
        kubeconfig = self.component_kubeconfig("kube-scheduler")
        argv: list[str | Path] = [
            golang.built(golang.SCHEDULER),
            f"--kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ]
        return Daemon("kube-scheduler", in_namespace(self.namespace, argv))

    def wait_ready(self, daemons: Daemons) -> None:
        """Wait until the API server says that it is ready; a dead process ends the wait with its last words."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self.ready():
            for name in ("etcd", "kube-apiserver"):
                if daemons.pid(name) is None:
                    raise NotReady(f"{name} ended: {daemons.log_end(name)}", f"read {daemons.log(name)}")
            if time.monotonic() > deadline:
                raise NotReady(
                    f"the API server was not ready within {_READY_SECONDS:.0f} s: {daemons.log_end('kube-apiserver')}",
                    f"read {daemons.log('kube-apiserver')}",
                )
            time.sleep(0.05)

    def ready(self) -> bool:
        """Whether the API server answers, through the door on the host, that it is ready."""
        admin = self.admin()
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.load_cert_chain(admin.certificate, admin.key)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
