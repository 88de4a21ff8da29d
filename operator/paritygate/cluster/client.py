"""The one door to the API server: dictionaries in, dictionaries out, a bounded number of tries.

Knows paths, content types and retries, and nothing of what objects mean.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from typing_extensions import override

from paritygate.engine import Conflict, RetryLater, TokenBucket

from .errors import AlreadyExists, ListExpired, NotFound, Refused
from .kinds import POD, Kind

Manifest = Mapping[str, Any]
Object = dict[str, Any]

PAGE = 250
"""Objects a page of a list: few enough that raw ones do not set the size of the process."""

_BUSY = frozenset({429, 500, 502, 503, 504})
_LONGEST_WAIT = 10.0
_MERGE = "application/merge-patch+json"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request, for metrics and tests. `code` 0: no answer came."""

    verb: str
    kind: Kind
    subresource: str
    code: int


class Client(Protocol):
    """What the operator asks of an API server.

    Every call may raise NotFound, Refused, Conflict (stale resourceVersion) and RetryLater (the server stays busy).
    """

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        """One object."""
        ...

    def list_pages(self, kind: Kind, namespace: str | None = None, selector: str = "") -> AsyncIterator[list[Object]]:
        """All objects, a page at a time, each with apiVersion and kind. Raises ListExpired between pages."""
        ...

    async def create(self, kind: Kind, manifest: Manifest) -> Object:
        """Create; AlreadyExists if the name is taken."""
        ...

    async def replace(self, kind: Kind, manifest: Manifest) -> Object:
        """Replace the object at its `metadata.resourceVersion`."""
        ...

    async def patch(self, kind: Kind, namespace: str | None, name: str, patch: Manifest) -> Object:
        """Merge-patch; a `metadata.resourceVersion` in it is a precondition."""
        ...

    async def patch_status(self, kind: Kind, namespace: str | None, name: str, patch: Manifest) -> Object:
        """Merge-patch the status subresource; a `metadata.resourceVersion` in it is a precondition."""
        ...

    async def delete(self, kind: Kind, namespace: str | None, name: str, uid: str) -> None:
        """Delete the object of this UID and, in the background, what it owns; Conflict if the name is another's."""
        ...

    async def pod_log(self, namespace: str, pod: str, container: str, limit: int) -> bytes:
        """The first `limit` bytes of a container's log."""
        ...


class KubernetesClient(Client):
    """The client on `kubernetes.aio`. `bucket` bounds the rate of writes; `observe` is told of every answer."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        bucket: TokenBucket | None = None,
        attempts: int = 4,
        timeout: float = 30.0,
        observe: Callable[[Request], None] = lambda request: None,
    ) -> None:
        self._api = ApiClient(configuration)
        self._bucket, self._attempts, self._timeout, self._observe = bucket, attempts, timeout, observe

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    @override
    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        return await self._json("get", kind, kind.path(namespace, name))

    @override
    async def list_pages(
        self, kind: Kind, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[list[Object]]:
        query = {"limit": str(PAGE), "labelSelector": selector or kind.selector}
        token = ""
        while True:
            page = await self._json("list", kind, kind.path(namespace), query={**query, "continue": token})
            # The members of a list come without their own kind.
            yield [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in page["items"]]
            token = page["metadata"].get("continue", "")
            if not token:
                return

    @override
    async def create(self, kind: Kind, manifest: Manifest) -> Object:
        path = kind.path(manifest["metadata"].get("namespace"))
        return await self._json("create", kind, path, body=manifest)

    @override
    async def replace(self, kind: Kind, manifest: Manifest) -> Object:
        metadata = manifest["metadata"]
        return await self._json("update", kind, kind.path(metadata.get("namespace"), metadata["name"]), body=manifest)

    @override
    async def patch(self, kind: Kind, namespace: str | None, name: str, patch: Manifest) -> Object:
        return await self._json("patch", kind, kind.path(namespace, name), body=patch)

    @override
    async def patch_status(self, kind: Kind, namespace: str | None, name: str, patch: Manifest) -> Object:
        path = kind.path(namespace, name, "status")
        return await self._json("patch", kind, path, body=patch, subresource="status")

    @override
    async def delete(self, kind: Kind, namespace: str | None, name: str, uid: str) -> None:
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._json("delete", kind, kind.path(namespace, name), body=options)

    @override
    async def pod_log(self, namespace: str, pod: str, container: str, limit: int) -> bytes:
        query = {"container": container, "limitBytes": str(limit)}
        return await self._call("get", POD, POD.path(namespace, pod, "log"), query=query, subresource="log")

    async def _json(
        self,
        verb: str,
        kind: Kind,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        subresource: str = "",
    ) -> Object:
        answer: Object = json.loads(await self._call(verb, kind, path, query=query, body=body, subresource=subresource))
        return answer

    async def _call(
        self,
        verb: str,
        kind: Kind,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        subresource: str = "",
    ) -> bytes:
        """Try until answered; a busy server is asked again after what it says, or 0.2 s·2ⁿ, jittered."""
        if body is not None and self._bucket:
            await self._bucket.take()
        for attempt in range(self._attempts):
            code, answer, retry_after = await self._try(verb, path, query or {}, body)
            self._observe(Request(verb, kind, subresource, code))
            if code and code not in _BUSY:
                return _checked(verb, kind, path, code, answer)
            wait = retry_after or min(0.2 * 2**attempt, _LONGEST_WAIT) * (0.8 + 0.4 * random.random())
            if attempt + 1 < self._attempts:
                await asyncio.sleep(min(wait, _LONGEST_WAIT))
        said = _message(answer) if code else "no answer"
        raise RetryLater(f"{verb} {path}: {code or 'no connection'}, {said}", min(max(wait, 1.0), 60.0))

    async def _try(
        self, verb: str, path: str, query: Mapping[str, str], body: Manifest | None
    ) -> tuple[int, bytes, float | None]:
        method, content_type = _METHODS[verb]
        wanted = {name: value for name, value in query.items() if value}
        method, url, headers, _, _ = await self._api.param_serialize(
            method,
            path + (f"?{urlencode(wanted)}" if wanted else ""),
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._api.call_api(
                method, url, headers, body if body is None else dict(body), _request_timeout=self._timeout
            )
            answer: bytes = await response.response.read()
            return response.status, answer, _seconds(response.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError, OSError):
            # The request may have been applied all the same: names and resource versions make its repetition safe.
            return 0, b"", None


_METHODS = {
    "get": ("GET", _JSON),
    "list": ("GET", _JSON),
    "create": ("POST", _JSON),
    "update": ("PUT", _JSON),
    "patch": ("PATCH", _MERGE),
    "delete": ("DELETE", _JSON),
}


def _checked(verb: str, kind: Kind, path: str, code: int, answer: bytes) -> bytes:
    match code:
        case _ if 200 <= code < 300:
            return answer
        case 404:
            raise NotFound(path)
        case 409 if verb == "create":
            raise AlreadyExists(path)
        case 409:
            raise Conflict(f"{verb} {path}: {_message(answer)}")
        case 410:
            raise ListExpired(path)
        case _:
            raise Refused(code, _message(answer))


def _message(answer: bytes) -> str:
    try:
        status = json.loads(answer)
    except ValueError:
        return answer[:500].decode(errors="replace")
    return str(status.get("message", status)) if isinstance(status, dict) else str(status)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdigit() else None
