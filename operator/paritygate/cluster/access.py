"""Where the API server is and who we are to it: a kubeconfig, or the pod's own service account."""

import os
from dataclasses import dataclass
from pathlib import Path

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import incluster_config, kube_config

_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True, slots=True)
class Access:
    """What anyone needs who talks to the API server by other means than our client: kopf."""

    server: str
    ca_path: str | None
    insecure: bool
    token: str | None
    certificate_path: str | None
    private_key_path: str | None


async def configuration(kubeconfig: str | None) -> Configuration:
    """Configuration from the kubeconfig named, else from $KUBECONFIG, else the pod's own, else ~/.kube/config."""
    result = Configuration()
    path = kubeconfig or os.environ.get("KUBECONFIG")
    if path is None and os.environ.get(_IN_CLUSTER):
        incluster_config.load_incluster_config(client_configuration=result)  # type: ignore[no-untyped-call]
    else:
        file = path or str(Path.home() / ".kube/config")
        await kube_config.load_kube_config(config_file=file, client_configuration=result)  # type: ignore[no-untyped-call]
    return result


async def access(kubeconfig: str | None) -> Access:
    """The same, read anew, as plain data."""
    found = await configuration(kubeconfig)
    header = await found.get_api_key_with_prefix("BearerToken")
    return Access(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        token=header.split(" ", 1)[-1] if header else None,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
    )
