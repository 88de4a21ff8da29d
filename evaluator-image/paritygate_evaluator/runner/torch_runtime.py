"""The one door to torch."""

import ctypes
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from .callers import Callers, Span
from .layers import MOST_BYTES
from .runtime import (
    Array,
    Indices,
    ModelRefusedError,
    Options,
    OutputShapeError,
    Port,
    Row,
    RunFailedError,
    check_format,
    items_within,
    rows,
)
from .torch_architectures import read_weights
from .torch_files import Format, model_file
from .torch_network import Network
from .torch_program import read_program
from .torch_script import read_script

_DEVICES = {"CPUExecutionProvider": "cpu", "CUDAExecutionProvider": "cuda"}
"""Pools name where models run by onnxruntime's providers; these are the devices of torch that are meant by them."""

_ERRORS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError)
_LONGEST = 400

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""glibc's malloc.h. A library without `mallopt` keeps its own ways."""


class TorchRuntime:
    """torch: exported programs, safetensors, and TorchScript where it is allowed."""

    def load(self, folder: Path, options: Options) -> "TorchModel":
        """The model in `folder`. Raises ModelRefusedError when it is a pickle, unreadable, or runs elsewhere."""
        file = model_file(folder)
        check_format(file.path, file.format, options)
        device = _device(options.providers)
        _make_exact()
        try:
            network = _read(file.path, file.format, device)
        except (RuntimeError, MemoryError) as error:
            raise ModelRefusedError(f"{file.path.name} can't be loaded: {_first(error)}") from error
        return TorchModel(network, device, options)

    def version(self) -> str:
        """Name and version."""
        return f"torch {torch.__version__}"


class TorchModel:
    """A network on a device.

    One thread an operation, so that a single call has one, and results do not depend on how many there are. Many items
    use several callers instead; on the CPU that is faster than threads within an operation, too.
    """

    def __init__(self, network: Network, device: torch.device, options: Options) -> None:
        self._network, self._device = network, device
        self._callers = Callers(options.threads if device.type == "cpu" else 1, _one_thread)
        self._dtypes = [_tensor_dtype(port) for port in network.inputs]
        self._rows: dict[tuple[tuple[int, ...], ...], list[Row]] = {}
        """What a row of each output is, by what a row of each input is: known once it was seen."""
        self.inputs, self.outputs = network.inputs, network.outputs
        self.provider = next(name for name, kind in _DEVICES.items() if kind == device.type)

    def run(self, items: Mapping[str, Array], indices: Indices, batch: int) -> Sequence[Array]:
        """Outputs of the items at `indices`, `batch` at a time. Raises RunFailedError."""
        try:
            shape = tuple(items[port.name].shape[1:] for port in self.inputs)
            if len(indices) <= batch or shape not in self._rows:
                head = self._run_first(rows(items, indices[:batch]), len(indices[:batch]))
                if len(indices) <= batch:
                    return head
                self._rows[shape] = [(array.dtype, array.shape[1:]) for array in head]
            return self._run_shared(items, indices, batch, self._rows[shape])
        except _ERRORS as error:
            raise RunFailedError(f"it fails on the pack's items: {_first(error)}") from error

    def bound(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """A call on these very arrays; on the CPU nothing is copied. Raises RunFailedError.

        On another device the call ends when its results are back in this one's memory.
        """
        try:
            self._run_first(feeds, len(next(iter(feeds.values()))))
            tensors = [torch.from_numpy(feeds[port.name]) for port in self.inputs]
        except _ERRORS as error:
            raise RunFailedError(f"it fails on the pack's items: {_first(error)}") from error
        return partial(self._call, tensors)

    def intermediate(self, feeds: Mapping[str, Array], most_bytes: int = MOST_BYTES) -> dict[str, Array]:
        """Every tensor of numbers from inputs to outputs, in the order of computing. Raises RunFailedError."""
        try:
            one = self._layers({name: array[:1] for name, array in feeds.items()})
            count = items_within(most_bytes, len(next(iter(feeds.values()))), one)
            return self._layers({name: array[:count] for name, array in feeds.items()})
        except _ERRORS as error:
            raise RunFailedError(f"its layers can't be shown: {_first(error)}") from error

    def _layers(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        shown: dict[str, Array] = dict(feeds)

        def keep(name: str, tensor: torch.Tensor) -> None:
            # Copied at once: a later operation may work in place.
            if not tensor.is_complex() and not tensor.is_quantized:
                shown.setdefault(name, _array(tensor).copy())

        with torch.inference_mode():
            self._network.layers(keep, *self._fed([torch.from_numpy(feeds[port.name]) for port in self.inputs]))
        return shown

    def _call(self, tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        with torch.inference_mode():
            results = self._network(*self._fed(tensors))
            if self._device.type == "cpu":
                return results
            return tuple(result.cpu() for result in results)

    def _fed(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [tensor.to(self._device, dtype) for tensor, dtype in zip(tensors, self._dtypes, strict=True)]

    def _run_first(self, feeds: Mapping[str, Array], count: int) -> list[Array]:
        given = [torch.from_numpy(feeds[port.name]) for port in self.inputs]
        watched = (*given, *self._network.weights)
        before = [tensor._version for tensor in watched]
        outputs = [_array(result) for result in self._call(given)]
        if before != [tensor._version for tensor in watched]:
            raise RunFailedError(
                "it changes its inputs or weights, so that one item alters the next: export model.eval()"
            )
        for port, array in zip(self.outputs, outputs, strict=True):
            if array.ndim == 0 or len(array) != count:
                raise OutputShapeError(
                    f"output {port.name!r} has shape {list(array.shape)} for {count} items; the first axis must be "
                    "items"
                )
        # A copy, because an output may be an input that is passed on.
        return [array.copy() for array in outputs]

    def _run_shared(
        self, items: Mapping[str, Array], indices: Indices, batch: int, outputs: Sequence[Row]
    ) -> list[Array]:
        results = [np.empty((len(indices), *shape), dtype) for dtype, shape in outputs]
        self._callers.share(len(indices), batch, partial(self._run_batches, items, indices, results, batch))
        return results

    def _run_batches(
        self,
        items: Mapping[str, Array],
        indices: Indices,
        results: Sequence[Array],
        batch: int,
        batches: Iterator[Span],
    ) -> None:
        """What one caller does: gathers a batch into memory of its own, writes its results where they belong."""
        buffers = [np.empty((batch, *items[p.name].shape[1:]), items[p.name].dtype) for p in self.inputs]
        tensors = [torch.from_numpy(buffer) for buffer in buffers]
        for at, stop in batches:
            count = stop - at
            for port, buffer in zip(self.inputs, buffers, strict=True):
                # "clip": with "raise" numpy would copy once more; the indices were checked before.
                np.take(items[port.name], indices[at:stop], axis=0, out=buffer[:count], mode="clip")
            outputs = self._call([tensor[:count] for tensor in tensors])
            for result, output in zip(results, map(_array, outputs), strict=True):
                if output.shape != (count, *result.shape[1:]):
                    raise OutputShapeError(f"an output has shape {list(output.shape)} for {count} items")
                result[at:stop] = output


def _read(file: Path, kind: Format, device: torch.device) -> Network:
    match kind:
        case Format.EXPORTED_PROGRAM:
            return read_program(file, device)
        case Format.SAFETENSORS:
            return read_weights(file, device)
        case Format.TORCH_SCRIPT:
            return read_script(file, device)


def _device(providers: Sequence[str]) -> torch.device:
    available = ["CPUExecutionProvider", *(["CUDAExecutionProvider"] if torch.cuda.is_available() else [])]
    missing = [provider for provider in providers if provider not in available]
    if missing:
        raise ModelRefusedError(
            f"execution provider {missing[0]} is not in this evaluator; its torch {torch.__version__} has "
            f"{', '.join(available)}: choose another AcceleratorPool or evaluator image"
        )
    return torch.device(_DEVICES[providers[0]])


def _make_exact() -> None:
    """The same answer every time, in the precision that the model asks for. For this process, which has one model."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Not use_deterministic_algorithms: it also tells the compiler, and loads it for that: seconds, and 300 MiB.
    torch.set_deterministic_debug_mode("error")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    _one_thread()
    _keep_memory()
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")


def _keep_memory() -> None:
    """Let the allocator keep what a tensor gave up: given back to the kernel and fetched again for the next one, every
    page costs a fault. Half of the time of a small CNN at batch 128, and noise in what latency times.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    for option, size in ((_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 256 << 20), (_TOP_PAD, 16 << 20)):
        if mallopt is not None:
            mallopt(option, size)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _tensor_dtype(port: Port) -> torch.dtype:
    dtype = getattr(torch, port.dtype, None)
    if not isinstance(dtype, torch.dtype):
        raise ModelRefusedError(f"input {port.name!r} is a {port.dtype}, which torch does not compute with")
    return dtype


def _array(tensor: torch.Tensor) -> Array:
    plain = tensor.detach().cpu()
    return np.asarray((plain.float() if plain.dtype is torch.bfloat16 else plain).numpy())


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:_LONGEST]
