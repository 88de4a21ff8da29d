"""Look at an ONNX file before any runtime does: what it would open, what code it would call.

A hand-written reader of the few protobuf fields that matter. It never holds a weight, follows no path and runs before
the runtime's parser sees a byte. Field numbers are those of onnx.proto3.
"""

import mmap
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .runtime import ModelRefusedError

TRUSTED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
_FOREIGN_CODE = frozenset({"PyOp", "PythonOp"})
_DEEPEST = 64
"""Graphs within nodes within graphs. Real models nest a handful."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# message: field numbers
MODEL_GRAPH, _MODEL_FUNCTIONS, _MODEL_OPSETS = 7, 25, 8
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_OUTPUT, GRAPH_SPARSE = 1, 5, 12, 15
NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
VALUE_NAME = 1
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES = 22, 23
_FUNCTION_NAME, _FUNCTION_NODE, _FUNCTION_DOMAIN = 1, 7, 10
_SPARSE_VALUES, _SPARSE_INDICES = 1, 2
_TENSOR_EXTERNAL = 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2


@dataclass(slots=True)
class Contents:
    """What a model refers to."""

    operators: set[tuple[str, str]] = field(default_factory=set)
    """(domain, operator) of every node, in subgraphs and functions too."""
    functions: set[tuple[str, str]] = field(default_factory=set)
    """(domain, name) of the functions that the model brings itself, in ONNX."""
    external: list[dict[str, str]] = field(default_factory=list)
    """location, offset, length of every tensor kept in another file."""


def model_file(folder: Path) -> Path:
    """`model.onnx`, or the only `*.onnx`. Raises ModelRefusedError."""
    named = folder / "model.onnx"
    if named.is_file():
        return named
    candidates = sorted(folder.rglob("*.onnx"))
    if len(candidates) == 1:
        return candidates[0]
    names = ", ".join(p.name for p in candidates[:5]) or ", ".join(sorted(p.name for p in folder.iterdir())[:5])
    found = f"{len(candidates) or 'no'} .onnx files ({names or 'it is empty'})"
    raise ModelRefusedError(f"the artefact holds {found}; it must hold model.onnx, or only one")


def check(file: Path, root: Path) -> None:
    """Refuse a model that is no ONNX, brings foreign code, or points at files outside `root`.

    Raises ModelRefusedError naming the operator or the file.
    """
    if not file.stat().st_size:
        raise ModelRefusedError(f"{file.name} is empty: the upload was cut off?")
    contents, problem = None, ""
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        view = memoryview(data)
        try:
            contents = read(view)
        except ValueError as error:
            # Not raised from here: the traceback would hold slices of the map, which then can't be closed.
            problem = str(error)
        finally:
            view.release()
    if contents is None:
        raise ModelRefusedError(f"{file.name} is not a readable ONNX file ({problem}): truncated?")
    for domain, operator in sorted(contents.operators):
        if operator in _FOREIGN_CODE:
            raise ModelRefusedError(f"{file.name} calls {operator}, which runs Python code: refused")
        if domain not in TRUSTED_DOMAINS and (domain, operator) not in contents.functions:
            raise ModelRefusedError(
                f"{file.name} uses operator {operator} of domain {domain!r}, which is not part of ONNX: it would need "
                "native code in the evaluator; export the model with standard operators"
            )
    for reference in contents.external:
        _check_external(file, root, reference)


def read(data: memoryview) -> Contents:
    """What a serialized ModelProto refers to. Raises ValueError when it is malformed."""
    contents = Contents()
    has_graph = has_opsets = False
    for number, value in fields(data):
        if number == MODEL_GRAPH:
            has_graph = True
            _graph(value, contents, 0)
        elif number == _MODEL_OPSETS:
            has_opsets = True
        elif number == _MODEL_FUNCTIONS:
            _function(value, contents)
    if not (has_graph and has_opsets):
        raise ValueError("no graph in it")
    return contents


def _graph(data: memoryview, contents: Contents, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"graphs nested deeper than {_DEEPEST}")
    for number, value in fields(data):
        if number == GRAPH_NODE:
            _node(value, contents, depth)
        elif number == GRAPH_INITIALIZER:
            _tensor(value, contents)
        elif number == GRAPH_SPARSE:
            _sparse(value, contents)


def _function(data: memoryview, contents: Contents) -> None:
    name = domain = ""
    for number, value in fields(data):
        if number == _FUNCTION_NODE:
            _node(value, contents, 0)
        elif number == _FUNCTION_NAME:
            name = text(value)
        elif number == _FUNCTION_DOMAIN:
            domain = text(value)
    contents.functions.add((domain, name))


def _node(data: memoryview, contents: Contents, depth: int) -> None:
    operator = domain = ""
    for number, value in fields(data):
        if number == NODE_OPERATOR:
            operator = text(value)
        elif number == NODE_DOMAIN:
            domain = text(value)
        elif number == NODE_ATTRIBUTE:
            _attribute(value, contents, depth)
    contents.operators.add((domain, operator))


def _attribute(data: memoryview, contents: Contents, depth: int) -> None:
    for number, value in fields(data):
        if number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            _graph(value, contents, depth + 1)
        elif number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _tensor(value, contents)
        elif number in (_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES):
            _sparse(value, contents)


def _sparse(data: memoryview, contents: Contents) -> None:
    for number, value in fields(data):
        if number in (_SPARSE_VALUES, _SPARSE_INDICES):
            _tensor(value, contents)


def _tensor(data: memoryview, contents: Contents) -> None:
    reference: dict[str, str] = {}
    for number, value in fields(data):
        if number == _TENSOR_EXTERNAL:
            entry = {n: text(v) for n, v in fields(value) if n in (_ENTRY_KEY, _ENTRY_VALUE)}
            reference[entry.get(_ENTRY_KEY, "")] = entry.get(_ENTRY_VALUE, "")
    if reference:
        contents.external.append(reference)


def fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Length-delimited fields of a message as (number, content); the others are skipped. Raises ValueError."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _BYTES:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ValueError(f"a field of {length:,} bytes where {len(data) - at:,} are left")
            yield number, data[at : at + length]
            at += length
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
            if at > len(data):
                raise ValueError("it ends inside a number")
        else:
            raise ValueError(f"a field of unknown wire type {kind}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number that never ends")


def text(value: memoryview) -> str:
    """A name in a message; what is absurdly long is cut."""
    return bytes(value[:4096]).decode("utf-8", "replace")


def _check_external(file: Path, root: Path, reference: dict[str, str]) -> None:
    location = reference.get("location", "")
    path = file.parent / location
    if not location or Path(location).is_absolute() or ".." in Path(location).parts:
        raise ModelRefusedError(f"{file.name} keeps weights in {location!r}, which leaves the artefact: refused")
    try:
        status = path.lstat()
    except OSError as error:
        raise ModelRefusedError(
            f"{file.name} keeps weights in {location!r}, which the artefact does not hold; upload both files"
        ) from error
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or not path.resolve().is_relative_to(root.resolve()):
        raise ModelRefusedError(f"{file.name} keeps weights in {location!r}, which is a link: refused")
    offset, length = reference.get("offset", "0"), reference.get("length", "0")
    if not (offset.isdecimal() and length.isdecimal()) or int(offset) + int(length) > status.st_size:
        raise ModelRefusedError(
            f"{file.name} wants bytes {offset} + {length} of {location!r}, which holds {status.st_size:,}: truncated?"
        )
