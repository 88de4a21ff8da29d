"""What the torch runtime runs, whatever file it came from: tensors in, tensors out, one axis of items."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from .runtime import Port


class Network(Protocol):
    """A model's function. Called with tensors in the order of `inputs`; answers with tensors in that of `outputs`."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What goes in."""
        ...

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What comes out."""
        ...

    @property
    def weights(self) -> Sequence[torch.Tensor]:
        """What must be the same after a call as before."""
        ...

    def __call__(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run."""
        ...

    def layers(self, keep: Callable[[str, torch.Tensor], None], *tensors: torch.Tensor) -> None:
        """Run, and hand over every tensor that is computed on the way, with its name."""
        ...


def dtype_name(dtype: torch.dtype) -> str:
    """numpy's name of it; bfloat16, which numpy lacks, travels as float32."""
    return "float32" if dtype is torch.bfloat16 else str(dtype).removeprefix("torch.")


def output_names(calls: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """The keys of the dict that the model returns; else `output`, or `output_0` and so on for a tuple.

    `calls` is an exported program's module_call_graph, whose first entry describes the model itself.
    """
    told = next((call["signature"] for call in calls if call["fqn"] == "" and call["signature"]), None)
    if told is not None:
        _, spec = json.loads(told["out_spec"])
        if spec["type"] in ("builtins.dict", "collections.OrderedDict") and len(spec["children_spec"]) == count:
            keys = json.loads(spec["context"])
            if all(isinstance(key, str) for key in keys) and len(set(keys)) == count:
                return list(keys)
    return ["output"] if count == 1 else [f"output_{at}" for at in range(count)]
