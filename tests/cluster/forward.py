"""Doors from the host's loopback into the cluster's network namespace, so that one kubeconfig works on both sides.

Run as ``python -m tests.cluster.forward NETNS LISTEN=TARGET ...``: listens on 127.0.0.1:LISTEN of the host, then enters
the namespace and connects each caller to TARGET there. A listening socket stays in the namespace it was made in, so one
small process has a foot on either side. LISTEN with a leading ``+`` listens inside the namespace as well.
"""

import asyncio
import ctypes
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

_CLONE_NEWNET = 0x40000000


class _Pipe(asyncio.Protocol):
    """One direction's reader: hands what it gets to its peer, and slows down when the peer is slow."""

    def __init__(self) -> None:
        self.peer: asyncio.Transport | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.peer:
            self.peer.write(data)

    def eof_received(self) -> bool:
        if self.peer and self.peer.can_write_eof() and not self.peer.is_closing():
            self.peer.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.peer:
            self.peer.close()

    def pause_writing(self) -> None:
        if self.peer:
            self.peer.pause_reading()

    def resume_writing(self) -> None:
        if self.peer and not self.peer.is_closing():
            self.peer.resume_reading()


class _Door(_Pipe):
    """A caller's side: reads nothing until the target is connected."""

    def __init__(self, target: tuple[str, int], opening: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self._target = target
        self._opening = opening

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        task = asyncio.get_running_loop().create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self) -> None:
        assert self.transport is not None
        try:
            transport, pipe = await asyncio.get_running_loop().create_connection(_Pipe, *self._target)
        except OSError:
            self.transport.abort()
            return
        self.peer, pipe.peer = transport, self.transport
        if self.transport.is_closing():
            transport.close()
        else:
            self.transport.resume_reading()


def _listener(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(512)
    return made


def _enter(namespace: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(namespace, os.O_RDONLY)
    if libc.setns(handle, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"can not enter {namespace}")
    os.close(handle)


async def _serve(doors: Sequence[tuple[socket.socket, tuple[str, int]]]) -> None:
    loop = asyncio.get_running_loop()
    opening: set[asyncio.Task[None]] = set()
    servers = [await loop.create_server(lambda t=target: _Door(t, opening), sock=sock) for sock, target in doors]  # type: ignore[misc]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main(argv: Sequence[str]) -> None:
    """Listen, enter the namespace, serve until ended."""
    namespace, *rules = argv
    wanted: list[tuple[int, bool, tuple[str, int]]] = []
    for rule in rules:
        listen, _, target = rule.partition("=")
        host, _, port = target.rpartition(":")
        wanted.append((int(listen.lstrip("+")), listen.startswith("+"), (host, int(port))))
    doors = [(_listener(port), target) for port, _, target in wanted]
    _enter(namespace)
    doors += [(_listener(port), target) for port, inside, target in wanted if inside]
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(doors))


if __name__ == "__main__":
    main(sys.argv[1:])
