"""The resources on a real API server."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from kubernetes import config
from paritygate.api import GROUP, VERSION, crd

from tests.api.manifests import PLURALS, Object, changed
from tests.cluster import Cluster

NAMESPACE = "paritygate-api-tests"
NAMESPACED = {kind.name for kind in crd.KINDS if kind.scope == "Namespaced"}


class Refused(Exception):
    """The API server's answer to an object that it does not take."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def renamed(manifest: Object) -> Object:
    """Under a name that nobody else has: the server is shared."""
    return changed(manifest, {"metadata": {"name": f"t-{uuid.uuid4().hex[:12]}"}})


class Server:
    """The API server as a client of our kinds sees it, strict about unknown fields as kubectl is."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = config.new_client_from_config(config_file=str(kubeconfig))

    def create(self, manifest: Object, *, keep: bool = False, strict: bool = True) -> Object:
        """The object as it would be stored (or is, with `keep`)."""
        query = {"fieldValidation": "Strict" if strict else "Ignore"} | ({} if keep else {"dryRun": "All"})
        return self.call("POST", self._path(manifest), manifest if keep else renamed(manifest), query)

    def read(self, manifest: Object) -> Object:
        return self.call("GET", self._path(manifest, named=True))

    def replace(self, manifest: Object, *, sub: str = "", keep: bool = False) -> Object:
        return self.call("PUT", self._path(manifest, named=True) + sub, manifest, {} if keep else {"dryRun": "All"})

    def apply(self, manifest: Object, manager: str, *, sub: str = "", force: bool = False) -> Object:
        """Server-side apply as a field manager."""
        query = {"fieldManager": manager, "force": str(force).lower()}
        return self.call(
            "PATCH", self._path(manifest, named=True) + sub, manifest, query, "application/apply-patch+yaml"
        )

    def delete(self, manifest: Object) -> None:
        self.call("DELETE", self._path(manifest, named=True))

    def call(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: dict[str, str] | None = None,
        content: str = "application/json",
    ) -> Object:
        """Any request; Refused with what the server says."""
        headers = {"Accept": "application/json", "Content-Type": content}
        token = self._api.configuration.get_api_key_with_prefix("authorization")
        url = f"{self._api.configuration.host}{path}?{urlencode(query or {})}"
        response = self._api.call_api(method, url, headers | ({"Authorization": token} if token else {}), body)
        found: Object = json.loads(response.read())
        if response.status >= 400:
            raise Refused(response.status, found["message"])
        return found

    @staticmethod
    def _path(manifest: Object, named: bool = False) -> str:
        namespace = f"namespaces/{NAMESPACE}/" if manifest["kind"] in NAMESPACED else ""
        name = f"/{manifest['metadata']['name']}" if named else ""
        return f"/apis/{GROUP}/{VERSION}/{namespace}{PLURALS[manifest['kind']]}{name}"


@pytest.fixture(scope="session")
def crds(api_cluster: Cluster) -> Cluster:
    """The API server, serving our kinds."""
    folder = crd.ROOT / crd.CRDS
    api_cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", folder)
    api_cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", folder)
    api_cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
    return api_cluster


@pytest.fixture(scope="session")
def server(crds: Cluster) -> Server:
    return Server(crds.kubeconfig)


@pytest.fixture
def stored(server: Server) -> Iterator[Callable[..., Object]]:
    """Stores a manifest under a name of its own, and takes it away in the end."""
    names: list[Object] = []

    def store(manifest: Object, spec: dict[str, Any] | None = None, **more: Any) -> Object:
        found = server.create(renamed(changed(manifest, {"spec": spec or {}, **more})), keep=True)
        names.append(found)
        return found

    yield store
    for one in names:
        server.delete(one)
