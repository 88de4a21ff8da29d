"""Writes models, packs and policies to the disk."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from paritygate.evidence import manifest_digest

from .populations import Items


class Workshop:
    """A folder of models, packs and policies: what is judged can be looked at, and judged again by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def model(self, name: str, model: onnx.ModelProto | bytes, ending: str = "onnx") -> Path:
        """The model as a file of this name."""
        file = self.root / "models" / f"{name}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return file

    def arrays(self, name: str, arrays: Mapping[str, Any]) -> Path:
        """Inputs as a file of this name."""
        file = self.root / f"{name}.npz"
        self.root.mkdir(parents=True, exist_ok=True)
        np.savez(file, **arrays)
        return file

    def pack(
        self,
        name: str,
        items: Items,
        population: str,
        *,
        input_name: str = "pixels",
        task: str = "Classification",
        slices: Sequence[str | Mapping[str, Any]] = (),
        **spec: Any,
    ) -> Path:
        """A pack: inputs.npz, labels.csv and the manifest, which says what population the items were drawn from.

        Of the items' columns those are written that `slices` names; more of the manifest in `spec`.
        """
        folder = self.root / "packs" / name
        folder.mkdir(parents=True, exist_ok=True)
        columns = [{"column": one} if isinstance(one, str) else dict(one) for one in slices]
        written = [one["column"] for one in columns if one["column"] in items.columns]
        np.savez(folder / "inputs.npz", **{input_name: items.inputs})
        rows = [f"item-{i:06},{label}" for i, label in enumerate(items.labels.tolist())]
        for column in written:
            rows = [f"{row},{value}" for row, value in zip(rows, items.columns[column].tolist(), strict=True)]
        (folder / "labels.csv").write_text("\n".join([",".join(["id", "label", *written]), *rows]) + "\n")
        manifest = {
            "apiVersion": "paritygate.io/v1alpha1",
            "kind": "ScenarioPack",
            "metadata": {"name": name},
            "spec": {"version": "1", "task": task, "data": _data(folder), "slices": columns, **spec},
        }
        file = folder / "pack.yaml"
        file.write_text(f"# Synthetic: {population}\n{json.dumps(manifest, indent=1)}\n")
        return file

    def policy(self, name: str, spec: Mapping[str, Any]) -> Path:
        """A policy."""
        file = self.root / "policies" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        manifest = {
            "apiVersion": "paritygate.io/v1alpha1",
            "kind": "ValidationPolicy",
            "metadata": {"name": name},
            "spec": spec,
        }
        file.write_text(json.dumps(manifest, indent=1) + "\n")
        return file


def _data(folder: Path) -> dict[str, Any]:
    return {
        part: {"uri": f"{part}.{ending}", "digest": manifest_digest(folder / f"{part}.{ending}")}
        for part, ending in (("inputs", "npz"), ("labels", "csv"))
    }
