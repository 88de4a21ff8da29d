"""An ONNX file with every tensor that it computes as an output.

Without the onnx package: a protobuf message that is written twice is merged, so the outputs are appended to the file
as a second graph that holds nothing else. Field numbers are those of onnx.proto3.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .layers import DEQUANTISED, QUANTISED
from .onnx_preflight import (
    GRAPH_NODE,
    GRAPH_OUTPUT,
    MODEL_GRAPH,
    NODE_INPUT,
    NODE_OPERATOR,
    NODE_OUTPUT,
    VALUE_NAME,
    fields,
    text,
)
from .runtime import RunFailedError

_LENGTH_DELIMITED = 2
_RENAMED = "_QuantizeLinear_Input"
"""What onnxruntime's quantiser adds to the name of a model's output, when it gives that to the dequantised one."""
_SILENT = frozenset({"Constant"})
"""Operators whose output is part of the file, not computed."""


@dataclass(frozen=True, slots=True)
class Exposed:
    """A model that shows its layers."""

    model: bytes
    names: Mapping[str, str]
    """Output of `model` -> the name to show it by, in the order of computing. Of all outputs, those of the model itself
    included; without its inputs and weights."""


@dataclass(frozen=True, slots=True)
class _Node:
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def expose(file: Path) -> Exposed:
    """The model in `file`, which has passed the pre-flight. Raises RunFailedError when it is not what it was then."""
    model = file.read_bytes()
    try:
        nodes, own = _graph(memoryview(model))
    except ValueError as error:
        raise RunFailedError(f"{file.name} can't be read again ({error})") from error
    names = _shown(nodes)
    added = b"".join(_field(GRAPH_OUTPUT, _field(VALUE_NAME, name.encode())) for name in names if name not in own)
    return Exposed(model + _field(MODEL_GRAPH, added), names)


def _graph(model: memoryview) -> tuple[list[_Node], set[str]]:
    nodes: list[_Node] = []
    outputs: set[str] = set()
    for number, graph in fields(model):
        if number == MODEL_GRAPH:
            for kind, value in fields(graph):
                if kind == GRAPH_NODE:
                    nodes.append(_node(value))
                elif kind == GRAPH_OUTPUT:
                    outputs |= {text(v) for n, v in fields(value) if n == VALUE_NAME}
    return nodes, outputs


def _node(data: memoryview) -> _Node:
    found: dict[int, list[str]] = {NODE_INPUT: [], NODE_OUTPUT: [], NODE_OPERATOR: []}
    for number, value in fields(data):
        if number in found:
            found[number].append(text(value))
    return _Node("".join(found[NODE_OPERATOR]), tuple(found[NODE_INPUT]), tuple(found[NODE_OUTPUT]))


def _shown(nodes: list[_Node]) -> dict[str, str]:
    """A file keeps its nodes in an order in which they can be computed."""
    names: dict[str, str] = {}
    quantised: dict[str, str] = {}
    taken: set[str] = set()
    for node in nodes:
        for output in filter(None, node.outputs if node.operator not in _SILENT else ()):
            shown = output.removesuffix(_RENAMED)
            if node.operator == "QuantizeLinear":
                quantised[output] = node.inputs[0].removesuffix(_RENAMED)
                shown = quantised[output] + QUANTISED
            elif node.operator == "DequantizeLinear" and node.inputs[0] in quantised:
                shown = quantised[node.inputs[0]] + DEQUANTISED
            # Some tools write one pair of nodes for each reader of a tensor; all of these hold the same.
            if shown not in taken:
                taken.add(shown)
                names[output] = shown
    return names


def _field(number: int, content: bytes) -> bytes:
    return bytes([*_varint(number << 3 | _LENGTH_DELIMITED), *_varint(len(content))]) + content


def _varint(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
