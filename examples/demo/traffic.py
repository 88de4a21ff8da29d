"""Users: a steady stream of requests through the real data plane, counted by the model that answered.

Runs as a process of its own inside the cluster's network; prints a JSON line of totals each half second.
"""

import argparse
import http.client
import json
import random
import select
import sys
import threading
import time
from collections import Counter


class Load:
    """Some threads, each with a connection of its own, together at `rate` requests a second."""

    def __init__(self, entrance: str, host: str, rate: float, threads: int) -> None:
        self._entrance, self._host = entrance, host
        self._pause, self._threads = threads / rate, threads
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def start(self) -> None:
        for number in range(self._threads):
            threading.Thread(target=self._stream, args=(number,), daemon=True).start()

    def totals(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def _stream(self, number: int) -> None:
        pick = random.Random(number)
        connection: http.client.HTTPConnection | None = None
        due = time.monotonic() + self._pause * number / self._threads
        while True:
            time.sleep(max(0.0, due - time.monotonic()))
            due += self._pause
            try:
                connection = connection or http.client.HTTPConnection(self._entrance, timeout=10)
                answer = self._ask(connection, [pick.random() * 16 for _ in range(64)])
            except (OSError, http.client.HTTPException) as error:
                answer, connection = f"error: {type(error).__name__}", None
            with self._lock:
                self._counts[answer] += 1

    def _ask(self, connection: http.client.HTTPConnection, pixels: list[float]) -> str:
        tensor = {"name": "pixels", "datatype": "FP32", "shape": [1, 64], "data": pixels}
        headers = {"Host": self._host, "Content-Type": "application/json"}
        connection.request("POST", "/v2/models/digits/infer", json.dumps({"inputs": [tensor]}), headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            return f"error: HTTP {response.status}"
        return str(json.loads(body)["model_version"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entrance", help="ADDRESS:PORT of the ingress gateway")
    parser.add_argument("host", help="the model's host name")
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1800.0, help="stops by itself after that")
    given = parser.parse_args()
    load = Load(given.entrance, given.host, given.rate, given.threads)
    load.start()
    end = time.monotonic() + given.seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        print(json.dumps(load.totals()), flush=True)
        if select.select([sys.stdin], [], [], 0)[0] and not sys.stdin.read(1):
            return  # whoever started us is gone


if __name__ == "__main__":
    main()
