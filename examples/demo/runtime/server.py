"""The demo's serving runtime: one ONNX model behind the Open Inference Protocol (v2), in plain Python.

It serves the folder KServe mounts at /mnt/models. `runtime.json` beside the model may set how it is served:
`keepWorkspaceMiB` keeps that much memory a request, as an arena that never shrinks does. The offline gate judges the
model, not this file's effect on a server's memory: that shows only under traffic.
"""

import hashlib
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

import numpy as np
import onnxruntime

FOLDER = Path(os.environ.get("MODEL_DIR", "/mnt/models"))
PORT = int(os.environ.get("PORT", "8080"))


def version_of(folder: Path) -> str:
    """The first digits of a digest over the folder's files: tells in each answer which artefact gave it."""
    hasher = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        hasher.update(path.relative_to(folder).as_posix().encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:8]


class Model:
    """The model and what it keeps between requests."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        (file,) = folder.glob("*.onnx")
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        settings = folder / "runtime.json"
        self._keep = json.loads(settings.read_text()).get("keepWorkspaceMiB", 0) if settings.exists() else 0
        self._workspaces: list[bytes] = []
        self._lock = Lock()
        self.version = version_of(folder)

    def infer(self, request: dict) -> dict:
        tensor = request["inputs"][0]
        rows = np.asarray(tensor["data"], np.float32).reshape(tensor["shape"])
        if self._keep:
            with self._lock:
                self._workspaces.append(b"\x01" * (self._keep << 20))
        outputs = self._session.run(None, {self._input: rows})
        return {
            "model_name": "digits",
            "model_version": self.version,
            "outputs": [
                {
                    "name": "output",
                    "datatype": "FP32",
                    "shape": list(outputs[0].shape),
                    "data": outputs[0].ravel().tolist(),
                }
            ],
        }


class Handler(BaseHTTPRequestHandler):
    """GET answers health, POST infers."""

    protocol_version = "HTTP/1.1"
    model: Model

    def do_GET(self) -> None:
        self._answer(200, {"ready": True, "model_version": self.model.version})

    def do_POST(self) -> None:
        try:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            answer = self.model.infer(body)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self._answer(400, {"error": str(error)})
            return
        self._answer(200, answer)

    def _answer(self, code: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Silence: a line a request is noise."""


def main() -> None:
    """Serve until told to stop."""
    Handler.model = Model(FOLDER)
    server = ThreadingHTTPServer(("", PORT), Handler)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: Thread(target=server.shutdown).start())
    print(f"model {Handler.model.version} on port {PORT}", flush=True)
    server.serve_forever()
    sys.exit(0)


if __name__ == "__main__":
    main()
