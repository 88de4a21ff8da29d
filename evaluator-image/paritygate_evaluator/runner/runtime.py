"""What the runner needs of a runtime, and the runtimes there are.

A runtime loads one model and runs it. Everything else (processes, order of calls, the wire) is the same for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


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
    threads: int
    """Cores to use for many items. A single call, the one that latency times, always has one thread."""


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


class Runtime(Protocol):
    """A way to run models."""

    def load(self, folder: Path, options: Options) -> LoadedModel:
        """The model in an artefact's folder. Raises ModelRefusedError."""
        ...

    def version(self) -> str:
        """Name and version, for the record."""
        ...


def runtime(name: str) -> Runtime:
    """The runtime of this name. Imported here and not above: only the process that runs a model may load it."""
    if name == "onnxruntime":
        from .onnx_session import OnnxRuntime

        return OnnxRuntime()
    raise ModelRefusedError(f"runtime {name!r} is unknown; there is: onnxruntime")


def rows(feeds: Mapping[str, Array], indices: Indices) -> dict[str, Array]:
    """The items at `indices`, each input one contiguous array."""
    return {name: np.take(array, indices, axis=0) for name, array in feeds.items()}
