"""`fetch` brings s3:// artefacts from a real S3 server, and refuses each that is not what was meant.

Every test runs the process that a pod runs and reads what Kubernetes reads: the exit code and the termination message.
Marked `api`, because the server is compiled from its source the first time (a minute or two, then cached).
The one thing between the two is `interposed`: a real server neither cuts an answer nor changes an object on demand.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from paritygate.api import Reason
from paritygate.evidence import manifest_digest

from tests.cluster.objectstore import SECRET_KEY, ObjectStore, served

pytestmark = pytest.mark.api

BUCKET = "models"
CONTENT = {"model.onnx": b"graph" * 40, "config.json": b'{"opset": 21}', "weights/0.bin": bytes(range(256)) * 8}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run of fetch ended; `record` is what it says it found."""

    code: int
    reason: str
    message: str
    files: Mapping[str, bytes]
    record: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Fetch:
    """Runs fetch below a folder of its own, with the environment of a pod: nothing but what it is given."""

    root: Path

    def __call__(
        self,
        store: ObjectStore,
        uri: str,
        digest: str | None = None,
        *,
        most_bytes: int = 1 << 20,
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        dest, log = self.root / "models" / "candidate", self.root / "termination-log"
        wanted = {"name": "candidate", "uri": uri, "digest": digest, "dest": str(dest)}
        given = store.environment if environment is None else environment
        done = subprocess.run(
            [sys.executable, "-m", "paritygate_evaluator.fetch"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.root),
                "AWS_EC2_METADATA_DISABLED": "true",
                "PARITYGATE_ROOT": str(self.root),
                "PARITYGATE_TERMINATION_LOG": str(log),
                "PARITYGATE_FETCH": json.dumps([wanted]),
                "PARITYGATE_MOST_BYTES": str(most_bytes),
                **given,
            },
            capture_output=True,
            check=False,
            timeout=120,
        )
        said = json.loads(log.read_text()) if log.exists() else {"reason": "", "message": done.stderr.decode()}
        record = self.root / "found" / "candidate.json"
        return Outcome(
            done.returncode,
            said["reason"],
            said["message"],
            {p.relative_to(dest).as_posix(): p.read_bytes() for p in sorted(dest.rglob("*")) if p.is_file()},
            json.loads(record.read_text()) if record.exists() else {},
        )


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    root = tmp_path / "evaluation"
    root.mkdir()
    return Fetch(root)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with served(tmp_path_factory.mktemp("s3")) as store:
        store.make_bucket(BUCKET)
        yield store


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """The model as its owner has it, and computes the digest of it."""
    folder = tmp_path / "owner"
    for name, content in CONTENT.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def prefix(server: ObjectStore, local: Path) -> str:
    """The model in the store, below a prefix of this test's own.

    Messages repeat the URI, so nothing that a test or fetch looks for may come from there: no word and no number.
    """
    name = uuid.uuid4().hex.translate(str.maketrans("0123456789abcdef", "ghijklmnopqrstuv"))
    server.put_folder(BUCKET, name, local)
    return name


def test_a_folder_has_the_digest_that_its_owner_computed(
    server: ObjectStore, local: Path, prefix: str, fetch: Fetch
) -> None:
    outcome = fetch(server, f"s3://{BUCKET}/{prefix}/", manifest_digest(local))
    assert (outcome.code, outcome.files) == (0, CONTENT), outcome.message
    assert outcome.record["digest"] == manifest_digest(local)
    assert outcome.record["size"] == sum(map(len, CONTENT.values()))


def test_one_object_has_the_digest_of_the_one_file(server: ObjectStore, local: Path, prefix: str, fetch: Fetch) -> None:
    # A neighbour whose key only goes on after the name must not come along.
    server.put(BUCKET, f"{prefix}/model.onnx.sha256", b"beside")
    outcome = fetch(server, f"s3://{BUCKET}/{prefix}/model.onnx", manifest_digest(local / "model.onnx"))
    assert (outcome.code, outcome.files) == (0, {"model.onnx": CONTENT["model.onnx"]}), outcome.message


def test_a_wrong_digest_names_both(server: ObjectStore, local: Path, prefix: str, fetch: Fetch) -> None:
    expected = "sha256:" + "0" * 64
    outcome = fetch(server, f"s3://{BUCKET}/{prefix}/", expected)
    assert (outcome.code, outcome.reason) == (4, Reason.DIGEST_MISMATCH)
    assert expected in outcome.message
    assert manifest_digest(local) in outcome.message


@pytest.mark.parametrize(("name", "content"), [("tokenizer.json", b"{}"), ("config.json", b'{"opset": 22}')])
def test_a_folder_with_one_file_more_or_other_bytes_is_refused(
    name: str, content: bytes, server: ObjectStore, local: Path, prefix: str, fetch: Fetch
) -> None:
    server.put(BUCKET, f"{prefix}/{name}", content)
    outcome = fetch(server, f"s3://{BUCKET}/{prefix}/", manifest_digest(local))
    assert (outcome.code, outcome.reason) == (4, Reason.DIGEST_MISMATCH), outcome.message


def test_without_the_closing_slash_a_longer_name_is_taken_too_and_found_out(
    server: ObjectStore, local: Path, prefix: str, fetch: Fetch
) -> None:
    """`s3://models/digits` also means `s3://models/digits-int8/…` to S3, and to what KServe would serve from there."""
    server.put(BUCKET, f"{prefix}-int8/model.onnx", b"of the neighbour")
    outcome = fetch(server, f"s3://{BUCKET}/{prefix}", manifest_digest(local))
    assert (outcome.code, outcome.reason) == (4, Reason.DIGEST_MISMATCH)
    assert "-int8/model.onnx" in outcome.message


@pytest.mark.parametrize("uri", ["s3://models/nobody/put/this", "s3://nobodys-bucket/m"])
def test_what_is_not_there_is_named(uri: str, server: ObjectStore, fetch: Fetch) -> None:
    outcome = fetch(server, uri)
    assert (outcome.code, outcome.reason) == (4, Reason.ARTEFACT_NOT_FOUND)
    assert uri in outcome.message
    assert "check bucket" in outcome.message


@pytest.mark.parametrize(
    "wrong", [{"AWS_SECRET_ACCESS_KEY": "guessed"}, {"AWS_ACCESS_KEY_ID": "nobody"}, {"AWS_ACCESS_KEY_ID": ""}]
)
def test_wrong_credentials_are_told_to_be_checked(
    wrong: Mapping[str, str], server: ObjectStore, prefix: str, fetch: Fetch
) -> None:
    """Stores differ: to one a stranger is forbidden, to another the bucket is not there. The advice fits both."""
    given = {**server.environment, **wrong}
    outcome = fetch(server, f"s3://{BUCKET}/{prefix}/", environment={k: v for k, v in given.items() if v})
    assert outcome.code == 4
    assert outcome.reason in (Reason.ARTEFACT_UNREADABLE, Reason.ARTEFACT_NOT_FOUND)
    assert "credentials" in outcome.message
    assert SECRET_KEY not in outcome.message
    assert not outcome.files


def test_a_store_that_does_not_answer_is_named(server: ObjectStore, fetch: Fetch) -> None:
    nowhere = {**server.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "S3_MAX_ATTEMPTS": "1"}
    outcome = fetch(server, f"s3://{BUCKET}/any/", environment=nowhere)
    assert (outcome.code, outcome.reason) == (4, Reason.ARTEFACT_UNREADABLE)
    assert "127.0.0.1:1" in outcome.message
    assert "check address" in outcome.message


@pytest.mark.parametrize(
    ("sizes", "bound"), [([3000, 3000], 4000), ([3000, 10], 2000)], ids=["together", "one of them"]
)
def test_more_bytes_than_the_bound_are_refused(
    sizes: list[int], bound: int, server: ObjectStore, prefix: str, fetch: Fetch
) -> None:
    for number, size in enumerate(sizes):
        server.put(BUCKET, f"{prefix}-2/{number}", b"x" * size)
    outcome = fetch(server, f"s3://{BUCKET}/{prefix}-2/", most_bytes=bound)
    assert (outcome.code, outcome.reason) == (4, Reason.ARTEFACT_UNREADABLE)
    assert f"an evaluator takes {bound:,} bytes" in outcome.message
    assert max(map(len, outcome.files.values()), default=0) <= bound


def test_as_many_bytes_as_the_bound_are_taken(server: ObjectStore, prefix: str, fetch: Fetch) -> None:
    server.put(BUCKET, f"{prefix}-2/0", b"x" * 4000)
    assert fetch(server, f"s3://{BUCKET}/{prefix}-2/", most_bytes=4000).code == 0


def test_bytes_that_changed_in_the_store_are_found_by_its_own_checksum(
    server: ObjectStore, prefix: str, fetch: Fetch
) -> None:
    path = server.object_path(BUCKET, f"{prefix}/model.onnx")
    path.write_bytes(b"\0" * path.stat().st_size)
    outcome = fetch(server, f"s3://{BUCKET}/{prefix}/")
    assert (outcome.code, outcome.reason) == (4, Reason.ARTEFACT_UNREADABLE)
    assert "model.onnx" in outcome.message
    assert "checksum" in outcome.message
    assert "model.onnx" not in outcome.files
    assert not outcome.record


def test_an_answer_cut_short_leaves_no_file_that_looks_whole(server: ObjectStore, prefix: str, fetch: Fetch) -> None:
    with interposed(server, body=lambda whole: whole[: len(whole) // 2]) as cutting:
        outcome = fetch(cutting, f"s3://{BUCKET}/{prefix}/")
    assert (outcome.code, outcome.reason) == (4, Reason.ARTEFACT_UNREADABLE)
    assert "model.onnx" in outcome.message
    assert not outcome.files


def test_an_object_replaced_between_listing_and_reading_is_not_the_one_that_was_meant(
    server: ObjectStore, local: Path, prefix: str, fetch: Fetch
) -> None:
    key = f"{prefix}/model.onnx"
    with interposed(server, before_object=lambda: server.put(BUCKET, key, b"other")) as replacing:
        outcome = fetch(replacing, f"s3://{BUCKET}/{key}", manifest_digest(local / "model.onnx"))
    assert (outcome.code, outcome.reason) == (4, Reason.DIGEST_MISMATCH), outcome.message


def test_an_object_replaced_while_it_is_read_is_never_a_mixture(server: ObjectStore, prefix: str, fetch: Fetch) -> None:
    """Large enough to be read in parts, of which the first come from one object and the others from the next."""
    size, turn = 20 << 20, iter(b"abcdefghijklmnopqrstuvwxyz")
    key = f"{prefix}/0.bin"

    def replace() -> None:
        server.put(BUCKET, key, bytes([next(turn)]) * size)

    replace()
    with interposed(server, before_object=replace) as replacing:
        outcome = fetch(replacing, f"s3://{BUCKET}/{key}", most_bytes=size)
    assert (outcome.code, outcome.reason) == (4, Reason.ARTEFACT_UNREADABLE), outcome.message
    assert not outcome.files


def _unchanged(body: bytes) -> bytes:
    return body


def _nothing() -> None:
    pass


@contextmanager
def interposed(
    store: ObjectStore, *, body: Callable[[bytes], bytes] = _unchanged, before_object: Callable[[], None] = _nothing
) -> Iterator[ObjectStore]:
    """The same store at another address: `before_object` is called before each request for an object and not for a
    list, and `body` cuts what is answered to it, under the length that the store announced."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            of_object = self.path.partition("?")[0].count("/") > 1
            if of_object:
                before_object()
            with closing(HTTPConnection(store.address)) as behind:
                behind.request(self.command, self.path, headers=dict(self.headers))
                answer = behind.getresponse()
                whole = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body(whole) if of_object else whole)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as door:
        thread = Thread(target=door.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield ObjectStore(store.folder, f"127.0.0.1:{door.server_port}")
        finally:
            door.shutdown()
            thread.join()
