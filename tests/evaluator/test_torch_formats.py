"""Formats of torch models: which are read and how, and what is refused in every one."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from paritygate_evaluator.runner.runtime import FORMATS, ModelRefusedError, Options, OutputShapeError
from safetensors.torch import save_file
from torch import nn

from .torch_case import IMAGES, ROWS, TOKENS, Quantised, export, load

# Exporting a first model takes seconds of imports: on one worker, not on each.
pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("torch"), pytest.mark.filterwarnings("ignore")]


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
