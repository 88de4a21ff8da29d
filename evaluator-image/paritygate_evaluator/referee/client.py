"""The runner as the referee sees it: a socket behind which somebody's models run. Its answers are claims to check."""

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from paritygate.api import Reason

from ..ending import EvaluatorError
from ..wire import Array, Frame, WireError, receive, send

Ints = npt.NDArray[np.int64]


class ModelFailedError(Exception):
    """One of the models can't be used. `kind` is Refused, RunFailed, OutputShape or Lost."""

    def __init__(self, role: str, kind: str, message: str) -> None:
        super().__init__(f"{role}: {message}")
        self.role = role
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model: name, dtype, shape with None for any size."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}[{', '.join('?' if n is None else str(n) for n in self.shape)}]"


@dataclass(frozen=True, slots=True)
class Description:
    """A loaded model."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    provider: str
    runtime: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """The items that the runner holds: how many a pack, and their arrays (shapes without the first axis)."""

    counts: tuple[int, ...]
    ports: tuple[Port, ...]
    threads: int


class Runner:
    """A connection to the runner. Every method raises EvaluatorError RunnerLost when it is gone or talks nonsense."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    @classmethod
    def connect(cls, path: Path, patience: float) -> "Runner":
        """Wait up to `patience` seconds for the runner to listen."""
        deadline = time.monotonic() + patience
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(str(path))
            except OSError as error:
                sock.close()
                if time.monotonic() > deadline:
                    raise _lost(f"it did not answer within {patience:.0f} s ({error})") from error
                time.sleep(0.02)
            else:
                return cls(sock)

    def inputs(self) -> Inputs:
        """The items. Raises EvaluatorError PackInvalid when they can't be used."""
        header = self._ask({"verb": "inputs"}).header
        if "error" in header:
            raise EvaluatorError(Reason.PACK_INVALID, str(header.get("message")))
        try:
            counts = tuple(int(n) for n in header["counts"])
            return Inputs(counts, _ports(header["inputs"]), int(header["threads"]))
        except (KeyError, TypeError, ValueError) as error:
            raise _lost(f"it described its inputs as {str(header)[:200]}") from error

    def load(self, role: str) -> Description:
        """Load one model. Raises ModelFailedError."""
        header = self._model({"verb": "load", "model": role}, role).header
        try:
            return Description(
                _ports(header["inputs"]), _ports(header["outputs"]), str(header["provider"]), str(header["runtime"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _lost(f"it described the {role} as {str(header)[:200]}") from error

    def batch(self) -> tuple[int, float]:
        """The batch size for both models by a short sweep, and seconds an item takes. Raises ModelFailedError."""
        header = self._model({"verb": "batch"}, "").header
        match header:
            case {"batch": int(batch), "seconds": float(seconds)} if batch > 0 and seconds > 0:
                return batch, seconds
        raise _lost(f"it chose a batch of {str(header)[:200]}")

    def outputs(self, role: str, indices: Ints, batch: int) -> tuple[Array, ...]:
        """The outputs of one model, in its order, one row an item. Raises ModelFailedError."""
        answer = self._model({"verb": "outputs", "model": role, "batch": batch}, role, [indices])
        if any(array.ndim < 1 or len(array) != len(indices) for array in answer.arrays):
            shapes = [list(array.shape) for array in answer.arrays]
            raise ModelFailedError(role, "OutputShape", f"outputs of shapes {shapes} for {len(indices)} items")
        return answer.arrays

    def latency(self, second: str, swapped: npt.NDArray[np.bool_], indices: Ints) -> Ints:
        """Blocks of four calls, ns (k, 4): two of the baseline, two of `second`. Raises ModelFailedError."""
        answer = self._model({"verb": "latency", "second": second}, second, [swapped, indices])
        if len(answer.arrays) != 1 or answer.arrays[0].shape != (len(swapped), 4) or (answer.arrays[0] <= 0).any():
            raise _lost("its times are not four positive numbers a block")
        return answer.arrays[0].astype(np.int64)

    def memory(self) -> Mapping[str, int]:
        """Peak bytes of each model: what its process grew by since before it was loaded."""
        header = self._model({"verb": "memory"}, "").header
        return {role: int(header.get(role, 0)) for role in ("baseline", "candidate")}

    def shutdown(self) -> None:
        """Tell the runner that there is nothing more to do."""
        try:
            send(self._sock, {"verb": "shutdown"})
            receive(self._sock)
        except WireError:
            pass  # it has gone already
        finally:
            self._sock.close()

    def _model(self, header: Mapping[str, Any], role: str, arrays: Sequence[Array] = ()) -> Frame:
        answer = self._ask(header, arrays)
        if "error" in answer.header:
            who = str(answer.header.get("model", role))
            raise ModelFailedError(who, str(answer.header["error"]), str(answer.header.get("message", ""))[:800])
        return answer

    def _ask(self, header: Mapping[str, Any], arrays: Sequence[Array] = ()) -> Frame:
        try:
            send(self._sock, header, arrays)
            return receive(self._sock)
        except WireError as error:
            raise _lost(str(error)) from error


def _lost(what: str) -> EvaluatorError:
    return EvaluatorError(
        Reason.RUNNER_LOST, f"the runner is lost: {what}. See its log; it may have been killed for memory"
    )


def _ports(described: Any) -> tuple[Port, ...]:
    return tuple(
        Port(str(name), str(dtype), tuple(None if n is None else int(n) for n in shape))
        for name, dtype, shape in described
    )
