"""What the runner needs of a runtime, and the runtimes there are.

A runtime loads one model and runs it. Everything else (processes, order of calls, the wire) is the same for all.
docs/add-a-runtime.md shows one from the first line to the last.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from .layers import MOST_BYTES

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
Row = tuple[np.dtype[Any], tuple[int, ...]]
"""What one item has in an array: dtype and shape."""

RUNTIMES = {
    "onnxruntime": "paritygate_evaluator.runner.onnx_session:OnnxRuntime",
    "torch": "paritygate_evaluator.runner.torch_runtime:TorchRuntime",
}
"""Name -> module:class. Imported by `runtime` only, and never in the supervisor: its memory is bounded. Best is an
import that starts no thread and opens no device: see `template`."""

FORMATS = ("Onnx", "ExportedProgram", "Safetensors")
"""Formats that hold weights and known operations, no code. TorchScript only where a policy adds it; pickle never."""


class ModelRefusedError(Exception):
    """The model can't be taken. The message names the file and what is wrong with it."""


class RunFailedError(Exception):
    """The model was taken but fails on items. The message says how."""


class OutputShapeError(RunFailedError):
    """The model runs, but what comes out is not one row an item."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output: its name, numpy dtype and shape; None = any size."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def dump(self) -> list[object]:
        """As it travels: [name, dtype, shape]."""
        return [self.name, self.dtype, list(self.shape)]


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. The same for both models."""

    providers: tuple[str, ...]
    """Execution providers by onnxruntime's names, for every runtime; the first is the one to be judged on."""
    threads: int
    """Cores to use for many items. A single call, the one that latency times, always has one thread."""
    formats: tuple[str, ...] = FORMATS
    """Formats of model files that may be opened."""


class LoadedModel(Protocol):
    """One model in memory. The first axis of every input and output is the items."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What goes in."""
        ...

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What comes out."""
        ...

    @property
    def provider(self) -> str:
        """The execution provider that really runs it."""
        ...

    def run(self, items: Mapping[str, Array], indices: Indices, batch: int) -> Sequence[Array]:
        """Outputs of the items at `indices`, one row each, computed `batch` at a time, in the order of `outputs`.

        Raises RunFailedError.
        """
        ...

    def bound(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """A call that runs what these arrays hold at that moment, with nothing to prepare: what latency times."""
        ...


@runtime_checkable
class LayeredModel(Protocol):
    """What a LoadedModel may do beside: show what it computes on its way from inputs to outputs."""

    def intermediate(self, feeds: Mapping[str, Array], most_bytes: int = MOST_BYTES) -> dict[str, Array]:
        """The inputs, and every tensor of numbers that the model computes from them, in the order of computing.

        `feeds` are whole arrays, a few items each; if all of it would take more than `most_bytes`, fewer items from
        the front are run. Names are the model's own, but where X is quantised and dequantised these are called
        X + layers.QUANTISED and X + layers.DEQUANTISED. Raises RunFailedError.
        """
        ...


class Runtime(Protocol):
    """A way to run models."""

    def load(self, folder: Path, options: Options) -> LoadedModel:
        """The model in an artefact's folder. Raises ModelRefusedError."""
        ...

    def version(self) -> str:
        """Name and version, for the record."""
        ...


def runtime(name: str) -> Runtime:
    """The runtime of this name. Raises ModelRefusedError when there is none, or when its libraries are missing here."""
    if name not in RUNTIMES:
        raise ModelRefusedError(f"runtime {name!r} is unknown; there is: {', '.join(RUNTIMES)}")
    module, _, attribute = RUNTIMES[name].partition(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ModelRefusedError(
            f"runtime {name!r} is not in this evaluator ({error}): choose an evaluator image that has it, or locally "
            "install paritygate[evaluator,torch]"
        ) from error
    return cast(Runtime, kind())


def check_format(file: Path, found: str, options: Options) -> None:
    """Raises ModelRefusedError unless this format may be opened."""
    if found not in options.formats:
        raise ModelRefusedError(
            f"{file.name} is {found}, which this policy does not allow (it allows {', '.join(options.formats)}): "
            "export it in one of these, or let the policy's owner allow it"
        )


def check_items(file: str, port: Port) -> Port:
    """The port, if its first axis can be items. Raises ModelRefusedError."""
    if not port.shape:
        raise ModelRefusedError(f"{file}: {port.name!r} has no axis for items; export with a dynamic first axis")
    if port.shape[0] not in (None, 1):
        raise ModelRefusedError(
            f"{file}: the first axis of {port.name!r} is fixed to {port.shape[0]}; export with a dynamic first axis"
        )
    return port


def items_within(most_bytes: int, items: int, one: Mapping[str, Array]) -> int:
    """How many items' intermediate tensors fit, given those of one. Raises RunFailedError when not even one does."""
    size = sum(array.nbytes for array in one.values())
    if size > most_bytes:
        raise RunFailedError(f"the layers of one item take {size:,} bytes, at most {most_bytes:,} are taken")
    return min(items, most_bytes // max(size, 1))


def rows(feeds: Mapping[str, Array], indices: Indices) -> dict[str, Array]:
    """The items at `indices`, each input one contiguous array."""
    return {name: np.take(array, indices, axis=0) for name, array in feeds.items()}
