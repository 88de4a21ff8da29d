"""A .pt2 archive is somebody's: what could run code is refused before torch sees it, damage is told."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paritygate_evaluator.runner.runtime import ModelRefusedError, RunFailedError

from .torch_case import (
    ROWS,
    Quantised,
    export,
    load,
    rewritten,
    with_graph,
    with_target,
)

# Exporting a first model takes seconds of imports: on one worker, not on each.
pytestmark = [pytest.mark.whole, pytest.mark.xdist_group("torch"), pytest.mark.filterwarnings("ignore")]


class Canary:
    """Unpickled, it leaves a file behind."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


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
