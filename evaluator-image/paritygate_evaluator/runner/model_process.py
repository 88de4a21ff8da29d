"""One model in a process of its own: blocked while it is idle, and its memory is its own figure."""

import contextlib
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..wire import Array, Frame, WireError, receive, send
from .callers import Callers
from .meter import Meter, gauge_of
from .perturb import Perturbation, perturbed
from .rows import RowFile, Rows, Source, gathered
from .runtime import (
    Indices,
    LayeredModel,
    LoadedModel,
    ModelRefusedError,
    Options,
    OutputShapeError,
    RunFailedError,
    runtime,
)

GO, STOP = b"g", b"s"
NANOSECONDS = 8
"""Bytes of one answer to GO: ns as a little-endian unsigned integer."""

SETTLING = 2_000_000
"""ns. A faster call follows one that is not timed: what is measured is the model, not how a process wakes up."""

_WARM_UP, _WARM_UP_CALLS = 50_000_000, 100
"""ns and calls before a series is timed, whichever ends first; one call at least."""

_TRIAL, _TRIAL_CALLS, _LONGEST_TRIAL = 0.01, 50, 0.06
"""Seconds and calls that tell how long a batch takes; seconds after which fewer calls will do."""
_LONGEST_BATCH = 0.25
"""Seconds. Beyond this a larger batch gains nothing but memory."""

LAYERS_BYTES, MOST_LAYERS, _LONGEST_NAME = 32 << 20, 1000, 200
"""What of a model's intermediate tensors travels, at most."""


class ModelProcess:
    """Answers the supervisor's frames, one at a time."""

    def __init__(self, sock: socket.socket, items: Mapping[str, Rows], folder: Path, name: str, options: Options):
        self._sock, self._items, self._folder, self._runtime, self._options = sock, items, folder, name, options
        self._at_start = _peak_memory()
        self._model: LoadedModel | None = None
        self._feeds: dict[str, Rows] = {}
        self._callers = Callers(options.threads)
        self._meter = Meter(None)

    def serve(self) -> None:
        """Until the supervisor closes the connection."""
        open_library(self._runtime)  # before anybody waits for it
        while True:
            try:
                frame = receive(self._sock)
            except WireError:
                return
            try:
                header, arrays = self._answer(frame)
            except ModelRefusedError as error:
                header, arrays = {"error": "Refused", "message": str(error)}, []
            except OutputShapeError as error:
                header, arrays = {"error": "OutputShape", "message": str(error)}, []
            except RunFailedError as error:
                header, arrays = {"error": "RunFailed", "message": str(error)}, []
            send(self._sock, header, arrays)

    def _answer(self, frame: Frame) -> tuple[dict[str, Any], list[Array]]:
        match frame.header:
            case {"verb": "load"}:
                return self._load(), []
            case {"verb": "sweep", "sizes": list(sizes)}:
                return {"seconds": self._sweep(sizes)}, []
            case {"verb": "outputs", "batch": int(batch)}:
                asked = self._checked(frame.arrays[0]), batch, frame.header.get("perturbation")
                outputs, told = self._meter.run(partial(self._outputs, *asked))
                return told, list(outputs)
            case {"verb": "time", "size": int(size)}:
                return self._time(self._checked(frame.arrays[0]), size), []
            case {"verb": "layers"}:
                layers = self._layers(self._checked(frame.arrays[0]))
                return {"names": list(layers)}, list(layers.values())
            case {"verb": "memory"}:
                return {"bytes": max(_peak_memory() - self._at_start, 1)}, []
        raise RunFailedError(f"the runner does not know the request {frame.header}")

    @property
    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise RunFailedError("the model is not loaded")
        return self._model

    def _rows(self, indices: Indices) -> dict[str, Array]:
        return {name: rows.take(indices, axis=0) for name, rows in self._feeds.items()}

    def _outputs(self, indices: Indices, batch: int, perturbation: object) -> Sequence[Array]:
        feeds: dict[str, Source] = {
            name: gathered(rows, indices, self._callers) if isinstance(rows, RowFile) else rows
            for name, rows in self._feeds.items()
        }
        return self._loaded.run(_disturbed(feeds, perturbation), indices, batch)

    def _checked(self, indices: Array) -> Indices:
        count = len(next(iter(self._items.values())))
        if indices.ndim != 1 or indices.dtype != np.int64 or not len(indices):
            raise RunFailedError(f"the runner was asked for items by {indices.dtype}{list(indices.shape)}")
        if indices.min() < 0 or indices.max() >= count:
            raise RunFailedError(f"the runner was asked for item {indices.max()} of {count}")
        return indices

    def _load(self) -> dict[str, Any]:
        engine = runtime(self._runtime)
        # A library takes more than many a model: what it takes is nobody's merit.
        self._at_start = max(self._at_start, _peak_memory())
        started = time.perf_counter_ns()
        self._model = engine.load(self._folder, self._options)
        took = time.perf_counter_ns() - started
        self._feeds = shaped(self._items, self._model)
        self._meter = Meter(gauge_of(self._model.provider))
        return {
            "inputs": [port.dump() for port in self._model.inputs],
            "outputs": [port.dump() for port in self._model.outputs],
            "provider": self._model.provider,
            "runtime": engine.version(),
            "nanoseconds": took,
        }

    def _sweep(self, sizes: list[int]) -> dict[str, float]:
        """Seconds an item at each batch size, up to the first that takes too long (and much memory)."""
        count = len(next(iter(self._items.values())))
        feeds = _disturbed(self._feeds, None)
        seconds: dict[str, float] = {}
        for size in sizes:
            # As many items as keep all callers busy: how `run` shares them is part of what a batch costs.
            indices = np.arange(size * self._options.threads, dtype=np.int64) % count
            call = partial(self._loaded.run, feeds, indices, size)
            call()
            calls, took, started = 0, 0.0, time.perf_counter()
            while not calls or (took < _LONGEST_TRIAL and (took < _TRIAL or calls < _TRIAL_CALLS)):
                call()
                calls, took = calls + 1, time.perf_counter() - started
            seconds[str(size)] = took / (calls * len(indices))
            if took / calls > _LONGEST_BATCH:
                break
        return seconds

    def _time(self, indices: Indices, size: int) -> dict[str, Any]:
        """Run `size` items at once, each time told to, and answer each time with its ns."""
        if size < 1 or len(indices) % size:
            raise RunFailedError(f"the runner was asked to time {len(indices)} items {size} at a time")
        for rows in self._feeds.values():
            if isinstance(rows, RowFile):
                # A wait for the disk between two timed calls would cool the caches of one model and not the other.
                rows.prefetch(indices)
        buffers = self._rows(indices[:size])
        call = self._loaded.bound(buffers)
        settle = _warmed_up(call) < SETTLING
        send(self._sock, {"ready": True})
        for at in range(0, len(indices), size):
            told = self._sock.recv(1)
            if told == STOP:
                break
            if told != GO:
                raise SystemExit(0)
            for name, rows in self._feeds.items():
                rows.take(indices[at : at + size], axis=0, out=buffers[name], mode="clip")
            if settle:
                call()
            self._sock.sendall(_nanoseconds(call).to_bytes(NANOSECONDS, "little"))
        return {"done": len(indices)}

    def _layers(self, indices: Indices) -> dict[str, Array]:
        """Tensors from inputs to outputs in the model's order; empty when the runtime can't tell them.

        Of fewer items from the front where those of all would be too large.
        """
        if not isinstance(self._loaded, LayeredModel):
            return {}
        tensors = self._loaded.intermediate(self._rows(indices), LAYERS_BYTES)
        travel = [(n, t) for n, t in tensors.items() if t.dtype.kind in "biuf" and len(n) <= _LONGEST_NAME]
        return dict(travel[:MOST_LAYERS])


def open_library(name: str) -> None:
    """Import what this runtime needs. What is missing is told when a model is loaded."""
    with contextlib.suppress(ModelRefusedError):
        runtime(name)


def _disturbed(feeds: Mapping[str, Source], perturbation: object) -> Mapping[str, Array]:
    """What a runtime takes rows of. A cast, because what is no array is one to `np.take` only."""
    if perturbation is None:
        return cast(Mapping[str, Array], feeds)
    try:
        return cast(Mapping[str, Array], perturbed(feeds, Perturbation.parse(perturbation)))
    except ValueError as error:
        raise RunFailedError(str(error)) from error


def shaped(items: Mapping[str, Rows], model: LoadedModel) -> dict[str, Rows]:
    """What the model takes of the items: a plain column for an input of shape (items, 1) gets its second axis."""
    return {
        port.name: items[port.name].reshape(-1, 1)
        if items[port.name].ndim == 1 and port.shape[1:] == (1,)
        else items[port.name]
        for port in model.inputs
        if port.name in items
    }


def _warmed_up(call: Callable[[], object]) -> int:
    """ns of the last of some calls: the first ones of a process take up to a quarter longer."""
    until, took = time.perf_counter_ns() + _WARM_UP, 0
    for _ in range(_WARM_UP_CALLS):
        took = _nanoseconds(call)
        if time.perf_counter_ns() > until:
            break
    return took


def _nanoseconds(call: Callable[[], object]) -> int:
    started = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - started


def _peak_memory() -> int:
    """Peak resident bytes of this process. Inputs that are shared with the other model are in it from the start."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
