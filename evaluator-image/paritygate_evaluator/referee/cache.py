"""What the baseline answered, kept for the next candidate: half of the work of an evaluation. Never its times.

The key is everything that its answers depend on. Only the referee writes here: the runner, with somebody's models in
it, could otherwise leave answers for evaluations to come.
"""

import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from paritygate.api import EvaluationPlan

from ..wire import Array
from .client import Ints
from .surroundings import processor

_HAVE, _BATCH = "have.npy", "batch"


class OutputCache:
    """Outputs of one model for the items of one evaluation, by item. A folder that can't be used is no cache."""

    def __init__(self, folder: Path, key: Mapping[str, object], items: int) -> None:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        self._folder, self._key, self._items = folder / digest, key, items
        self._have: npt.NDArray[np.bool_] | None = None
        self._outputs: list[Array] = []
        self._batch = 0
        self.hits = 0
        """Items that were answered from here."""

    @property
    def batch(self) -> int | None:
        """The batch size in which the answers here were computed: on some devices it is part of an answer."""
        try:
            return int((self._folder / _BATCH).read_text())
        except (OSError, ValueError):
            return None

    def begin(self, batch: int) -> None:
        """Say in which batches further items are computed: those of `batch`, where answers are here already."""
        self._batch = batch

    def take(self, indices: Ints) -> tuple[Array, ...] | None:
        """The outputs of these items if all of them are here."""
        if self._have is None and not self._open():
            return None
        assert self._have is not None
        if not self._have[indices].all():
            return None
        self.hits += len(indices)
        return tuple(np.array(output[indices]) for output in self._outputs)

    def keep(self, indices: Ints, outputs: Sequence[Array]) -> None:
        """Remember outputs, one row an item. What can't be written is forgotten."""
        if any(output.dtype.kind not in "fiub" for output in outputs):
            return  # texts have no fixed size
        try:
            if self._have is None:
                self._create(outputs)
            for kept, output in zip(self._outputs, outputs, strict=True):
                kept[indices] = output
                kept.flush()  # type: ignore[attr-defined]
            assert self._have is not None
            # After the outputs: an item counts as here only when it is.
            self._have[indices] = True
            self._have.flush()  # type: ignore[attr-defined]
        except (OSError, ValueError):
            self._have = None

    def _open(self) -> bool:
        try:
            have = np.load(self._folder / _HAVE, mmap_mode="r+")
            outputs = [np.load(path, mmap_mode="r+") for path in sorted(self._folder.glob("output-*.npy"))]
        except (OSError, ValueError):
            return False
        if have.shape != (self._items,) or not outputs or any(len(output) != self._items for output in outputs):
            return False
        self._have, self._outputs = have, outputs
        return True

    def _create(self, outputs: Sequence[Array]) -> None:
        """Beside its place, then moved there whole: two evaluations may begin at the same moment."""
        if self._open():
            return
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        # Not by the process id: it is the same in every pod, and what a killed one left would be in the way for ever.
        made = Path(tempfile.mkdtemp(prefix=f"{self._folder.name}.", dir=self._folder.parent))
        made.chmod(0o755)
        for number, output in enumerate(outputs):
            shape = (self._items, *output.shape[1:])
            np.lib.format.open_memmap(made / f"output-{number:02}.npy", "w+", output.dtype, shape).flush()
        np.lib.format.open_memmap(made / _HAVE, "w+", np.bool_, (self._items,)).flush()
        (made / "key.json").write_text(json.dumps(self._key, indent=2, sort_keys=True))
        (made / _BATCH).write_text(str(self._batch))
        try:
            made.rename(self._folder)
        except OSError:  # the other one was first, and its folder is as good
            shutil.rmtree(made, ignore_errors=True)
        if self.batch != self._batch or not self._open():
            raise OSError(f"{self._folder} can't be opened")


def kept_answers(
    folder: Path | None, plan: EvaluationPlan, baseline: str, runtime: Mapping[str, str], items: int
) -> OutputCache | None:
    """The place for a baseline's answers to a plan's packs; everything that they depend on is in the key.

    `baseline` is its digest, `runtime` what it runs on. None without a folder, or where the inputs have no digest:
    what a remote name holds may change, and answers to other items would be judged.
    """
    unnamed = any(pack.inputs.digest is None and "://" in pack.inputs.uri for pack in plan.packs)
    if folder is None or unnamed:
        return None
    key = {
        "baseline": baseline,
        "inputs": [pack.inputs.digest or pack.inputs.uri for pack in plan.packs],
        "providers": list(plan.execution_providers),
        "machine": platform.machine(),
        "processor": processor(),
        **runtime,
    }
    return OutputCache(folder, key, items)
