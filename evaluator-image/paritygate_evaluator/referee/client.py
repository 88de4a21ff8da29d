"""The runner as the referee sees it: a socket behind which somebody's models run. Its answers are claims to check."""

import math
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
from ..runner.item_statistics import NONE
from ..runner.perturb import Perturbation
from ..wire import Array, Frame, WireError, receive, send
from .utilisation import Utilisation

Ints = npt.NDArray[np.int64]

MOST_LAYER_BYTES = 32 << 20
"""Of one model's intermediate tensors."""


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
    load_seconds: float
    """What loading took in a process that had just started, without the runtime's own start."""


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """What can be told of each item without a model, (items,) each. -1 where the packs have no such input."""

    max_abs: npt.NDArray[np.float32]
    """The largest |x| over the inputs of floats, NaN left out; may be infinite."""
    length: npt.NDArray[np.int32]
    """Characters of a text, or entries that are not zero in a row of tokens (or of its mask)."""


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
        self._items: int | None = None
        self._outputs: dict[str, int] = {}
        self._used: dict[str, Utilisation] = {}

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
            inputs = Inputs(counts, _ports(header["inputs"]), int(header["threads"]))
        except (KeyError, TypeError, ValueError) as error:
            raise _lost(f"it described its inputs as {str(header)[:200]}") from error
        if min(counts, default=0) < 1 or self._items not in (None, sum(counts)):
            raise _lost(f"it holds {str(counts)[:200]} items")
        self._items = sum(counts)
        return inputs

    def statistics(self) -> ItemStatistics:
        """What can be told of each item without a model. Raises EvaluatorError PackInvalid as `inputs` does."""
        count = self._items or sum(self.inputs().counts)
        answer = self._ask({"verb": "statistics"})
        match answer.arrays:
            case (max_abs, length) if max_abs.shape == length.shape == (count,):
                typed = max_abs.dtype == np.float32 and length.dtype == np.int32
                # Not `< NONE`: NaN must not pass.
                if typed and (max_abs >= NONE).all() and (length >= NONE).all():
                    return ItemStatistics(max_abs, length)
        raise _lost(f"its statistics are not two figures for each of {count:,} items: {str(answer.header)[:200]}")

    def overlap(self) -> Ints:
        """Items that are in the candidate's calibration set too, a thousand of them at most.

        Raises EvaluatorError PackInvalid when the calibration set can't be compared with the packs.
        """
        count = self._items or sum(self.inputs().counts)
        answer = self._ask({"verb": "overlap"})
        if "error" in answer.header:
            raise EvaluatorError(Reason.PACK_INVALID, str(answer.header.get("message"))[:800])
        match answer.arrays:
            case (found,) if found.dtype == np.int64 and found.ndim == 1:
                if not len(found) or (found.min() >= 0 and found.max() < count):
                    return found
        raise _lost(f"its answer about the calibration set is no list of items: {str(answer.header)[:200]}")

    def repeats(self) -> Ints:
        """For each item the first item whose inputs are the same, byte for byte: itself, if none before it is like it.

        Raises EvaluatorError PackInvalid as `inputs` does, and when the inputs can't be read.
        """
        count = self._items or sum(self.inputs().counts)
        answer = self._ask({"verb": "repeats"})
        if "error" in answer.header:
            raise EvaluatorError(Reason.PACK_INVALID, str(answer.header.get("message"))[:800])
        match answer.arrays:
            case (first,) if first.dtype == np.int64 and first.shape == (count,):
                if (first >= 0).all() and (first <= np.arange(count)).all() and (first[first] == first).all():
                    return first
        raise _lost(f"it did not tell which of {count:,} items are alike: {str(answer.header)[:200]}")

    def load(self, role: str) -> Description:
        """Load one model. Raises ModelFailedError."""
        header = self._model({"verb": "load", "model": role}, role).header
        try:
            described = Description(
                _ports(header["inputs"]),
                _ports(header["outputs"]),
                str(header["provider"]),
                str(header["runtime"]),
                int(header["nanoseconds"]) / 1e9,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _lost(f"it described the {role} as {str(header)[:200]}") from error
        if described.load_seconds <= 0 or not described.outputs:
            raise _lost(f"it described the {role} as {str(header)[:200]}")
        self._outputs[role] = len(described.outputs)
        return described

    def load_times(self, role: str, times: int) -> Ints:
        """ns (times,) of loading a model, each in a process of its own that loaded nothing before.

        The files were read before: cold process, warm page cache. At most 100 times. Raises ModelFailedError.
        """
        answer = self._model({"verb": "reload", "model": role, "times": times}, role)
        return _times(answer, (times,), "load times")

    def batch(self) -> tuple[int, float]:
        """The batch size for both models by a short sweep, and seconds an item takes. Raises ModelFailedError."""
        header = self._model({"verb": "batch"}, "").header
        match header:
            case {"batch": int(batch), "seconds": float(seconds)} if batch > 0 and 0 < seconds < math.inf:
                return batch, seconds
        raise _lost(f"it chose a batch of {str(header)[:200]}")

    def outputs(
        self, role: str, indices: Ints, batch: int, perturbation: Perturbation | None = None
    ) -> tuple[Array, ...]:
        """The outputs of one model, in its order, one row an item. Raises ModelFailedError.

        With a perturbation, of the disturbed items: the same for both models, whatever the batch and the order.
        """
        asked = {"verb": "outputs", "model": role, "batch": batch}
        if perturbation is not None:
            asked["perturbation"] = perturbation.dump()
        answer = self._model(asked, role, [indices])
        self._used.setdefault(role, Utilisation()).add(answer.header)
        arrays = answer.arrays
        if len(arrays) != self._outputs.get(role, len(arrays)):
            raise _lost(f"it gave {len(arrays)} outputs of the {role}, which has {self._outputs[role]}")
        if any(array.ndim < 1 or len(array) != len(indices) for array in arrays):
            shapes = [list(array.shape) for array in arrays]
            raise ModelFailedError(role, "OutputShape", f"outputs of shapes {shapes} for {len(indices)} items")
        return arrays

    def utilisation(self, role: str) -> Utilisation:
        """How busy the model kept processor and device in all of its `outputs`."""
        return self._used.get(role, Utilisation())

    def layers(self, indices: Ints) -> tuple[dict[str, Array], dict[str, Array]]:
        """Tensors from inputs to outputs of baseline and candidate, by name, in the order of each model.

        For at most 8 items; of a model whose tensors are large, for fewer of them from the front, and the first axis
        tells. Empty when the runtime can't tell. At most 32 MiB a model. Raises ModelFailedError.
        """
        answer = self._model({"verb": "layers"}, "", [indices])
        match answer.header.get("names"):
            case {"baseline": list(first), "candidate": list(second)} if all(
                isinstance(name, str) for name in (*first, *second)
            ):
                pass
            case _:
                raise _lost(f"it named the layers {str(answer.header)[:200]}")
        if len(first) + len(second) != len(answer.arrays):
            raise _lost(f"it gave {len(answer.arrays)} layers and {len(first) + len(second)} names")
        both = (
            dict(zip(first, answer.arrays[: len(first)], strict=True)),
            dict(zip(second, answer.arrays[len(first) :], strict=True)),
        )
        for names, layers in zip((first, second), both, strict=True):
            if len(layers) != len(names) or sum(array.nbytes for array in layers.values()) > MOST_LAYER_BYTES:
                raise _lost(f"its layers bear a name twice, or hold more than {MOST_LAYER_BYTES:,} bytes")
        return both

    def latency(self, second: str, swapped: npt.NDArray[np.bool_], indices: Ints, *, fresh: bool = False) -> Ints:
        """Blocks of four calls, ns (k, 4): two of the baseline, two of `second`. Raises ModelFailedError.

        `fresh`: both models are loaded again first, in processes that take the place of those they had.
        """
        answer = self._model({"verb": "latency", "second": second, "fresh": fresh}, second, [swapped, indices])
        return _times(answer, (len(swapped), 4), "times")

    def throughput(self, size: int, calls: int) -> Ints:
        """ns (calls, 2) of baseline and candidate for `size` items in one call of one thread. Raises ModelFailedError.

        The models take turns, each pair on the same items, every second pair the candidate first. At most 4,194,304
        items in all.
        """
        answer = self._model({"verb": "throughput", "size": size, "calls": calls}, "")
        return _times(answer, (calls, 2), "throughput times")

    def memory(self) -> Mapping[str, int]:
        """Peak bytes of each model: what its process grew by since before it was loaded."""
        header = self._model({"verb": "memory"}, "").header
        match header:
            case {"baseline": int(first), "candidate": int(second)} if first > 0 and second > 0:
                return {"baseline": first, "candidate": second}
        raise _lost(f"it says that the models take {str(header)[:200]}")

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


def _times(answer: Frame, shape: tuple[int, ...], what: str) -> Ints:
    match answer.arrays:
        case (times,) if times.dtype == np.int64 and times.shape == shape and (times > 0).all():
            return times
    raise _lost(f"its {what} are not {list(shape)} positive whole numbers of ns")


def _ports(described: Any) -> tuple[Port, ...]:
    return tuple(
        Port(str(name), str(dtype), tuple(None if n is None else int(n) for n in shape))
        for name, dtype, shape in described
    )
