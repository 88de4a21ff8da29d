"""An HTTP proxy between an operator and a real API server: it records every request and, on demand, misbehaves.

It fakes only what a real server cannot do on demand: refuse the k-th write, go deaf on a watch, hide a group, and give
out the log of a pod that never ran.
"""

import asyncio
import contextlib
import json
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from paritygate.cluster import configuration

WRITES = frozenset({"create", "update", "patch", "delete"})
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "host", "keep-alive"})


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, in the words of RBAC."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    code: int = 0

    @property
    def rule(self) -> tuple[str, str, str]:
        """(group, resource[/subresource], verb) as a ClusterRole has it."""
        return self.group, self.resource + (f"/{self.subresource}" if self.subresource else ""), self.verb


@dataclass(slots=True)
class ApiProxy:
    """`start`, give `kubeconfig` to an operator, look at `seen`, `stop`."""

    upstream_kubeconfig: Path
    folder: Path
    token: str | None = None
    """The bearer token to come as; None: whoever the upstream kubeconfig is."""
    seen: list[Seen] = field(default_factory=list)
    logs: dict[str, bytes] = field(default_factory=dict)
    """Logs by pod name."""
    hidden: set[str] = field(default_factory=set)
    """API groups that this cluster seems not to have."""
    deaf: bool = False
    """Watches go on, but nothing comes through any more."""
    before: Callable[[Seen], int] = lambda seen: 0
    """Asked before a request is passed on: a status code to answer instead, or 0."""
    slow: dict[tuple[str, str, str], float] = field(default_factory=dict)
    """Seconds that requests of a rule are held back."""
    after: Callable[[Seen], int] = lambda seen: 0
    """Asked after the server applied it: a status code to answer instead, or 0."""
    _runner: web.AppRunner | None = None
    _session: aiohttp.ClientSession | None = None
    _server: str = ""
    port: int = 0

    async def start(self) -> None:
        upstream = await configuration(str(self.upstream_kubeconfig))
        self._server = upstream.host
        context = ssl.create_default_context(cafile=upstream.ssl_ca_cert)
        headers = {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif upstream.cert_file:
            context.load_cert_chain(upstream.cert_file, upstream.key_file)
        connector = aiohttp.TCPConnector(ssl=context, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=True)
        application = web.Application(client_max_size=1 << 26)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._session is not None
        assert self._runner is not None
        await self._session.close()
        await self._runner.cleanup()

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig that leads here."""
        path = self.folder / f"proxy-{self.port}.kubeconfig"
        cluster = {"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}
        user = {"name": "proxy", "user": {"token": "unused"}}
        context = {"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "proxy"}
        path.write_text(yaml.safe_dump({**config, "clusters": [cluster], "users": [user], "contexts": [context]}))
        return path

    @property
    def writes(self) -> list[Seen]:
        """Requests that change something, without the Lease's."""
        return [s for s in self.seen if s.verb in WRITES and s.resource != "leases"]

    def counted(self) -> Counter[tuple[str, str, str]]:
        """How often each rule of a role was needed."""
        return Counter(s.rule for s in self.seen if s.resource)

    @contextmanager
    def recording(self) -> Iterator[list[Seen]]:
        """What is written from here to the end of the block."""
        start = len(self.writes)
        found: list[Seen] = []
        yield found
        found += self.writes[start:]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = parsed(request.method, request.path, "watch" in request.query and request.query["watch"] != "false")
        if asked.group in self.hidden:
            return self._answer(asked, 404)
        await asyncio.sleep(self.slow.get(asked.rule, 0))
        if code := self.before(asked):
            return self._answer(asked, code)
        if asked.subresource == "log" and asked.name in self.logs:
            self._note(asked, 200)
            return web.Response(body=self.logs[asked.name][: int(request.query.get("limitBytes", 1 << 30))])
        assert self._session is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {*_HOP_BY_HOP, "authorization"}}
        body = await request.read() or None
        url = self._server + request.path_qs
        async with self._session.request(request.method, url, data=body, headers=headers) as upstream:
            if asked.verb == "watch":
                return await self._stream(request, asked, upstream)
            answer = await upstream.read()
            if request.path == "/apis" and self.hidden:
                answer = self._without_hidden(answer)
            if code := self.after(asked):
                return self._answer(asked, code)
            self._note(asked, upstream.status)
            kept = {k: v for k, v in upstream.headers.items() if k.lower() not in _HOP_BY_HOP}
            return web.Response(body=answer, status=upstream.status, headers=kept)

    async def _stream(self, request: web.Request, asked: Seen, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        self._note(asked, upstream.status)
        response = web.StreamResponse(status=upstream.status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(aiohttp.ClientError):  # the operator hung up
            async for line in upstream.content:
                if not self.deaf:
                    await response.write(line)
        return response

    def _note(self, asked: Seen, code: int) -> None:
        self.seen.append(Seen(*(getattr(asked, name) for name in Seen.__slots__[:-1]), code))

    def _answer(self, asked: Seen, code: int) -> web.Response:
        self._note(asked, code)
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "by the proxy"}
        return web.json_response(status, status=code)

    def _without_hidden(self, answer: bytes) -> bytes:
        found: dict[str, Any] = json.loads(answer)
        found["groups"] = [group for group in found["groups"] if group["name"] not in self.hidden]
        return json.dumps(found).encode()


def parsed(method: str, path: str, watch: bool) -> Seen:
    """A request as RBAC sees it; no resource for discovery."""
    parts = [part for part in path.split("/") if part]
    group, rest = ("", parts[2:]) if parts[:1] == ["api"] else (parts[1] if len(parts) > 1 else "", parts[3:])
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest, "", "", "")[:3]
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method)
    if verb is None:
        verb = "watch" if watch else "get" if name else "list"
    return Seen(verb, group, resource, subresource, namespace, name)
