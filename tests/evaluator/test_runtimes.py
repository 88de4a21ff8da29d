"""The table of runtimes, and the page that says how to add one."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from paritygate_evaluator.referee.client import ModelFailedError, Runner
from paritygate_evaluator.runner import runtime as table
from paritygate_evaluator.runner.runtime import LayeredModel, ModelRefusedError, Options, runtime

from .models import copying, save

pytestmark = pytest.mark.whole

PAGE = Path(__file__).parents[2] / "docs" / "add-a-runtime.md"
CPU = Options(("CPUExecutionProvider",), 1)


def code(start: str) -> str:
    """The code block that follows `start` in the page."""
    found = re.search(re.escape(start) + r".*?```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, f"{PAGE.name} has no code after {start!r}"
    return found.group(1)


@pytest.fixture
def registered(tmp_path: Path) -> Iterator[Runner]:
    """A runner that knows the page's runtime, two models of it, and items."""
    (tmp_path / "linear_runtime.py").write_text(code("<!-- file: linear_runtime.py -->"))
    (tmp_path / "main.py").write_text(
        "import sys\n"
        "from paritygate_evaluator.runner.__main__ import main\n"
        "from paritygate_evaluator.runner.runtime import RUNTIMES\n"
        f"{code('## One line')}"
        "sys.exit(main())\n"
    )
    for role, weight in (("baseline", 1.0), ("candidate", 2.0)):
        (tmp_path / "models" / role).mkdir(parents=True)
        told = {"weights": [[weight, 0.0], [0.0, weight]], "bias": [0.0, 0.5]}
        (tmp_path / "models" / role / "linear.json").write_text(json.dumps(told))
    (tmp_path / "inputs" / "0").mkdir(parents=True)
    np.savez(tmp_path / "inputs" / "0" / "i.npz", x=np.arange(40, dtype=np.float32).reshape(20, 2))
    configuration = json.dumps({"runtime": "linear", "formats": ["LinearJson"], "threads": 1})
    process = subprocess.Popen(
        [sys.executable, tmp_path / "main.py"],
        env=os.environ | {"PARITYGATE_ROOT": str(tmp_path), "PARITYGATE_RUNNER": configuration},
    )
    try:
        runner = Runner.connect(tmp_path / "socket" / "runner.sock", 30)
        runner.inputs()
        yield runner
        runner.shutdown()
    finally:
        process.terminate()
        process.wait(10)


def test_the_page_is_followed_and_its_runtime_is_judged_like_any_other(registered: Runner) -> None:
    for role, weight in (("baseline", 1.0), ("candidate", 2.0)):
        description = registered.load(role)
        assert description.provider == "CPUExecutionProvider"
        assert description.runtime.startswith("linear")
        assert [(p.name, p.dtype, tuple(p.shape)) for p in description.outputs] == [("scores", "float32", (None, 2))]
        (got,) = registered.outputs(role, np.array([3, 0]), 1)
        np.testing.assert_array_equal(got, np.array([[6, 7], [0, 1]]) * weight + [0.0, 0.5])
    batch, seconds = registered.batch()
    assert batch in (1, 8, 32, 128)
    assert seconds > 0
    blocks = registered.latency("candidate", np.array([False, True]), np.arange(4).reshape(2, 2))
    assert (blocks > 0).all()


def test_the_page_names_what_can_be_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "linear_runtime.py").write_text(code("<!-- file: linear_runtime.py -->"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(table.RUNTIMES, "linear", "linear_runtime:LinearRuntime")
    try:
        with pytest.raises(ModelRefusedError, match="is LinearJson, which this policy does not allow"):
            runtime("linear").load(tmp_path, CPU)
        allowed = Options(("CPUExecutionProvider",), 1, ("LinearJson",))
        (tmp_path / "linear.json").write_text('{"weights": [[1.0]]}')
        with pytest.raises(ModelRefusedError, match=r"linear\.json is not a linear model \(KeyError\('bias'\)\)"):
            runtime("linear").load(tmp_path, allowed)
        (tmp_path / "linear.json").write_text('{"weights": [[1.0]], "bias": [0.0]}')
        model = runtime("linear").load(tmp_path, allowed)
        assert isinstance(model, LayeredModel)
        assert list(model.intermediate({"x": np.ones((2, 1), np.float32)})) == ["x", "product", "scores"]
    finally:
        sys.modules.pop("linear_runtime", None)


def test_a_runtime_that_is_not_known_or_not_installed_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelRefusedError, match="'tflite' is unknown; there is: onnxruntime, torch"):
        runtime("tflite")
    monkeypatch.setitem(table.RUNTIMES, "absent", "paritygate_evaluator.runner.no_such_module:Absent")
    with pytest.raises(ModelRefusedError, match=r"'absent' is not in this evaluator .*no_such_module"):
        runtime("absent")


def test_the_table_is_read_without_loading_a_runtime() -> None:
    """Baseline and candidate are forked from a process that has loaded nothing."""
    text = (
        "import sys, paritygate_evaluator.runner.__main__; print('torch' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout == "False False\n"


def test_onnx_is_a_format_that_a_policy_can_leave_out(tmp_path: Path) -> None:
    save(copying(0), tmp_path)
    with pytest.raises(ModelRefusedError, match=r"model\.onnx is Onnx, which this policy does not allow"):
        runtime("onnxruntime").load(tmp_path, Options(("CPUExecutionProvider",), 1, ("Safetensors",)))


def test_a_provider_that_is_not_in_the_build_is_refused_with_those_that_are(tmp_path: Path) -> None:
    save(copying(0), tmp_path)
    missing = next(name for name in ort.get_all_providers() if name not in ort.get_available_providers())
    with pytest.raises(ModelRefusedError, match=f"{missing} is not in this evaluator; it has .*CPUExecutionProvider"):
        runtime("onnxruntime").load(tmp_path, Options((missing, "CPUExecutionProvider"), 1))


def test_what_a_model_is_refused_for_reaches_the_referee(registered: Runner, tmp_path: Path) -> None:
    (tmp_path / "models" / "candidate" / "linear.json").write_text("{}")
    registered.load("baseline")
    with pytest.raises(ModelFailedError, match=r"linear\.json is not a linear model"):
        registered.load("candidate")


def test_telemetry_is_off() -> None:
    text = """if True:
        import onnxruntime
        onnxruntime.disable_telemetry_events = lambda: print("off")
        import paritygate_evaluator.runner.onnx_session
    """
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout == "off\n"


def test_the_provider_is_the_one_that_runs_the_operators_not_the_one_that_was_registered(tmp_path: Path) -> None:
    save(copying(0), tmp_path)
    options = Options(("AzureExecutionProvider", "CPUExecutionProvider"), 1)
    assert runtime("onnxruntime").load(tmp_path, options).provider == "CPUExecutionProvider"
