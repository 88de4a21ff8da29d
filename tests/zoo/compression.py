"""Compressions as teams use them, done with care. Each takes a network or a model and gives a smaller model."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from .networks import Array, Floats, Network, Stored

BLOCK = 32
"""Weights that share a scale in four bits."""

Weights = npt.NDArray[np.float32]


def fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Half precision inside, float32 at the ports."""
    # A copy: the converter works in place.
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    converted: onnx.ModelProto = convert_float_to_float16(copied, keep_io_types=True)
    return converted


def int8_dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights in eight bits per channel; the ranges of the activations are taken as they come."""
    return _on_disk(model, lambda source, target: quantize_dynamic(source, target, per_channel=True))


def int8_static(model: onnx.ModelProto, calibration: Array) -> onnx.ModelProto:
    """QDQ, weights per channel; the ranges of the activations are those of the calibration items."""

    def quantize(source: Path, target: Path) -> None:
        quantize_static(
            str(source),
            str(target),
            _Calibration(model.graph.input[0].name, calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )

    return _on_disk(model, quantize)


def int8_weights(network: Network) -> Network:
    """Weights in eight bits with a scale a column, made float again as they are used."""

    def stored(name: str, matrix: Floats) -> Stored:
        scale = np.maximum(np.abs(matrix).max(0), 1e-8) / 127
        whole = np.rint(matrix / scale).astype(np.int8)
        kept = [numpy_helper.from_array(whole, f"{name}.q"), numpy_helper.from_array(scale, f"{name}.scale")]
        return kept, [helper.make_node("DequantizeLinear", [f"{name}.q", f"{name}.scale"], [name], axis=1)]

    return replace(network, storage=stored)


def int4_weights(network: Network) -> Network:
    """Weights in four bits with a scale for each 32 of a column; the last layer, which decides, in eight.

    True four-bit tensors of ONNX (opset 21), two weights a byte, written by hand: no MatMulNBits of a vendor.
    """
    last = len(network.layers) - 1

    def stored(name: str, matrix: Floats) -> Stored:
        if name.startswith(f"layer{last}."):
            return int8_weights(network).storage(name, matrix)
        return _four_bits(name, matrix)

    return replace(network, storage=stored)


def _four_bits(name: str, matrix: Floats) -> Stored:
    rows, columns = matrix.shape
    if rows % BLOCK:
        raise ValueError(f"{name} has {rows} rows, which is no multiple of {BLOCK}")
    blocks = matrix.reshape(rows // BLOCK, BLOCK, columns)
    scale = (np.maximum(np.abs(blocks).max(1), 1e-8) / 7).astype(np.float32)
    whole = np.clip(np.rint(blocks / scale[:, None]), -8, 7).astype(np.int8).reshape(rows, columns)
    flat = whole.ravel().astype(np.uint8) & 15
    packed = (flat[0::2] | (flat[1::2] << 4)).tobytes()
    kept = [
        helper.make_tensor(f"{name}.q", TensorProto.INT4, [rows, columns], packed, raw=True),
        numpy_helper.from_array(scale, f"{name}.scale"),
    ]
    node = helper.make_node("DequantizeLinear", [f"{name}.q", f"{name}.scale"], [name], axis=0, block_size=BLOCK)
    return kept, [node]


def pruned(network: Network, share: float) -> Network:
    """This share of each hidden matrix, the smallest weights, set to zero; the last layer is left alone."""

    def cut(matrix: Floats) -> Floats:
        return np.where(np.abs(matrix) < np.quantile(np.abs(matrix), share), 0, matrix).astype(np.float32)

    return replace(network, layers=(*((cut(matrix), bias) for matrix, bias in network.layers[:-1]), network.layers[-1]))


def clustered(network: Network, values: int) -> Network:
    """Each matrix holds at most 256 `values`: a byte an entry says which, a table holds them."""

    def stored(name: str, matrix: Floats) -> Stored:
        table = _centres(matrix.ravel(), values)
        places = _nearest(table, matrix).astype(np.uint8)
        kept = [numpy_helper.from_array(table, f"{name}.table"), numpy_helper.from_array(places, f"{name}.places")]
        return kept, [
            helper.make_node("Cast", [f"{name}.places"], [f"{name}.wide"], to=TensorProto.INT32),
            helper.make_node("Gather", [f"{name}.table", f"{name}.wide"], [name]),
        ]

    return replace(network, storage=stored)


def _centres(weights: Floats, count: int) -> Floats:
    """Lloyd's k-means in one dimension, from quantiles."""
    table = np.quantile(weights, (np.arange(count) + 0.5) / count)
    for _ in range(20):
        places = _nearest(table, weights)
        sums, sizes = (np.bincount(places, by, count) for by in (weights, None))
        table = np.where(sizes > 0, sums / np.maximum(sizes, 1), table)
    return table.astype(np.float32)


def _nearest(table: Floats, weights: Floats) -> npt.NDArray[np.int64]:
    return np.searchsorted((table[1:] + table[:-1]) / 2, weights)


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Feeds calibration items one by one."""

    def __init__(self, name: str, x: Array) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter([{name: x[i : i + 1]} for i in range(len(x))])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def _on_disk(model: onnx.ModelProto, quantize: Callable[[Path, Path], None]) -> onnx.ModelProto:
    """onnxruntime's quantizers read and write files."""
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (Path(folder) / f"{name}.onnx" for name in ("source", "prepared", "target"))
        onnx.save(model, source)
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize(prepared, target)
        return onnx.load(target)
