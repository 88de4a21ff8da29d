"""torch models: what is run is what torch itself would answer; what could run code is refused before torch sees it."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paritygate.judge import first_broken
from paritygate_evaluator.referee.client import Runner
from paritygate_evaluator.runner.layers import DEQUANTISED, QUANTISED, compare_layers
from paritygate_evaluator.runner.runtime import (
    FORMATS,
    LayeredModel,
    LoadedModel,
    ModelRefusedError,
    Options,
    OutputShapeError,
    RunFailedError,
    runtime,
)
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

# Exporting a first model takes seconds of imports: on one worker, not on each.
pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("torch"), pytest.mark.filterwarnings("ignore")]

CPU = Options(("CPUExecutionProvider",), threads=3)
QDQ = torch.ops.quantized_decomposed


class Classifier(nn.Module):
    """Convolution, batch norm, an operation in place, a size that depends on the items; two named outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        pooled = functional.relu_(self.norm(self.conv(x))).mean((2, 3)).view(x.shape[0], -1)
        return {"scores": self.head(pooled).softmax(-1), "embedding": pooled}


class Quantised(nn.Module):
    """Two layers, activations in 8 bits; the smaller the scale, the more of the hidden layer is cut off."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.scale = nn.Linear(8, 32), nn.Linear(32, 4), scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu(self.first(x))
        if self.scale:
            q = QDQ.quantize_per_tensor.default(hidden, self.scale, -128, -128, 127, torch.int8)
            hidden = QDQ.dequantize_per_tensor.default(q, self.scale, -128, -128, 127, torch.int8)
        return self.second(hidden)


class Weights8(nn.Module):
    """A linear layer whose weights are 8-bit integers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randint(-127, 127, (16, 8), dtype=torch.int8))
        self.register_buffer("scale", torch.rand(16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch._weight_int8pack_mm(x, self.weight, self.scale)


class Several(nn.Module):
    """Operators with several results, lists, optional arguments and constants."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, places = torch.topk(torch.cat([x, y], -1), 3)
        left, right = values.split([1, 2], -1)
        return functional.hardtanh(left * float("inf")), places[:, [0, 2]] + right.sum(-1, keepdim=True)


class Attention(nn.Module):
    """As many tokens as there are."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.layer = nn.Embedding(20, 16), nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layer(self.tokens(tokens) * (tokens.shape[1] ** 0.5)).mean(1)


class Training(nn.Module):
    """Alters its weights by what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def export(module: nn.Module, folder: Path, *given: torch.Tensor, fixed: bool = False, tokens: bool = False) -> Path:
    """The module as the only model of an artefact."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes: Any = {0: torch.export.Dim.DYNAMIC, **({1: torch.export.Dim.DYNAMIC} if tokens else {})}
    shapes = None if fixed else tuple(sizes for _ in given)
    torch.export.save(torch.export.export(module, given, dynamic_shapes=shapes), folder / "model.pt2")
    return folder


def load(folder: Path, options: Options = CPU) -> LoadedModel:
    return runtime("torch").load(folder, options)


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """The archive with other contents."""
    with zipfile.ZipFile(file) as archive:
        entries = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"model/{name}", content)


def with_graph(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    """A change of the program's JSON."""

    def rewrite(entries: dict[str, bytes]) -> None:
        program = json.loads(entries["models/model.json"])
        change(program)
        entries["models/model.json"] = json.dumps(program).encode()

    return rewrite


def with_target(target: str) -> Callable[[dict[str, bytes]], None]:
    return with_graph(lambda program: program["graph_module"]["graph"]["nodes"][0].update(target=target))


class Canary:
    """Unpickled, it leaves a file behind."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(70, 3, 9, 9)).astype(np.float32)
ROWS = RNG.normal(size=(70, 8)).astype(np.float32)
TOKENS = RNG.integers(0, 20, (70, 6))
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


TARGETS = (
    "torch.load",
    "torch.os.system",
    "torch.ops.load_library",
    "torch.ops.aten.from_file.default",
    "torch.ops.aten.save.default",
    "torch.ops.aten.set_.source_Tensor",
    "torch.ops.aten._sparse_coo_tensor_unsafe.default",
    "torch.ops.aten.linear",
    "torch.ops.aten.linear.default.__class__",
    "torch.ops.higher_order.cond",
    "torch.ops.mine.secret.default",
    "#mine:secret",
)


@pytest.mark.parametrize("target", TARGETS)
def test_a_graph_calls_known_operators_only(target: str, tmp_path: Path) -> None:
    folder = export(Quantised(0.0).eval(), tmp_path, torch.zeros(3, 8))
    rewritten(folder / "model.pt2", with_target(target))
    with pytest.raises(ModelRefusedError, match=r"model\.pt2 calls " + target.replace(".", r"\.")):
        load(folder)


def test_nothing_of_an_archive_is_unpickled_or_evaluated(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    folder = export(Quantised(0.0).eval(), tmp_path / "model", torch.zeros(3, 8))
    evil = f"__import__('pathlib').Path({str(canary)!r}).touch()"

    def poison(entries: dict[str, bytes]) -> None:
        entries["data/sample_inputs/model.pt"] = pickle.dumps(Canary(canary))
        program = json.loads(entries["models/model.json"])
        program["guards_code"] = [evil]
        for meta in program["graph_module"]["graph"]["tensor_values"].values():
            for size in meta["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = evil
        entries["models/model.json"] = json.dumps(program).encode()

    rewritten(folder / "model.pt2", poison)
    assert evil in zipfile.ZipFile(folder / "model.pt2").read("model/models/model.json").decode()
    load(folder).run({"x": ROWS}, np.arange(3), 3)
    assert not canary.exists()


def pickled_weight(entries: dict[str, bytes]) -> None:
    config = json.loads(entries["data/weights/model_weights_config.json"])
    config["config"]["first.weight"]["use_pickle"] = True
    entries["data/weights/model_weights_config.json"] = json.dumps(config).encode()


def short_weight(entries: dict[str, bytes]) -> None:
    entries["data/weights/weight_0"] = entries["data/weights/weight_0"][:-4]


def compiled(entries: dict[str, bytes]) -> None:
    entries["data/aotinductor/model/a.so"] = b"\x7fELF"


def older(entries: dict[str, bytes]) -> None:
    with_graph(lambda program: program["schema_version"].update(major=7))(entries)


DAMAGE: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "pickled weight": (pickled_weight, "'first.weight' as a pickle"),
    "short weight": (short_weight, "malformed .*storage"),
    "compiled code": (compiled, r"compiled code .*a\.so"),
    "code for another runtime": (lambda e: e.update({"data/executorch/a.pte": b"ET12"}), r"compiled code .*a\.pte"),
    "another format": (older, "version 7 of the format"),
    "no graph": (lambda entries: entries.pop("models/model.json"), "holds 0 programs"),
    "no JSON": (lambda entries: entries.update({"models/model.json": b"[" * 100_000}), "no JSON"),
    "an unknown input": (
        with_graph(lambda p: p["graph_module"]["signature"]["input_specs"][0].update(custom_obj={})),
        "malformed",
    ),
    "a graph within a graph": (
        with_graph(
            lambda p: p["graph_module"]["graph"]["nodes"][0]["inputs"][0].update(arg={"as_graph": {"name": "g"}})
        ),
        "as_graph",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_archive_is_refused_with_what_is_wrong(kind: str, tmp_path: Path) -> None:
    change, says = DAMAGE[kind]
    folder = export(Quantised(0.0).eval(), tmp_path, torch.zeros(3, 8))
    rewritten(folder / "model.pt2", change)
    with pytest.raises(ModelRefusedError, match=says):
        load(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(Quantised(0.02).eval(), tmp_path_factory.mktemp("whole"), torch.zeros(3, 8)) / "model.pt2"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_the_graph_says_it_is_run_or_refused(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    """One value of the JSON is another one: the error is of the two that are told to the owner, or there is none."""

    def alter(program: dict[str, Any]) -> None:
        parent: Any = program["graph_module"]
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(parent[key], dict | list) or not parent[key] or data.draw(st.integers(0, 5)) == 0:
                parent[key] = data.draw(
                    st.none() | st.integers(-9, 99) | st.text(max_size=4) | st.just([]) | st.just({"as_int": 1})
                )
                return
            parent = parent[key]

    folder = tmp_path / "altered"
    folder.mkdir(exist_ok=True)
    (folder / "model.pt2").write_bytes(whole.read_bytes())
    rewritten(folder / "model.pt2", with_graph(alter))
    try:
        model = load(folder)
        model.run({port.name: ROWS for port in model.inputs}, np.arange(3), 2)
    except (ModelRefusedError, RunFailedError):
        pass


def write_pickle(folder: Path) -> None:
    torch.save(Quantised(0.0), folder / "model.pt")


def write_old_pickle(folder: Path) -> None:
    torch.save({"a": torch.zeros(2)}, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def write_two(folder: Path) -> None:
    for name in ("a", "b"):
        save_file({"x": torch.zeros(2)}, folder / f"{name}.safetensors")


def write_script(folder: Path) -> None:
    torch.jit.save(torch.jit.trace(Quantised(0.0).eval(), torch.zeros(3, 8)), folder / "model.pt")


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a pickled module": (write_pickle, r"model\.pt is a pickle.*torch\.export\.save"),
    "a pickle of the old kind": (write_old_pickle, r"pytorch_model\.bin is a pickle.*refused by every policy"),
    "a pickle by its name": (lambda f: (f / "m.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR."), "is a pickle"),
    "a pickle that calls itself safe": (
        lambda f: (f / "model.safetensors").write_bytes(pickle.dumps({"a": 1})) and (f / "config.json").write_text(MLP),
        "not a readable safetensors file",
    ),
    "an empty artefact": (lambda f: None, "holds 0 torch models"),
    "two models": (write_two, r"holds 2 torch models \(a\.safetensors, b\.safetensors\)"),
    "TorchScript": (write_script, "is TorchScript, which this policy does not allow"),
    "half an archive": (lambda f: (f / "model.pt2").write_bytes(b"PK\x03\x04" + bytes(40)), "truncated"),
    "a fixed number of items": (
        lambda f: export(Quantised(0.0).eval(), f, torch.zeros(3, 8), fixed=True),
        "first axis of 'x' is fixed to 3",
    ),
}
MLP = '{"architecture": "mlp", "widths": [8, 32, 4], "final": "softmax"}'


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_model_of_an_allowed_format_is_refused(kind: str, tmp_path: Path) -> None:
    write, says = REFUSED[kind]
    write(tmp_path)
    with pytest.raises(ModelRefusedError, match=says):
        load(tmp_path)


def test_a_pickle_is_refused_by_every_policy(tmp_path: Path) -> None:
    write_pickle(tmp_path)
    with pytest.raises(ModelRefusedError, match="is a pickle"):
        load(tmp_path, Options(("CPUExecutionProvider",), 1, (*FORMATS, "TorchScript", "Pickle")))


def test_torchscript_runs_where_it_is_allowed_with_quantised_operators_too(tmp_path: Path) -> None:
    plain = Quantised(0.0).eval()
    int8 = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear})
    torch.jit.save(torch.jit.trace(int8, torch.zeros(3, 8)), tmp_path / "model.pt")
    allowed = Options(("CPUExecutionProvider",), 2, (*FORMATS, "TorchScript"))
    with pytest.raises(ModelRefusedError, match=r"write config\.json beside it"):
        load(tmp_path, allowed)
    port = {"name": "x", "dtype": "float32", "shape": [None, 8]}
    config = {"architecture": "torchscript", "inputs": [port], "outputs": [port | {"name": "scores"}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = load(tmp_path, allowed)
    (got,) = model.run({"x": ROWS}, np.arange(70), 16)
    with torch.inference_mode():
        expected = plain(torch.from_numpy(ROWS)).numpy()
    assert 0 < np.abs(got - expected).max() < 0.05
    (tmp_path / "config.json").write_text(json.dumps(config | {"outputs": [port, port]}))
    with pytest.raises(OutputShapeError, match="gives 1 results"):
        load(tmp_path, allowed).run({"x": ROWS}, np.arange(2), 1)


def mlp_tensors(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    plain = Quantised(0.0).state_dict()
    renamed = {"first": "layers.0", "second": "layers.1"}
    return {
        f"{renamed[name.partition('.')[0]]}.{name.partition('.')[2]}": t.to(dtype).clone() for name, t in plain.items()
    }


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float16, 5e-3), (torch.bfloat16, 5e-2)])
def test_safetensors_run_in_the_architecture_that_the_config_names(
    dtype: torch.dtype, error: float, tmp_path: Path
) -> None:
    save_file(mlp_tensors(dtype), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(MLP)
    model = load(tmp_path)
    assert [(p.name, p.dtype, p.shape) for p in (*model.inputs, *model.outputs)] == [
        ("x", "float32", (None, 8)),
        ("scores", "float32", (None, 4)),
    ]
    with torch.inference_mode():
        expected = Quantised(0.0)(torch.from_numpy(ROWS)).softmax(-1).numpy()
    np.testing.assert_allclose(model.run({"x": ROWS}, np.arange(70), 32)[0], expected, atol=error)


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ('{"architecture": "cnn", "channels": [3, 8, 8], "size": [9, 9], "outputs": 4}', (70, 3, 9, 9)),
        (
            '{"architecture": "encoder", "vocabulary": 20, "longest": 9, "width": 16, "heads": 2, "hidden": 32, '
            '"depth": 2, "outputs": 4}',
            (70, 6),
        ),
    ],
)
def test_the_other_architectures_take_items_one_by_one_or_many(
    config: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    from paritygate_evaluator.runner import torch_architectures as known

    (tmp_path / "config.json").write_text(config)
    torch.manual_seed(0)
    module = known._module(known._read_config(tmp_path / "config.json"))
    save_file(module.state_dict(), tmp_path / "model.safetensors")
    model = load(tmp_path)
    items = {"x": IMAGES if len(shape) == 4 else np.where(np.arange(6) < 4, TOKENS, 0)}
    single, many = (model.run(items, np.arange(70), batch)[0] for batch in (1, 32))
    np.testing.assert_allclose(single, many, atol=1e-5)
    assert single.shape == (70, 4)
    if len(shape) == 2:
        # Padding is no token: without it the answer is the same.
        np.testing.assert_allclose(model.run({"x": items["x"][:, :4]}, np.arange(70), 32)[0], many, atol=1e-5)


WRONG_CONFIGS = {
    "an architecture that is not listed": ('{"architecture": "llama"}', "known architectures: mlp, cnn, encoder"),
    "an unknown key": (MLP[:-1] + ', "trust_remote_code": true}', "mlp.trust_remote_code: Extra inputs"),
    "a width of the wrong type": (MLP.replace("32", '"32"'), "mlp.widths.1"),
    "other widths": (MLP.replace("32", "33"), r"layers\.0\.\w+ has shape \[32.*says \[33"),
    "fewer layers": ('{"architecture": "mlp", "widths": [8, 4]}', r"unknown \(layers\.1\.bias, layers\.1\.weight\)"),
    "no JSON": ("{", "the file: Invalid JSON"),
}


@pytest.mark.parametrize("kind", WRONG_CONFIGS)
def test_weights_that_do_not_fit_their_config_are_refused(kind: str, tmp_path: Path) -> None:
    config, says = WRONG_CONFIGS[kind]
    save_file(mlp_tensors(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelRefusedError, match=says):
        load(tmp_path)


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


def test_an_archive_may_not_hold_more_than_its_size(tmp_path: Path) -> None:
    folder = export(Quantised(0.0).eval(), tmp_path, torch.zeros(3, 8))
    entries = {}
    with zipfile.ZipFile(folder / "model.pt2") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    (folder / "model.pt2").write_bytes(packed.getvalue())
    with pytest.raises(ModelRefusedError, match="is compressed"):
        load(folder)


def test_two_models_are_judged_in_processes_of_their_own(tmp_path: Path) -> None:
    """Through the real runner: forked before torch is loaded, timed in turns, their layers told."""
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
        differences = compare_layers(*runner.layers(np.arange(8)))
        assert differences[first_broken([difference.error for difference in differences]) or 0].name == "relu"
        runner.shutdown()
    finally:
        process.terminate()
        process.wait(10)
