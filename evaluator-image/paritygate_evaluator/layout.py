"""Where things lie: the same below `/evaluation` in a pod and below a temporary folder on a laptop.

Each folder is a mount of its own in a pod, so that who may see what is a list of mounts: the runner gets `models`,
`inputs` and `socket`, and never `labels`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = "PARITYGATE_ROOT"
"""Environment variable that moves everything below another folder. Default: `/evaluation`."""

TERMINATION_LOG = "PARITYGATE_TERMINATION_LOG"
"""Environment variable with the path of the termination message. Default: where Kubernetes reads it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one evaluation."""

    root: Path
    termination_log: Path

    @classmethod
    def from_environment(cls) -> "Layout":
        """The layout of this process."""
        return cls(
            Path(os.environ.get(ROOT, "/evaluation")),
            Path(os.environ.get(TERMINATION_LOG, "/dev/termination-log")),
        )

    def model(self, role: str) -> Path:
        """The folder of `baseline` or `candidate`."""
        return self.root / "models" / role

    def inputs(self, pack: int) -> Path:
        """The folder with the inputs file of a pack, by its place in the plan."""
        return self.root / "inputs" / str(pack)

    @property
    def calibration(self) -> Path:
        """The folder with what the candidate was calibrated on."""
        return self.root / "inputs" / "calibration"

    def labels(self, pack: int) -> Path:
        """The folder with the labels file of a pack, by its place in the plan."""
        return self.root / "labels" / str(pack)

    def found(self, name: str) -> Path:
        """What fetch found: digest, size and files of one artefact."""
        return self.root / "found" / f"{name}.json"

    @property
    def cache(self) -> Path | None:
        """Where the baseline's answers are kept, if such a folder is mounted: by the referee, for the referee."""
        folder = self.root / "cache"
        return folder if folder.is_dir() else None

    @property
    def socket(self) -> Path:
        """The runner's Unix domain socket."""
        return self.root / "socket" / "runner.sock"
