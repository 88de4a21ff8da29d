"""A real S3 server: versitygw (Apache-2.0) from a pinned Go module, over a folder of plain files.

`served` runs one for as long as a test needs it. Pods reach one that a cluster runs: its command line is `command`,
put into the cluster's namespace with an address of the bridge. Two servers over one folder show the same objects, so
that what is put through one on the loopback device is read through the other.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache as once
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests.cluster import golang
from tests.cluster.errors import NotReady

ACCESS_KEY = "paritygate-tests"
SECRET_KEY = "not-a-secret-of-anybody"
REGION = "us-east-1"
_HEALTH = "/.healthy"
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A server that answers at ``address`` (host:port) and keeps its objects in ``folder``."""

    folder: Path
    address: str

    @property
    def environment(self) -> dict[str, str]:
        """What kserve-storage and every other S3 client read: endpoint, credentials, region."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.address}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket. One that is there already is an error of the client's."""
        _client(self.address).create_bucket(Bucket=bucket)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Put one object, over the one that is there."""
        _client(self.address).put_object(Bucket=bucket, Key=key, Body=content)

    def put_folder(self, bucket: str, prefix: str, folder: Path) -> None:
        """Put every file of a folder below ``prefix/``."""
        client = _client(self.address)
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            client.upload_file(str(path), bucket, f"{prefix}/{path.relative_to(folder).as_posix()}")

    def object_path(self, bucket: str, key: str) -> Path:
        """The plain file that holds an object: for a test that damages what lies in the store."""
        return self.folder / "objects" / bucket / key


def command(folder: Path, address: str) -> tuple[str, ...]:
    """The command line of a server over ``folder`` at ``address`` (host:port); makes the folders it needs.

    Metadata lies beside the objects and not in extended attributes, which not every temporary folder has.
    """
    objects, metadata = folder / "objects", folder / "metadata"
    objects.mkdir(parents=True, exist_ok=True)
    metadata.mkdir(exist_ok=True)
    program = str(golang.built(golang.OBJECT_STORE))
    listen = ("--quiet", "--port", address, "--health", _HEALTH, "--region", REGION)
    keys = ("--access", ACCESS_KEY, "--secret", SECRET_KEY)
    return (program, *listen, *keys, "posix", "--sidecar", str(metadata), str(objects))


@contextmanager
def served(folder: Path, address: str | None = None) -> Iterator[ObjectStore]:
    """Run a server over ``folder``, on a free port of the loopback device unless ``address`` says otherwise.

    It answers when the body begins and has ended when this returns. Raises NotReady with what it said.
    """
    store = ObjectStore(folder, address or _free_address())
    argv = command(folder, store.address)
    log = folder / "server.log"
    with log.open("wb") as said:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
    try:
        _wait(store, process, log)
        yield store
    finally:
        _end(process)


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _wait(store: ObjectStore, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(store.address):
            return
        time.sleep(0.02)
    said = log.read_text(errors="replace")[-1500:]
    how = "did not answer in its time" if process.poll() is None else f"ended with {process.returncode}"
    raise NotReady(f"the object store at {store.address} {how}: {said}", f"is the port taken? see {log}")


def _answers(address: str) -> bool:
    with closing(HTTPConnection(address, timeout=1)) as connection:
        try:
            connection.request("GET", _HEALTH)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@once
def _client(address: str) -> Any:
    # Imported here: most users of tests.cluster have nothing to do with S3, and this takes a third of a second.
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=f"http://{address}",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
        # Somebody's proxy has no way to this machine's loopback device.
        config=Config(proxies={}),
    )
