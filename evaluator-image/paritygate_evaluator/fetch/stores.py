"""The one door to remote stores: kserve-storage, the same code that KServe itself downloads models with."""

import contextlib
import ipaddress
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from paritygate.api import Reason

from ..ending import EvaluatorError

SCHEMES = ("s3", "gs", "hf", "https")

_ABSENT = ("not found", "no model found", "does not exist", "nosuch")
_DOWNLOADER_LEFTOVERS = (Path(".cache/huggingface"), Path(".cache"))
"""Bookkeeping that a client leaves beside the files: no part of the artefact, and different every time."""


def download(name: str, uri: str, dest: Path, *, insecure: bool, most_bytes: int) -> None:
    """Download a file or folder into `dest`. `insecure` allows http:// and hosts on this machine: on a laptop only.

    Raises EvaluatorError: ArtefactNotFound or ArtefactUnreadable, with what the store said.
    """
    _check_uri(name, uri, insecure)
    try:
        from kserve_storage import Storage
    except ImportError as error:
        raise EvaluatorError(
            Reason.ARTEFACT_UNREADABLE,
            f"{name}: {uri} needs the clients of remote stores: pip install 'paritygate[stores]'",
        ) from error
    with _file_size_limit(most_bytes):
        try:
            Storage.download(uri, str(dest))
        # The library raises bare Exception, and every cloud's client adds errors of its own: all end here, as one.
        except Exception as error:
            raise _told(name, uri, str(error) or type(error).__name__, most_bytes) from error
    for leftover in _DOWNLOADER_LEFTOVERS:
        _discard(dest / leftover)
    if (size := sum(p.lstat().st_size for p in dest.rglob("*"))) > most_bytes:
        raise _too_large(name, uri, most_bytes, f" ({size:,} bytes)")


def _told(name: str, uri: str, said: str, most_bytes: int) -> EvaluatorError:
    """What a failed download means. The store's words are searched without the URI's: a key may be called anything."""
    if "file too large" in said.lower():
        return _too_large(name, uri, most_bytes)
    own = said
    for part in filter(None, (uri, urlsplit(uri).path.strip("/"))):
        own = own.replace(part, "")
    if any(word in own.lower() for word in _ABSENT):
        hint, reason = "check bucket and path, and what the credentials may see", Reason.ARTEFACT_NOT_FOUND
    else:
        hint, reason = "check address, credentials and network policy", Reason.ARTEFACT_UNREADABLE
    return EvaluatorError(reason, f"{name}: {uri} could not be downloaded: {said}; {hint}")


def _too_large(name: str, uri: str, most_bytes: int, size: str = "") -> EvaluatorError:
    said = f"{name}: {uri} is too large{size}: an evaluator takes {most_bytes:,} bytes an artefact; name a smaller one"
    return EvaluatorError(Reason.ARTEFACT_UNREADABLE, said)


def _check_uri(name: str, uri: str, insecure: bool) -> None:
    parts = urlsplit(uri)
    if parts.scheme not in SCHEMES and not (insecure and parts.scheme == "http"):
        allowed = ", ".join(f"{s}://" for s in (*SCHEMES, "pvc"))
        raise EvaluatorError(
            Reason.ARTEFACT_UNREADABLE, f"{name}: {uri} has a scheme that is not taken; use one of {allowed}"
        )
    if parts.scheme == "https" and not insecure:
        _check_host(name, uri, parts.hostname or "")


def _check_host(name: str, uri: str, host: str) -> None:
    """Refuse the node itself and its metadata service. The NetworkPolicy is the wall; this gives the clear message."""
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise EvaluatorError(Reason.ARTEFACT_NOT_FOUND, f"{name}: {uri}: no such host: {error}") from error
    for address in addresses:
        ip = ipaddress.ip_address(str(address).partition("%")[0])
        if ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast:
            raise EvaluatorError(
                Reason.ARTEFACT_UNREADABLE, f"{name}: {uri} points at {ip}, an address inside the node: refused"
            )


@contextlib.contextmanager
def _file_size_limit(most_bytes: int) -> Iterator[None]:
    # The library has no bound of its own, and a store may send without end.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ceiling = most_bytes if before[1] == resource.RLIM_INFINITY else min(most_bytes, before[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (ceiling, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _discard(leftover: Path) -> None:
    if leftover.is_dir() and not leftover.is_symlink():
        for child in sorted(leftover.rglob("*"), reverse=True):
            child.rmdir() if child.is_dir() and not child.is_symlink() else child.unlink()
        leftover.rmdir()
