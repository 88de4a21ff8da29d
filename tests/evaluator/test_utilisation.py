"""How busy a model kept processor and device: told as context, and never a reason to fail."""

import ctypes
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paritygate_evaluator.referee.utilisation import Utilisation
from paritygate_evaluator.runner.meter import Meter, Nvml, gauge_of

from .case import Case


class Library:
    """What the driver's library answers: a device, or an error code."""

    def __init__(self, busy: int = 40, code: int = 0, missing: str = "") -> None:
        self.busy, self.code, self.asked = busy, code, []
        if missing:
            setattr(self, missing, property(lambda _: None))

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, place: Any) -> int:
        self.asked.append(index.value)
        return 0

    def nvmlDeviceGetHandleByUUID(self, name: bytes, place: Any) -> int:
        self.asked.append(name)
        return 0

    def nvmlDeviceGetUtilizationRates(self, device: Any, place: Any) -> int:
        place._obj.gpu = self.busy
        return self.code


class Steady:
    """A device that is always as busy."""

    def read(self) -> float | None:
        return 0.5


def test_a_run_tells_seconds_of_clock_and_of_processor() -> None:
    idle, told = Meter(None).run(lambda: time.sleep(0.02))
    assert idle is None
    assert told["wall"] >= 0.02
    assert 0 <= told["cpu"] < told["wall"]
    assert "gpu" not in told


def test_a_device_is_looked_at_now_and_then() -> None:
    meter = Meter(Steady())
    assert [meter.run(int)[1].get("gpu") for _ in range(3)] == [0.5, None, None]


@pytest.mark.parametrize(
    ("visible", "asked"), [(None, 0), ("", 0), ("2,3", 2), ("GPU-5,1", b"GPU-5"), ("MIG-7", 0), (" 1", 1)]
)
def test_the_device_is_the_first_that_is_visible(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, asked: object
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    library = Library()
    assert Nvml(lambda _: library).read() == 0.4
    assert library.asked == [asked]


def test_a_device_that_does_not_tell_is_not_told_of() -> None:
    assert Nvml(lambda _: Library(code=3)).read() is None


def test_without_the_drivers_library_nothing_is_read() -> None:
    with pytest.raises(OSError, match=r"nvmlInit_v2|too old"):
        Nvml(lambda _: object())
    assert gauge_of("CPUExecutionProvider") is None


@pytest.mark.parametrize(
    ("told", "provider", "shown"),
    [
        ([], "CPUExecutionProvider", {}),
        ([{"wall": 2.0, "cpu": 3.0}], "CPUExecutionProvider", {"baselineCpuUtilisation": "0.75 of 2 threads"}),
        (
            [{"wall": 1.0, "cpu": 0.2, "gpu": 0.4}, {"wall": 1.0, "cpu": 0.2, "gpu": 0.6}],
            "CUDAExecutionProvider",
            {"baselineCpuUtilisation": "0.10 of 2 threads", "baselineGpuUtilisation": "0.50"},
        ),
        (
            [{"wall": 1.0, "cpu": 2.0}],
            "TensorrtExecutionProvider",
            {
                "baselineCpuUtilisation": "1.00 of 2 threads",
                "baselineGpuUtilisation": "not read: the driver's library (NVML) is not there or does not tell",
            },
        ),
        ([{"wall": -1.0, "cpu": 1.0}, {"wall": "x"}, {"wall": float("nan"), "cpu": 1.0}], "CPUExecutionProvider", {}),
        (
            [{"wall": 1.0, "cpu": 1.0, "gpu": 7.0}],
            "CPUExecutionProvider",
            {"baselineCpuUtilisation": "0.50 of 2 threads"},
        ),
    ],
)
def test_what_the_record_says_of_it(told: list[dict[str, Any]], provider: str, shown: dict[str, str]) -> None:
    used = Utilisation()
    for one in told:
        used.add(one)
    assert used.told("baseline", 2, provider) == shown


@pytest.mark.whole
def test_an_evaluation_tells_it_and_what_it_looked_at(tmp_path: Path) -> None:
    case = Case(tmp_path)
    result = case.judge()
    for role in ("baseline", "candidate"):
        share, _, threads = result.environment[f"{role}CpuUtilisation"].partition(" of ")
        assert float(share) > 0
        assert threads == f"{result.environment['threads']} threads"
    assert 0 < result.items_in_order <= result.items == result.judged
    assert result.exploratory_family == len(np.unique(case.truth))
    assert result.exploratory == ()
