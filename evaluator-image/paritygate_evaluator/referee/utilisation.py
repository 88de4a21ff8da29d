"""How busy a model kept processor and device, as the runner tells it: shown as context, believed for nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Utilisation:
    """Of all runs of one model's items."""

    wall: float = 0.0
    cpu: float = 0.0
    gpu: list[float] = field(default_factory=list)

    def add(self, told: Mapping[str, Any]) -> None:
        """Take what came with one answer; what is no sensible number is left out."""
        match told:
            case {"wall": float(wall), "cpu": float(cpu)} if 0 < wall < 1e6 and 0 <= cpu < 1e6:
                self.wall += wall
                self.cpu += cpu
        match told:
            case {"gpu": float(share)} if 0 <= share <= 1:
                self.gpu.append(share)

    def told(self, role: str, threads: int, provider: str) -> dict[str, str]:
        """Entries of the record's environment: seconds of CPU a second of running and thread, and of the device.

        Empty for a model that ran nothing, because its answers were known.
        """
        if not self.wall:
            return {}
        found = {f"{role}CpuUtilisation": f"{self.cpu / self.wall / threads:.2f} of {threads} threads"}
        if self.gpu:
            found[f"{role}GpuUtilisation"] = f"{sum(self.gpu) / len(self.gpu):.2f}"
        elif provider.startswith(("CUDA", "Tensorrt")):
            found[f"{role}GpuUtilisation"] = "not read: the driver's library (NVML) is not there or does not tell"
        return found
