"""TorchScript, for policies that take it: a program in a language of its own, with tensors in pickles.

Unlike an exported program it can call any operator, those that read and write files included. Its archive says nothing
of shapes, so that a config.json beside it must:

```json
{"architecture": "torchscript", "inputs": [{"name": "x", "dtype": "float32", "shape": [null, 64]}],
 "outputs": [{"name": "scores", "dtype": "float32", "shape": [null, 10]}]}
```
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .runtime import ModelRefusedError, OutputShapeError, Port, RunFailedError, check_items

_CONFIG, _LARGEST_CONFIG = "config.json", 1 << 16


class _Port(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(min_length=1, max_length=100)]
    dtype: Literal["float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"]
    shape: Annotated[list[Annotated[int, Field(ge=1)] | None], Field(min_length=1, max_length=8)]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    architecture: Literal["torchscript"]
    inputs: Annotated[list[_Port], Field(min_length=1, max_length=32)]
    outputs: Annotated[list[_Port], Field(min_length=1, max_length=32)]


class ScriptNetwork:
    """A TorchScript module and what its config.json says of it."""

    def __init__(self, module: torch.jit.ScriptModule, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> None:
        self._module, self.inputs, self.outputs = module, inputs, outputs
        self.weights: Sequence[torch.Tensor] = (*module.parameters(), *module.buffers())

    def __call__(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run. Raises OutputShapeError when what comes out is not what config.json says."""
        results = self._module(*tensors)
        results = (results,) if isinstance(results, torch.Tensor) else tuple(results)
        if len(results) != len(self.outputs) or not all(isinstance(result, torch.Tensor) for result in results):
            raise OutputShapeError(
                f"it gives {len(results)} results, {_CONFIG} names {len(self.outputs)}; all must be tensors"
            )
        return results

    def layers(self, keep: Callable[[str, torch.Tensor], None], *tensors: torch.Tensor) -> None:
        """Not to be seen: its calls are compiled. Raises RunFailedError."""
        raise RunFailedError("the layers of a TorchScript model can't be shown; export it as model.pt2")


def read_script(file: Path, device: torch.device) -> ScriptNetwork:
    """The model of a TorchScript archive and the config.json beside it. Raises ModelRefusedError."""
    config = _read_config(file.with_name(_CONFIG))
    try:
        module = torch.jit.load(str(file), map_location=device).eval()  # type: ignore[no-untyped-call]  # torch's
    except (RuntimeError, ValueError) as error:
        raise ModelRefusedError(f"{file.name} can't be loaded: {str(error).strip().splitlines()[0][:300]}") from error
    inputs, outputs = (
        tuple(check_items(_CONFIG, Port(port.name, port.dtype, tuple(port.shape))) for port in ports)
        for ports in (config.inputs, config.outputs)
    )
    return ScriptNetwork(module, inputs, outputs)


def _read_config(path: Path) -> _Config:
    try:
        with path.open("rb") as stream:
            return _Config.model_validate_json(stream.read(_LARGEST_CONFIG))
    except OSError as error:
        raise ModelRefusedError(
            f"TorchScript does not say what it takes: write {_CONFIG} beside it with architecture torchscript, inputs "
            "and outputs, or export the model as model.pt2"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ModelRefusedError(f"{_CONFIG}: {where}: {first['msg']}") from error
