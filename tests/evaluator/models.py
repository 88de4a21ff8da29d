"""Models whose every answer the test chooses: they read it from the inputs.

An item is [what the baseline answers | what the candidate answers], scores of `CLASSES` classes each. The baseline
copies the first half, the candidate the second.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 4
WIDTH = 2 * CLASSES


def copying(
    half: int,
    *,
    inputs: str = "x",
    outputs: str = "scores",
    width: int = WIDTH,
    classes: int = CLASSES,
    dtype: int = TensorProto.FLOAT,
    rows: int | str = "items",
    flat: bool = False,
) -> onnx.ModelProto:
    """A model that copies one half of its input; the keywords make it differ from the others in one thing."""
    take = np.zeros((width, classes), np.float32)
    for i in range(min(classes, CLASSES)):
        take[half * CLASSES + i, i] = 1
    nodes = [helper.make_node("MatMul", ["cast" if dtype != TensorProto.FLOAT else inputs, "take"], ["copied"])]
    if dtype != TensorProto.FLOAT:
        nodes.insert(0, helper.make_node("Cast", [inputs], ["cast"], to=TensorProto.FLOAT))
    if flat:
        nodes.append(helper.make_node("ReduceSum", ["copied"], [outputs], keepdims=0))
        out = helper.make_tensor_value_info(outputs, TensorProto.FLOAT, None)
    else:
        nodes.append(helper.make_node("Identity", ["copied"], [outputs]))
        out = helper.make_tensor_value_info(outputs, TensorProto.FLOAT, [rows, classes])
    graph = helper.make_graph(
        nodes,
        "copying",
        [helper.make_tensor_value_info(inputs, dtype, [rows, width])],
        [out],
        [numpy_helper.from_array(take, "take")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def exploding() -> onnx.ModelProto:
    """As `copying(1)`, e to the power of its scores: infinite where an input is above 89."""
    model = copying(1)
    model.graph.node[-1].CopyFrom(helper.make_node("Exp", ["copied"], ["scores"]))
    return model


def save(model: onnx.ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """The model as a file in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / name)
    return folder / name


def answers(baseline: Sequence[int], candidate: Sequence[int]) -> np.ndarray:
    """Inputs with which the two models answer so, no two of them the same: they would be one item's evidence."""
    rows = np.arange(len(baseline))
    x = np.tile(-1e-6 * rows[:, None], WIDTH).astype(np.float32)
    x[rows, np.asarray(baseline)] = 5
    x[rows, CLASSES + np.asarray(candidate)] = 5
    return x


def overflowing() -> onnx.ModelProto:
    """As `copying(1)`, its scores squared: infinite where an input is huge."""
    model = copying(1)
    model.graph.node[-1].CopyFrom(helper.make_node("Mul", ["copied", "copied"], ["scores"]))
    return model
