"""Bringing artefacts in: nothing is used that was not proved."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from paritygate.api import Reason
from paritygate.evidence import manifest_digest
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.fetch import stores
from paritygate_evaluator.fetch.bring import Sources, Wanted, bring_all

LOCAL = Sources(local=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "model"
    (folder / "weights").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"model")
    (folder / "weights" / "w.bin").write_bytes(b"w" * 3000)
    return folder


def wanted(tmp_path: Path, uri: object, digest: str | None = None, name: str = "candidate") -> Wanted:
    return Wanted(name=name, uri=str(uri), digest=digest, dest=str(tmp_path / "dest" / name))


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_folder_is_copied_whole_and_proved(tmp_path: Path, model: Path, prefix: str) -> None:
    (found,) = bring_all([wanted(tmp_path, f"{prefix}{model}", manifest_digest(model))], LOCAL)
    assert found.digest == manifest_digest(model) == manifest_digest(tmp_path / "dest" / "candidate")
    assert found.size == 3005


def test_a_file_has_the_digest_that_the_command_line_prints(tmp_path: Path, model: Path) -> None:
    file = model / "model.onnx"
    (found,) = bring_all([wanted(tmp_path, file, manifest_digest(file))], LOCAL)
    assert [f.path for f in found.files] == ["model.onnx"]


def test_a_restarted_fetch_starts_afresh(tmp_path: Path, model: Path) -> None:
    left = tmp_path / "dest" / "candidate" / "half" / "copied"
    left.parent.mkdir(parents=True)
    left.write_text("x")
    (found,) = bring_all([wanted(tmp_path, model)], LOCAL)
    assert found.digest == manifest_digest(model)


def link(model: Path) -> None:
    (model / "weights" / "w.bin").unlink()
    (model / "weights" / "w.bin").symlink_to("/etc/hostname")


def linked_folder(model: Path) -> None:
    (model / "more").symlink_to("/etc")


def pipe(model: Path) -> None:
    os.mkfifo(model / "pipe")


def gone(model: Path) -> None:
    for path in sorted(model.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    model.rmdir()


def emptied(model: Path) -> None:
    gone(model)
    model.mkdir()


def flipped(model: Path) -> None:
    (model / "weights" / "w.bin").write_bytes(b"w" * 2999 + b"v")


CHANGED: list[tuple[str, Callable[[Path], None], Reason, list[str]]] = [
    ("one bit", flipped, Reason.DIGEST_MISMATCH, ["sha256:", "expected", "paritygate digest"]),
    ("gone", gone, Reason.ARTEFACT_NOT_FOUND, ["does not exist"]),
    ("empty", emptied, Reason.ARTEFACT_NOT_FOUND, ["holds no file"]),
    ("link", link, Reason.ARTEFACT_UNREADABLE, ["w.bin is a link"]),
    ("linked folder", linked_folder, Reason.ARTEFACT_UNREADABLE, ["more is a link"]),
    ("pipe", pipe, Reason.ARTEFACT_UNREADABLE, ["neither a file nor a folder"]),
]


@pytest.mark.parametrize(("what", "change", "reason", "said"), CHANGED, ids=[c[0] for c in CHANGED])
def test_an_artefact_that_changed_is_refused_by_name(
    tmp_path: Path, model: Path, what: str, change: Callable[[Path], None], reason: Reason, said: list[str]
) -> None:
    digest = manifest_digest(model)
    change(model)
    with pytest.raises(EvaluatorError) as error:
        bring_all([wanted(tmp_path, model, digest)], LOCAL)
    assert error.value.reason is reason
    assert error.value.message.startswith("candidate: ")
    assert all(word in error.value.message for word in said)


def test_too_many_bytes_are_not_copied(tmp_path: Path, model: Path) -> None:
    with pytest.raises(EvaluatorError, match="too large"):
        bring_all([wanted(tmp_path, model)], Sources(local=True, most_bytes=1000))


def test_everything_is_proved_after_everything_was_brought(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that writes outside its own folder can't change an artefact that was proved before."""
    from paritygate_evaluator.fetch import bring

    def hostile(_name: str, _uri: str, dest: Path, **_: object) -> None:
        (dest / "x").write_text("x")
        (dest.parent / "baseline" / "model.onnx").write_text("another model")

    monkeypatch.setattr(bring, "download", hostile)
    one = wanted(tmp_path, model, manifest_digest(model), "baseline")
    with pytest.raises(EvaluatorError) as error:
        bring_all([one, wanted(tmp_path, "s3://bucket/model")], LOCAL)
    assert error.value.reason is Reason.DIGEST_MISMATCH
    assert error.value.message.startswith("baseline: ")


IN_A_POD = [
    ("path", "/etc/hostname", "has no files of yours"),
    ("file", "file:///etc/hostname", "has no files of yours"),
    ("http", "http://example.com/model.onnx", "scheme that is not taken"),
    ("ftp", "ftp://example.com/model.onnx", "scheme that is not taken"),
    ("the node", "https://127.0.0.1/model.onnx", "inside the node"),
    ("metadata service", "https://169.254.169.254/latest", "inside the node"),
    ("leaves the volume", "pvc://claim/../other/model.onnx", "leaves its volume"),
    ("hidden dots", "pvc://claim/%2e%2e/other/model.onnx", "leaves its volume"),
    ("no claim", "pvc://other/model.onnx", "is mounted here"),
    ("dots for a claim", "pvc://../model.onnx", "leaves its volume"),
    ("through a link", "pvc://claim/out/secret", "goes through a link"),
    ("not there", "pvc://claim/nothing", "does not exist"),
]


@pytest.mark.parametrize(("what", "uri", "said"), IN_A_POD, ids=[p[0] for p in IN_A_POD])
def test_what_a_pod_may_not_reach(tmp_path: Path, what: str, uri: str, said: str) -> None:
    (tmp_path / "pvc" / "claim").mkdir(parents=True)
    (tmp_path / "pvc" / "secret").write_text("s")
    (tmp_path / "pvc" / "claim" / "out").symlink_to(tmp_path / "pvc")
    with pytest.raises(EvaluatorError, match=said):
        bring_all([wanted(tmp_path, uri)], Sources(local=False, claims=tmp_path / "pvc"))


def test_a_volume_is_a_source(tmp_path: Path) -> None:
    file = tmp_path / "pvc" / "claim" / "a b" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.write_text("m")
    sources = Sources(local=False, claims=tmp_path / "pvc")
    (found,) = bring_all([wanted(tmp_path, "pvc://claim/a%20b/model.onnx", manifest_digest(file))], sources)
    assert found.size == 1


class Store(BaseHTTPRequestHandler):
    """Serves one file, and is silent about it."""

    def do_GET(self) -> None:
        known = self.path == "/model.onnx"
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        if known:
            self.wfile.write(b"m" * 5000)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def store() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    thread = threading.Thread(target=partial(server.serve_forever, 0.01))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_remote_store_is_read_through_kserves_own_code(tmp_path: Path, store: str) -> None:
    (tmp_path / "model.onnx").write_bytes(b"m" * 5000)
    digest = manifest_digest(tmp_path / "model.onnx")
    (found,) = bring_all([wanted(tmp_path, f"{store}/model.onnx", digest)], LOCAL)
    assert found.size == 5000


@pytest.mark.parametrize(
    ("path", "most", "reason"),
    [
        ("other.onnx", 1 << 20, Reason.ARTEFACT_NOT_FOUND),
        ("model.onnx", 1000, Reason.ARTEFACT_UNREADABLE),
    ],
)
def test_a_remote_store_that_has_it_not_or_sends_too_much(
    tmp_path: Path, store: str, path: str, most: int, reason: Reason
) -> None:
    with pytest.raises(EvaluatorError) as error:
        bring_all([wanted(tmp_path, f"{store}/{path}")], Sources(local=True, most_bytes=most))
    assert error.value.reason is reason


def run_fetch(tmp_path: Path, configuration: str) -> tuple[int, dict[str, str] | None]:
    log = tmp_path / "termination-log"
    environment = {
        "PARITYGATE_FETCH": configuration,
        "PARITYGATE_LOCAL": "1",
        "PARITYGATE_ROOT": str(tmp_path),
        "PARITYGATE_TERMINATION_LOG": str(log),
    }
    code = subprocess.run([sys.executable, "-m", "paritygate_evaluator.fetch"], env=os.environ | environment).returncode
    return code, json.loads(log.read_text()) if log.exists() else None


def test_the_process_leaves_what_it_found_or_why_not(tmp_path: Path, model: Path) -> None:
    one = wanted(tmp_path, model).dump()
    assert run_fetch(tmp_path, json.dumps([one])) == (0, None)
    assert json.loads((tmp_path / "found" / "candidate.json").read_text())["digest"] == manifest_digest(model)
    code, left = run_fetch(tmp_path, json.dumps([one | {"digest": "sha256:" + "0" * 64}]))
    assert code == 4
    assert left is not None
    assert left["reason"] == "DigestMismatch"
    code, left = run_fetch(tmp_path, "nonsense")
    assert code == 4
    assert left is not None
    assert "PARITYGATE_FETCH" in left["message"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("checksum of s3://b/run-404/not found/m.onnx did not match", Reason.ARTEFACT_UNREADABLE),
        ("the bucket b was not found", Reason.ARTEFACT_NOT_FOUND),
        ("404 Client Error: Not Found for url", Reason.ARTEFACT_NOT_FOUND),
        ("[Errno 27] File too large", Reason.ARTEFACT_UNREADABLE),
    ],
)
def test_what_a_store_says_is_read_without_the_name_of_the_key(said: str, reason: Reason) -> None:
    assert stores._told("candidate", "s3://b/run-404/not found/m.onnx", said, 100).reason is reason


def test_the_workers_of_a_store_client_end_at_once_when_they_are_told() -> None:
    program = (
        "import multiprocessing, os, signal, sys\n"
        "from paritygate_evaluator.terminate import children_end_at_once, end_on_terminate\n"
        "end_on_terminate(); children_end_at_once()\n"
        "def look(_): return signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
        "with multiprocessing.get_context('fork').Pool(1) as pool: print(pool.map(look, [0]))\n"
        "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["[True]", "False"]
