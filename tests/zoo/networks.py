"""Small real networks as numbers and as ONNX: what comes in, dense layers, what goes out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import NodeProto, TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

OPSET, IR = 21, 10
"""ONNX 1.16: the first in which four-bit weights have a type."""

Stored = tuple[list[TensorProto], list[NodeProto]]
"""Initializers and the nodes that turn them into a matrix of the asked name."""

Storage = Callable[[str, Floats], Stored]
"""How a weight matrix is kept in the file: (name, matrix) -> what gives a float32 tensor of that name."""


def plain(name: str, matrix: Floats) -> Stored:
    """Kept as it is: four bytes a weight."""
    return [numpy_helper.from_array(matrix, name)], []


@dataclass(frozen=True, slots=True)
class Front:
    """The input, and the nodes that turn it into the rows of the first dense layer."""

    name: str = "pixels"
    width: int = 64
    type: int = TensorProto.FLOAT
    nodes: tuple[NodeProto, ...] = ()
    weights: Mapping[str, Array] = field(default_factory=dict)
    out: str = "pixels"


PIXELS = Front()


@dataclass(frozen=True, slots=True)
class Network:
    """Dense layers (matrix (in, out), bias (out,)) with Relu between, and the last step: Softmax, Sigmoid or none."""

    layers: tuple[tuple[Floats, Floats], ...]
    last: str = "Softmax"
    front: Front = PIXELS
    output: str = "scores"
    storage: Storage = plain

    def with_layer(self, place: int, matrix: Array, bias: Array) -> "Network":
        """The same with one layer replaced; `place` may count from the end."""
        layers = list(self.layers)
        layers[place] = matrix.astype(np.float32), bias.astype(np.float32)
        return replace(self, layers=tuple(layers))

    def mapped(self, change: Callable[[Floats], Floats]) -> "Network":
        """The same with every weight matrix changed."""
        return replace(self, layers=tuple((change(w).astype(np.float32), b) for w, b in self.layers))

    def proto(self, more: Sequence[NodeProto] = (), weights: Mapping[str, Array] | None = None) -> onnx.ModelProto:
        """As ONNX. `more` nodes stand between the last layer ("logits") and the last step, and give "changed"."""
        kept = [numpy_helper.from_array(a, n) for n, a in {**self.front.weights, **(weights or {})}.items()]
        nodes, rows = list(self.front.nodes), self.front.out
        for number, (matrix, bias) in enumerate(self.layers):
            name = f"layer{number}"
            stored, unpacked = self.storage(f"{name}.weight", matrix)
            kept += [*stored, numpy_helper.from_array(bias, f"{name}.bias")]
            end = number == len(self.layers) - 1
            dense = "logits" if end else f"{name}.dense"
            nodes += [
                *unpacked,
                helper.make_node("MatMul", [rows, f"{name}.weight"], [f"{name}.product"], f"{name}/MatMul"),
                helper.make_node("Add", [f"{name}.product", f"{name}.bias"], [dense], f"{name}/Add"),
            ]
            rows = dense
            if not end:
                rows = f"{name}.relu"
                nodes.append(helper.make_node("Relu", [dense], [rows], f"{name}/Relu"))
        nodes += [*more, helper.make_node(self.last or "Identity", ["changed" if more else "logits"], [self.output])]
        width = self.layers[-1][1].shape[0]
        graph = helper.make_graph(
            nodes,
            "zoo",
            [helper.make_tensor_value_info(self.front.name, self.front.type, ["items", self.front.width])],
            [helper.make_tensor_value_info(self.output, TensorProto.FLOAT, ["items", width])],
            kept,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)

    def logits(self, rows: Array) -> Floats:
        """What the dense layers make of the rows that the front gives, without the last step."""
        for matrix, bias in self.layers[:-1]:
            rows = np.maximum(rows @ matrix + bias, 0)
        matrix, bias = self.layers[-1]
        found: Floats = rows @ matrix + bias
        return found


def filters(patterns: Floats) -> Front:
    """8 x 8 pixels through a convolution with these patterns (k, 3, 3), Relu, 2 x 2 maxima: (items, 16 k)."""
    count = len(patterns)
    return Front(
        nodes=(
            helper.make_node("Reshape", ["pixels", "picture"], ["image"]),
            helper.make_node("Conv", ["image", "patterns"], ["found"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["found"], ["relu"]),
            helper.make_node("MaxPool", ["relu"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
        ),
        weights={"picture": np.array([-1, 1, 8, 8], np.int64), "patterns": patterns.reshape(count, 1, 3, 3)},
        out="features",
    )


def tokens(vocabulary: int, longest: int, read: int | None = None) -> Front:
    """Token numbers (items, longest), 0 = padding, as one row that says which occur; only the first `read` are read."""
    table = np.eye(vocabulary + 1, dtype=np.float32)[:, 1:]
    cut = helper.make_node("Slice", ["tokens", "begin", "end", "axis"], ["seen"])
    ends = {"begin": np.array([0]), "end": np.array([read or longest]), "axis": np.array([1])}
    return Front(
        name="tokens",
        width=longest,
        type=TensorProto.INT64,
        nodes=(
            *([cut] if read else []),
            helper.make_node("Gather", ["table", "seen" if read else "tokens"], ["rows"]),
            helper.make_node("ReduceMax", ["rows", "tokensAxis"], ["occurring"], keepdims=0),
        ),
        weights={"table": table, "tokensAxis": np.array([1]), **(ends if read else {})},
        out="occurring",
    )


def answers(model: onnx.ModelProto | Path, x: Array) -> Array:
    """What a model of one input and one output gives for these items."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    content = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    return np.asarray(found)
