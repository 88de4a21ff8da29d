"""torch models: what is run is what torch itself would answer, and its layers are told."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from paritygate.judge import first_broken
from paritygate_evaluator.referee.client import Runner
from paritygate_evaluator.runner.layers import DEQUANTISED, QUANTISED, compare_layers
from paritygate_evaluator.runner.runtime import LayeredModel, ModelRefusedError, Options, RunFailedError
from torch import nn

from .processes import children
from .torch_case import (
    IMAGES,
    ROWS,
    TOKENS,
    Attention,
    Classifier,
    Quantised,
    Several,
    Training,
    Weights8,
    export,
    load,
    rewritten,
    with_graph,
)

# Exporting a first model takes seconds of imports: on one worker, not on each.
pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("torch"), pytest.mark.filterwarnings("ignore")]

MODELS: dict[str, tuple[nn.Module, tuple[np.ndarray, ...], tuple[str, ...]]] = {
    "two named outputs": (Classifier(), (IMAGES,), ("scores", "embedding")),
    "8-bit activations": (Quantised(0.02), (ROWS,), ("output",)),
    "8-bit weights": (Weights8(), (ROWS,), ("output",)),
    "several results": (Several(), (ROWS, ROWS[::-1].copy()), ("output_0", "output_1")),
    "tokens": (Attention(), (TOKENS,), ("output",)),
}


@pytest.mark.parametrize("name", MODELS)
def test_an_exported_program_answers_as_torch_does_in_any_order_and_batch(name: str, tmp_path: Path) -> None:
    module, arrays, outputs = MODELS[name]
    given = [torch.from_numpy(array) for array in arrays]
    model = load(export(module.eval(), tmp_path, *(one[:3] for one in given), tokens=name == "tokens"))
    assert (tuple(port.name for port in model.outputs), model.provider) == (outputs, "CPUExecutionProvider")
    assert [port.shape[0] for port in model.inputs] == [None] * len(arrays)
    items = {port.name: array for port, array in zip(model.inputs, arrays, strict=True)}
    with torch.inference_mode():
        result = module(*given)
    expected = [result] if isinstance(result, torch.Tensor) else result.values() if outputs[0] == "scores" else result
    for batch in (1, 16, 128):
        indices = np.random.default_rng(batch).permutation(70)[:61]
        for got, wanted in zip(model.run(items, indices, batch), expected, strict=True):
            np.testing.assert_allclose(got, wanted.numpy()[indices], rtol=2e-5, atol=1e-6)


def test_a_bound_call_runs_what_the_arrays_hold_at_that_moment_with_one_thread(tmp_path: Path) -> None:
    model = load(export(Quantised(0.0).eval(), tmp_path, torch.zeros(3, 8)))
    buffer = ROWS[:2].copy()
    call = model.bound({"x": buffer})
    before = call()[0].numpy().copy()
    buffer[:] = ROWS[2:4]
    after = call()[0].numpy()
    np.testing.assert_array_equal(np.stack([before, after]).reshape(4, 4), model.run({"x": ROWS}, np.arange(4), 2)[0])
    assert torch.get_num_threads() == 1


def test_one_item_must_not_alter_the_next(tmp_path: Path) -> None:
    class Impolite(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.view(-1, 8) * 2

    training = export(Training().train(), tmp_path / "training", torch.zeros(3, 8))
    with pytest.raises(RunFailedError, match="changes its inputs or weights"):
        load(training).run({"x": ROWS}, np.arange(2), 1)
    torch.export.save(torch.export.load(training / "model.pt2").run_decompositions(), training / "model.pt2")
    with pytest.raises(ModelRefusedError, match=r"changes what it was given \(buffer_mutation\).*eval"):
        load(training)
    folder = export(Impolite(), tmp_path / "in-place", torch.zeros(3, 8))
    rewritten(
        folder / "model.pt2",
        with_graph(lambda p: p["graph_module"]["graph"]["nodes"][-1].update(target="torch.ops.aten.mul_.Tensor")),
    )
    with pytest.raises(RunFailedError, match="changes its inputs or weights"):
        load(folder).run({"x": ROWS.copy()}, np.arange(2), 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="here it is in")
def test_a_provider_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    folder = export(Quantised(0.0).eval(), tmp_path, torch.zeros(3, 8))
    for provider in ("CUDAExecutionProvider", "OpenVINOExecutionProvider"):
        with pytest.raises(ModelRefusedError, match=f"{provider} is not in this evaluator.*has CPUExecutionProvider:"):
            load(folder, Options((provider, "CPUExecutionProvider"), 1))


def layers(module: nn.Module, folder: Path, most_bytes: int = 1 << 20) -> dict[str, np.ndarray]:
    model = load(export(module.eval(), folder, torch.zeros(3, 8)))
    assert isinstance(model, LayeredModel)
    return model.intermediate({"x": ROWS[:16]}, most_bytes)


def test_layers_show_where_a_quantised_model_broke(tmp_path: Path) -> None:
    baseline = layers(Quantised(0.0), tmp_path / "baseline")
    assert list(baseline) == ["x", "linear", "relu", "linear_1"]
    good, bad = (layers(Quantised(scale), tmp_path / f"{scale}") for scale in (0.02, 0.001))
    assert list(good) == ["x", "linear", "relu", "relu" + QUANTISED, "relu" + DEQUANTISED, "linear_1"]
    assert good["relu" + QUANTISED].dtype == np.int8
    for candidate, where, cut in ((good, "relu", 0.0), (bad, "relu", 0.3)):
        differences = compare_layers(baseline, candidate)
        assert [difference.name for difference in differences] == ["x", "linear", "relu", "linear_1"]
        broken = differences[first_broken([difference.error for difference in differences]) or 0]
        assert broken.name == where
        assert broken.clipped is not None
        assert broken.clipped >= cut
    assert compare_layers(baseline, good)[2].error < 0.05 < 0.5 < compare_layers(baseline, bad)[2].error


def test_layers_take_no_more_memory_than_they_may(tmp_path: Path) -> None:
    assert len(layers(Quantised(0.0), tmp_path / "a", 10 * 4 * (8 + 32 + 32 + 4))["relu"]) == 10
    with pytest.raises(RunFailedError, match="one item take 304 bytes, at most 100"):
        layers(Quantised(0.0), tmp_path / "b", 100)


def test_two_models_are_judged_in_processes_of_their_own(tmp_path: Path) -> None:
    """Through the real runner: forked before torch is loaded, timed in turns, renewed, their layers told."""
    for role, scale in (("baseline", 0.0), ("candidate", 0.001)):
        export(Quantised(scale).eval(), tmp_path / "models" / role, torch.zeros(3, 8))
    (tmp_path / "inputs" / "0").mkdir(parents=True)
    np.savez(tmp_path / "inputs" / "0" / "i.npz", x=ROWS)
    environment = os.environ | {
        "PARITYGATE_ROOT": str(tmp_path),
        "PARITYGATE_RUNNER": json.dumps({"runtime": "torch", "threads": 2}),
    }
    process = subprocess.Popen([sys.executable, "-m", "paritygate_evaluator.runner"], env=environment)
    try:
        runner = Runner.connect(tmp_path / "socket" / "runner.sock", 60)
        runner.inputs()
        for role in ("baseline", "candidate"):
            assert runner.load(role).runtime.startswith("torch ")
        (got,) = runner.outputs("baseline", np.arange(70), 16)
        with torch.inference_mode():
            np.testing.assert_allclose(got, Quantised(0.0)(torch.from_numpy(ROWS)).numpy(), atol=1e-5)
        assert (runner.latency("candidate", np.array([False]), np.zeros((1, 2), np.int64)) > 0).all()
        once = runner.outputs("candidate", np.arange(70), 16)
        for _ in range(2):
            assert (runner.latency("candidate", np.array([True]), np.zeros((1, 2), np.int64), fresh=True) > 0).all()
            # torch starts no thread when it is opened, so that both are forked where it is open already.
            (template,) = children(process.pid)
            assert len(children(template)) == 2
        np.testing.assert_array_equal(runner.outputs("candidate", np.arange(70), 16), once)
        differences = compare_layers(*runner.layers(np.arange(8)))
        assert differences[first_broken([difference.error for difference in differences]) or 0].name == "relu"
        runner.shutdown()
    finally:
        process.terminate()
        process.wait(10)
