"""A model file is looked at before any runtime sees it."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from paritygate_evaluator.runner.onnx_preflight import check, model_file, read
from paritygate_evaluator.runner.runtime import ModelRefusedError

from .models import copying, save


def with_weights_in(location: str, offset: int = 0, length: int = 128) -> onnx.ModelProto:
    model = copying(0)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return model


def with_node(domain: str, operator: str) -> onnx.ModelProto:
    model = copying(0)
    model.graph.node.append(helper.make_node(operator, ["x"], ["y"], domain=domain))
    return model


def nested(domain: str, operator: str) -> onnx.ModelProto:
    """The operator in a branch of an If."""
    inner = helper.make_graph([helper.make_node(operator, ["x"], ["y"], domain=domain)], "inner", [], [])
    model = copying(0)
    model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner))
    return model


def hidden_in_attribute(location: str) -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "c")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    model = copying(0)
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    return model


def symlinked(folder: Path) -> None:
    (folder / "w.bin").symlink_to(folder.parent / "outside.bin")


def hardlinked(folder: Path) -> None:
    os.link(folder.parent / "outside.bin", folder / "w.bin")


def linked_parent(folder: Path) -> None:
    (folder / "sub").symlink_to(folder.parent)


def present(folder: Path) -> None:
    (folder / "w.bin").write_bytes(b"\0" * 128)


def nothing(_: Path) -> None:
    pass


REFUSED: list[tuple[str, onnx.ModelProto, Callable[[Path], None], str]] = [
    ("parent folder", with_weights_in("../outside.bin"), nothing, "leaves the artefact"),
    ("absolute path", with_weights_in("/etc/hostname"), nothing, "leaves the artefact"),
    ("no location", with_weights_in(""), nothing, "leaves the artefact"),
    ("link", with_weights_in("w.bin"), symlinked, "is a link"),
    ("hard link", with_weights_in("w.bin"), hardlinked, "is a link"),
    ("linked folder", with_weights_in("sub/outside.bin"), linked_parent, "is a link"),
    ("not there", with_weights_in("w.bin"), nothing, "does not hold; upload both files"),
    ("beyond the end", with_weights_in("w.bin", offset=64), present, "truncated?"),
    ("negative offset", with_weights_in("w.bin", offset=-1), present, "wants bytes -1"),
    ("in an attribute", hidden_in_attribute("../outside.bin"), nothing, "leaves the artefact"),
    ("foreign domain", with_node("acme", "Mine"), nothing, "operator Mine of domain 'acme'"),
    ("foreign domain, nested", nested("acme", "Mine"), nothing, "operator Mine of domain 'acme'"),
    ("python", with_node("", "PyOp"), nothing, "runs Python code"),
]


@pytest.mark.parametrize(("what", "model", "prepare", "said"), REFUSED, ids=[r[0] for r in REFUSED])
def test_a_hostile_model_is_refused(
    tmp_path: Path, what: str, model: onnx.ModelProto, prepare: Callable[[Path], None], said: str
) -> None:
    (tmp_path / "outside.bin").write_bytes(b"\0" * 128)
    file = save(model, tmp_path / "artefact")
    prepare(file.parent)
    with pytest.raises(ModelRefusedError, match=said):
        check(file, file.parent)


def with_function() -> onnx.ModelProto:
    model = with_node("exporter", "Doubled")
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    model.functions.append(
        helper.make_function("exporter", "Doubled", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    )
    return model


@pytest.mark.parametrize(
    ("model", "prepare"),
    [
        (copying(0), nothing),
        (with_weights_in("w.bin"), present),
        (with_node("com.microsoft", "QLinearAdd"), nothing),
        (with_function(), nothing),
    ],
    ids=["plain", "weights beside it", "quantized operators", "functions of its own"],
)
def test_an_honest_model_is_taken(tmp_path: Path, model: onnx.ModelProto, prepare: Callable[[Path], None]) -> None:
    file = save(model, tmp_path / "artefact")
    prepare(file.parent)
    check(file, file.parent)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_order(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(memoryview(b"\x0f" + data))


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_model_is_read_or_refused_never_a_crash(place: int, byte: int) -> None:
    data = bytearray(copying(0).SerializeToString())
    data[place % len(data)] = byte
    with contextlib.suppress(ValueError):
        read(memoryview(bytes(data)))


def test_graphs_without_end_are_refused() -> None:
    data = b""
    for _ in range(200):
        attribute = b"\x32" + varint(len(data)) + data  # graph
        node = b"\x2a" + varint(len(attribute)) + attribute
        data = b"\x0a" + varint(len(node)) + node
    with pytest.raises(ValueError, match="nested deeper"):
        read(memoryview(b"\x3a" + varint(len(data)) + data + b"\x42\x00"))


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def test_the_model_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match=r"holds no \.onnx files"):
        model_file(tmp_path)
    (tmp_path / "a.onnx").write_text("a")
    assert model_file(tmp_path).name == "a.onnx"
    (tmp_path / "b.onnx").write_text("b")
    with pytest.raises(ModelRefusedError, match=r"holds 2 \.onnx files \(a.onnx, b.onnx\)"):
        model_file(tmp_path)
    (tmp_path / "model.onnx").write_text("m")
    assert model_file(tmp_path).name == "model.onnx"


def test_a_model_cut_off_anywhere_is_refused_as_truncated(tmp_path: Path) -> None:
    model = copying(1)
    model.graph.initializer.append(numpy_helper.from_array(np.ones((64, 64), np.float32), "large"))
    whole = model.SerializeToString()
    for length in range(1, len(whole), 997):
        (tmp_path / "model.onnx").write_bytes(whole[:length])
        with pytest.raises(ModelRefusedError, match="not a readable ONNX file"):
            check(tmp_path / "model.onnx", tmp_path)
