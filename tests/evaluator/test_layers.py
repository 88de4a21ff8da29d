"""Where a candidate breaks: both models' tensors by name, and how far apart they are."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from paritygate.judge import first_broken
from paritygate_evaluator.runner.layers import (
    DEQUANTISED,
    QUANTISED,
    LayerDifference,
    clipped,
    compare_layers,
    saturation,
)
from paritygate_evaluator.runner.layers_onnx import expose
from paritygate_evaluator.runner.runtime import LayeredModel, Options, RunFailedError, runtime

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 8)).astype(np.float32)
ONES = np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    ("candidate", "error"),
    [
        (ONES, 0.0),
        (ONES * 1.5, 0.5),
        (ONES.astype(np.float16), 0.0),
        (np.where(np.arange(12).reshape(4, 3) == 5, np.nan, ONES), np.inf),
        (ONES[:2] * 2, 1.0),
    ],
    ids=["equal", "half as much again", "half precision", "one is no number", "fewer items"],
)
def test_the_error_is_relative_to_the_baselines_size(candidate: np.ndarray, error: float) -> None:
    (difference,) = compare_layers({"a": ONES}, {"a": candidate})
    assert difference == LayerDifference("a", 0, error, None)


@pytest.mark.parametrize(
    ("baseline", "candidate", "error"),
    [
        (np.zeros(3, np.float32), np.zeros(3, np.float32), 0.0),
        (np.zeros(3, np.float32), np.ones(3, np.float32), np.inf),
        (np.array([np.inf, 1], np.float32), np.array([np.inf, 1], np.float32), 0.0),
    ],
    ids=["nothing and nothing", "something from nothing", "infinite in both"],
)
def test_edges_of_the_error(baseline: np.ndarray, candidate: np.ndarray, error: float) -> None:
    assert compare_layers({"a": baseline}, {"a": candidate})[0].error == error


def test_only_tensors_that_both_compute_are_compared_in_the_baselines_order() -> None:
    baseline = {"first": ONES, "fused": ONES, "ids": np.ones((4, 3), np.int64), "second": ONES, "wide": ONES}
    candidate = {"second": ONES, "first": ONES * 2, "new": ONES, "wide": np.ones((4, 9), np.float32)}
    assert [(d.name, d.place, d.error) for d in compare_layers(baseline, candidate)] == [
        ("first", 0, 1.0),
        ("second", 3, 0.0),
    ]


def test_a_quantised_tensor_is_compared_as_the_next_layer_gets_it() -> None:
    quantised = {"a": ONES, "a" + QUANTISED: np.full((4, 3), 127, np.int8), "a" + DEQUANTISED: ONES / 2}
    assert compare_layers({"a": ONES}, quantised) == (LayerDifference("a", 0, 0.5, 1.0),)


def test_saturation_counts_the_ends_of_the_range_and_clipped_only_what_was_cut_off() -> None:
    original = np.array([-1.0, 0.0, 0.5, 1.0, 9.0], np.float32)
    q = np.array([0, 0, 127, 255, 255], np.uint8)
    dequantised = q.astype(np.float32) / 255
    assert saturation(q) == 0.8
    # -1 and 9 lie outside 0 to 1; 0 and 1 are its ends, and 0.5 is rounded.
    assert clipped(original, q, dequantised) == 0.4
    assert saturation(q.astype(np.int32)) is None
    assert clipped(original, original, original) is None
    assert clipped(np.array([3.0, 1.0]), np.array([127, 127], np.int8), np.array([1.0, 1.0])) == 0.5


def network(name: str = "hidden") -> onnx.ModelProto:
    """Two layers; a constant, a list and an operator with a part that nobody reads, none of which is a layer."""
    rng = np.random.default_rng(1)
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), key)
        for key, shape in (("w0", (8, 32)), ("w1", (32, 4)))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["first"]),
        helper.make_node("Relu", ["first"], [name]),
        helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.array([16, 16], np.int64), "t")),
        helper.make_node("SplitToSequence", [name, "two"], ["parts"], axis=1),
        helper.make_node("ConcatFromSequence", ["parts"], ["whole"], axis=1),
        helper.make_node("MatMul", ["whole", "w1"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["items", 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["items", 4])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Calibration(CalibrationDataReader):
    """These items, once."""

    def __init__(self, items: np.ndarray) -> None:
        self._batches = iter([{"x": items}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def layers(folder: Path, most_bytes: int = 1 << 20) -> dict[str, np.ndarray]:
    model = runtime("onnxruntime").load(folder, Options(("CPUExecutionProvider",), 1))
    assert isinstance(model, LayeredModel)
    return model.intermediate({"x": X}, most_bytes)


def quantised(source: Path, folder: Path, calibration: np.ndarray) -> Path:
    folder.mkdir()
    quantize_static(
        source,
        folder / "model.onnx",
        Calibration(calibration),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        op_types_to_quantize=["MatMul", "Relu"],
    )
    return folder


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    folder = tmp_path / "baseline"
    folder.mkdir()
    onnx.save(network(), folder / "model.onnx")
    return folder


def test_every_tensor_of_an_onnx_model_is_shown_as_it_is_computed(baseline: Path) -> None:
    shown = layers(baseline)
    weights = {t.name: numpy_helper.to_array(t) for t in network().graph.initializer}
    first = X @ weights["w0"]
    hidden = first.clip(0)
    expected = {"x": X, "first": first, "hidden": hidden, "whole": hidden, "scores": hidden @ weights["w1"]}
    assert list(shown) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(shown[name], array, rtol=1e-4, atol=1e-4)


def test_the_exposed_model_is_what_the_onnx_package_reads_too(baseline: Path) -> None:
    exposed = onnx.load_from_string(expose(baseline / "model.onnx").model)
    assert [output.name for output in exposed.graph.output] == ["scores", "first", "hidden", "parts", "whole"]
    assert len(exposed.graph.node) == 6


def test_weights_in_another_file_are_found(tmp_path: Path) -> None:
    onnx.save(network(), tmp_path / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").stat().st_size
    assert list(layers(tmp_path)) == ["x", "first", "hidden", "whole", "scores"]


def test_a_badly_calibrated_model_breaks_at_the_layer_that_is_cut_off(baseline: Path, tmp_path: Path) -> None:
    before = layers(baseline)
    source = baseline / "model.onnx"
    good = compare_layers(before, layers(quantised(source, tmp_path / "good", X)))
    bad = compare_layers(before, layers(quantised(source, tmp_path / "bad", X * 0.1)))
    # The quantiser makes the activation part of the first layer: that one's own output is no more.
    assert [difference.name for difference in good] == ["x", "hidden", "whole", "scores"]
    assert max(difference.error for difference in good) < 0.1
    broken = bad[first_broken([difference.error for difference in bad]) or 0]
    assert broken.name == "x"
    assert broken.error > 0.5
    assert broken.clipped is not None
    assert broken.clipped > 0.8
    assert all(difference.clipped == 0 for difference in good)


def test_layers_take_no_more_memory_than_they_may(baseline: Path) -> None:
    item = 4 * (8 + 32 + 32 + 32 + 4)
    assert len(layers(baseline, 5 * item + 1)["first"]) == 5
    with pytest.raises(RunFailedError, match=f"one item take {item} bytes, at most {item - 1}"):
        layers(baseline, item - 1)
