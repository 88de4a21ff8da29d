"""The one door to onnxruntime."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as native

from .callers import Callers, Span
from .layers import MOST_BYTES
from .layers_onnx import Exposed, expose
from .onnx_preflight import check, model_file
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
    check_items,
    items_within,
    rows,
)

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
}
_ERRORS = (
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.ModelLoaded,
    native.NoModel,
    native.NoSuchFile,
    native.NotImplemented,
    native.RuntimeException,
    native.EPFail,
    RuntimeError,
    ValueError,
)
_LONGEST = 400

_PROVIDER_OPTIONS: Mapping[str, Mapping[str, str]] = {
    # As exact as the device can: TF32 rounds float32 to 10 bits, and a search for the fastest convolution may find
    # another one for each of two identical models.
    "CUDAExecutionProvider": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
}
"""Options by provider. A provider that is not named here runs with its own defaults."""

_Memory = tuple[str, np.dtype[Any], tuple[int, ...], int, int]


class OnnxRuntime:
    """onnxruntime, one session a model."""

    def load(self, folder: Path, options: Options) -> "OnnxModel":
        """The model in `folder`. Raises ModelRefusedError when it is unreadable, hostile or runs elsewhere."""
        file = model_file(folder)
        check_format(file, "Onnx", options)
        check(file, folder)
        # A model may carry its own session configuration; it must not choose how it is judged.
        os.environ.pop("ORT_LOAD_CONFIG_FROM_MODEL", None)
        missing = [p for p in options.providers if p not in ort.get_available_providers()]
        if missing:
            raise ModelRefusedError(
                f"execution provider {missing[0]} is not in this evaluator; it has "
                f"{', '.join(ort.get_available_providers())}: choose another AcceleratorPool or evaluator image"
            )
        try:
            session = ort.InferenceSession(str(file), _session_options(), providers=_providers(options.providers))
        except _ERRORS as error:
            raise ModelRefusedError(f"{file.name} can't be loaded: {_first(error)}") from error
        return OnnxModel(file, session, options)

    def version(self) -> str:
        """Name and version."""
        return f"onnxruntime {ort.__version__}"


class OnnxModel:
    """A session of one thread, its ports, and memory bound ahead of the calls.

    One thread a call, because with more the place of a worker thread makes two identical models differ by up to 40 %
    for as long as their processes live. Many items use several callers instead: faster than threads within a call.
    """

    def __init__(self, file: Path, session: ort.InferenceSession, options: Options) -> None:
        name = file.name
        self._file, self._session, self._options = file, session, options
        self._callers = Callers(options.threads)
        self.inputs = tuple(_port(name, argument) for argument in session.get_inputs())
        self.outputs = tuple(_port(name, argument) for argument in session.get_outputs())
        self._names = [port.name for port in self.outputs]
        self._rows: dict[tuple[tuple[int, ...], ...], list[Row]] = {}
        """What a row of each output is, by what a row of each input is: known once it was seen."""

    @property
    def provider(self) -> str:
        """The provider that runs most operators: one that was registered may have taken none of them.

        A few operators on shapes stay on the CPU beside every accelerator; those are no fall-back.
        """
        asked = str(self._session.get_providers()[0])
        counts: Counter[str] = Counter()
        for part in self._session.get_provider_graph_assignment_info():
            counts[str(part.ep_name)] += len(part.get_nodes())
        return asked if not counts or 2 * counts[asked] >= counts.total() else counts.most_common(1)[0][0]

    def run(self, items: Mapping[str, Array], indices: Indices, batch: int) -> Sequence[Array]:
        """Outputs of the items at `indices`, `batch` at a time. Raises RunFailedError."""
        try:
            shape = tuple(array.shape[1:] for array in items.values())
            if len(indices) <= batch or shape not in self._rows:
                head = self._run_first(rows(items, indices[:batch]), len(indices[:batch]))
                if len(indices) <= batch:
                    return head
                self._rows[shape] = [(array.dtype, array.shape[1:]) for array in head]
            kinds = [dtype.kind for dtype, _ in self._rows[shape]] + [array.dtype.kind for array in items.values()]
            if any(kind not in "biuf" for kind in kinds):
                return self._run_copying(items, indices, batch)
            return self._run_in_place(items, indices, batch, self._rows[shape])
        except _ERRORS as error:
            raise RunFailedError(f"it fails on the pack's items: {_first(error)}") from error

    def bound(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """A call on these very arrays, outputs into memory that is kept. Raises RunFailedError."""
        try:
            outputs = self._run_first(feeds, len(next(iter(feeds.values()))))
            session = self._session
            if any(array.dtype.kind not in "biuf" for array in (*outputs, *feeds.values())):
                names, kept = self._names, dict(feeds)
                return lambda: session.run(names, kept)
            binding = session.io_binding()
            for name, array in feeds.items():
                binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
            for name, array in zip(self._names, outputs, strict=True):
                binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        except _ERRORS as error:
            raise RunFailedError(f"it fails on the pack's items: {_first(error)}") from error
        # The binding holds addresses only: the arrays must live as long as the call.
        return _Bound(session, binding, (*feeds.values(), *outputs))

    def intermediate(self, feeds: Mapping[str, Array], most_bytes: int = MOST_BYTES) -> dict[str, Array]:
        """Every tensor of numbers from inputs to outputs, computed without optimisations. Raises RunFailedError.

        In a session of its own, which goes when this returns: fused, a layer has no output to look at.
        """
        exposed = expose(self._file)
        try:
            session = ort.InferenceSession(
                exposed.model, _plain_session_options(self._file.parent), _providers(self._options.providers)
            )
            one = _layers(session, exposed, {name: array[:1] for name, array in feeds.items()})
            count = items_within(most_bytes, len(next(iter(feeds.values()))), one)
            return _layers(session, exposed, {name: array[:count] for name, array in feeds.items()})
        except _ERRORS as error:
            raise RunFailedError(f"its layers can't be shown: {_first(error)}") from error

    def _run_first(self, feeds: Mapping[str, Array], count: int) -> list[Array]:
        outputs = self._session.run(self._names, dict(feeds))
        for name, array in zip(self._names, outputs, strict=True):
            if not isinstance(array, np.ndarray) or array.ndim == 0 or len(array) != count:
                shape = list(np.shape(array))
                raise OutputShapeError(
                    f"output {name!r} has shape {shape} for {count} items; the first axis must be items"
                )
        return [_plain(array) for array in outputs]

    def _run_in_place(
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
        """What one caller does: gathers a batch into memory that is bound once, and has its results written where they
        belong.
        """
        session, binding = self._session, self._session.io_binding()
        buffers = {name: np.empty((batch, *array.shape[1:]), array.dtype) for name, array in items.items()}
        outs = [_memory(name, array) for name, array in zip(self._names, results, strict=True)]
        bound = 0
        for at, stop in batches:
            count = stop - at
            for name, buffer in buffers.items():
                # "clip": with "raise" numpy would copy once more; the indices were checked before.
                np.take(items[name], indices[at:stop], axis=0, out=buffer[:count], mode="clip")
                if bound != count:
                    binding.bind_input(name, "cpu", 0, buffer.dtype, (count, *buffer.shape[1:]), buffer.ctypes.data)
            bound = count
            for name, dtype, shape, address, stride in outs:
                binding.bind_output(name, "cpu", 0, dtype, (count, *shape), address + at * stride)
            session.run_with_iobinding(binding)

    def _run_copying(self, items: Mapping[str, Array], indices: Indices, batch: int) -> list[Array]:
        parts = []
        for at in range(0, len(indices), batch):
            part = rows(items, indices[at : at + batch])
            parts.append([_plain(array) for array in self._session.run(self._names, part)])
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


class _Bound:
    __slots__ = ("_binding", "_kept", "_run")

    def __init__(self, session: ort.InferenceSession, binding: ort.IOBinding, kept: tuple[Array, ...]) -> None:
        self._run, self._binding, self._kept = session.run_with_iobinding, binding, kept

    def __call__(self) -> object:
        return self._run(self._binding)


# Some builds report usage to their vendor; what is judged here is nobody else's business.
if hasattr(ort, "disable_telemetry_events"):
    ort.disable_telemetry_events()


def _providers(names: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    return [(name, dict(_PROVIDER_OPTIONS.get(name, {}))) for name in names]


def _layers(session: ort.InferenceSession, exposed: Exposed, feeds: Mapping[str, Array]) -> dict[str, Array]:
    names = [output.name for output in session.get_outputs()]
    values = dict(zip(names, session.run(names, dict(feeds)), strict=True))
    found = {**feeds} | {shown: values.get(name) for name, shown in exposed.names.items()}
    return {
        name: array for name, array in found.items() if isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
    }


def _plain_session_options(folder: Path) -> ort.SessionOptions:
    session = _session_options()
    session.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    # The model comes as bytes; weights that it keeps in files of their own still lie beside it.
    session.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return session


def _session_options() -> ort.SessionOptions:
    session = ort.SessionOptions()
    session.use_deterministic_compute = True
    session.intra_op_num_threads = 1
    session.inter_op_num_threads = 1
    session.log_severity_level = 4
    # Should a provider start threads after all: one that spins while its model is idle steals the other's core.
    session.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session.add_session_config_entry("session.inter_op.allow_spinning", "0")
    session.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return session


def _port(file: str, argument: ort.NodeArg) -> Port:
    if argument.type not in _DTYPES:
        raise ModelRefusedError(
            f"{file}: {argument.name!r} is a {argument.type}; only tensors are judged (a scikit-learn export wants "
            "zipmap=False)"
        )
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in argument.shape)
    return check_items(file, Port(argument.name, _DTYPES[argument.type], shape))


def _memory(name: str, array: Array) -> _Memory:
    """Where the rows of an array lie: name, dtype, shape of a row, address, bytes from row to row."""
    return name, array.dtype, array.shape[1:], array.ctypes.data, array.strides[0]


def _plain(array: Array) -> Array:
    return array.astype(str) if array.dtype.kind == "O" else np.ascontiguousarray(array)


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:_LONGEST]
