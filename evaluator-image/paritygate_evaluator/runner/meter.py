"""How busy a model kept processor and device while it ran items: context for whoever reads the record, never a gate."""

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

_OF_GPU = ("CUDA", "Tensorrt")
"""How the names of execution providers begin that run on a device which NVML tells about."""

_NVML = "libnvidia-ml.so.1"
_BETWEEN = 0.2
"""Seconds between two looks at a device: its driver itself averages over about as long."""

Answer = TypeVar("Answer")


class Gauge(Protocol):
    """A device that tells how busy it was just now."""

    def read(self) -> float | None:
        """Share of the last moment in which something ran on it; None when it can't be told."""
        ...


class _Rates(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class Nvml:
    """The first device of this process, by the driver's own library. Raises OSError where there is none."""

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._library = load(_NVML)
        self._device = ctypes.c_void_p()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
        place = ctypes.byref(self._device)
        try:
            self._call("nvmlInit_v2")
            if visible.startswith("GPU-"):
                self._call("nvmlDeviceGetHandleByUUID", visible.encode(), place)
            else:
                index = int(visible) if visible.isdecimal() else 0
                self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), place)
        except AttributeError as error:
            raise OSError(f"{_NVML} is too old: {error}") from error

    def read(self) -> float | None:
        """As `Gauge`; a device that is cut into instances (MIG) does not tell."""
        rates = _Rates()
        try:
            self._call("nvmlDeviceGetUtilizationRates", self._device, ctypes.byref(rates))
        except (OSError, AttributeError):
            return None
        return float(rates.gpu) / 100

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            raise OSError(f"{name}: NVML error {code}")


def gauge_of(provider: str) -> Gauge | None:
    """What tells how busy the device of this execution provider is, if there is such a device and it can be asked."""
    if not provider.startswith(_OF_GPU):
        return None
    try:
        return Nvml()
    except OSError:
        return None


class Meter:
    """One model's runs."""

    def __init__(self, gauge: Gauge | None) -> None:
        self._gauge = gauge
        self._looked = -_BETWEEN

    def run(self, call: Callable[[], Answer]) -> tuple[Answer, dict[str, Any]]:
        """What `call` answers; its seconds `wall` and `cpu`, of all threads; `gpu`, the busy share, if looked at."""
        wall, processor = time.perf_counter(), time.process_time()
        answer = call()
        ended = time.perf_counter()
        told: dict[str, Any] = {"wall": ended - wall, "cpu": time.process_time() - processor}
        if self._gauge is not None and ended - self._looked >= _BETWEEN:
            self._looked = ended
            if (share := self._gauge.read()) is not None:
                told["gpu"] = share
        return answer, told
