"""Weights in a .safetensors file, and the architectures that they may be for: named in a config.json, built here.

```json
{"architecture": "mlp", "input": "x", "output": "scores", "widths": [64, 256, 10], "activation": "relu",
 "final": "softmax"}
```
The names of the tensors are those of the modules below: `layers.0.weight`, `layers.0.bias`, ... Weights are float32,
float16 or bfloat16, all of one type: that is what the model computes in. Inputs and outputs are float32 all the same.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.nn import functional

from .runtime import ModelRefusedError, Port

CONFIG = "config.json"
_LARGEST_CONFIG = 1 << 16
_COMPUTED_IN = (torch.float32, torch.float16, torch.bfloat16)

_Size = Annotated[int, Field(ge=1, le=1 << 20)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,99}$")]

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}
_FINALS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "none": lambda scores: scores,
    "softmax": lambda scores: torch.softmax(scores, -1),
    "sigmoid": torch.sigmoid,
    "normalize": lambda scores: functional.normalize(scores, dim=-1),
}


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    input: _Name = "x"
    output: _Name = "scores"
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    final: Literal["none", "softmax", "sigmoid", "normalize"] = "none"


class MlpConfig(_Config):
    """Fully connected layers. Tensors: layers.N.weight (out, in), layers.N.bias (out)."""

    architecture: Literal["mlp"]
    widths: Annotated[list[_Size], Field(min_length=2, max_length=64)]
    """Values of an item, of each hidden layer, of the output."""


class CnnConfig(_Config):
    """Convolutions, the mean over the image, one linear layer. Tensors: layers.N.weight (out, in, kernel, kernel),
    layers.N.bias (out), head.weight (outputs, channels), head.bias (outputs).
    """

    architecture: Literal["cnn"]
    channels: Annotated[list[_Size], Field(min_length=2, max_length=64)]
    """Of the image and of each layer."""
    size: tuple[_Size, _Size]
    """Height and width of the image."""
    kernel: Annotated[int, Field(ge=1, le=31)] = 3
    stride: Annotated[int, Field(ge=1, le=31)] = 2
    outputs: _Size


class EncoderConfig(_Config):
    """A transformer over token numbers (items, tokens) int64, 0 = no token; the mean over the tokens, one linear layer.

    Tensors: tokens.weight (vocabulary, width), places.weight (longest, width), layers.N.{norm1,norm2}.{weight,bias},
    layers.N.{attention,project,up,down}.{weight,bias}, norm.{weight,bias}, head.{weight,bias}. Norms come first.
    """

    architecture: Literal["encoder"]
    vocabulary: _Size
    longest: _Size
    """Tokens of an item, at most."""
    width: _Size
    heads: _Size
    hidden: _Size
    """Values between `up` and `down`."""
    depth: Annotated[int, Field(ge=1, le=64)]
    outputs: _Size


Config = Annotated[MlpConfig | CnnConfig | EncoderConfig, Field(discriminator="architecture")]
_CONFIG: TypeAdapter[MlpConfig | CnnConfig | EncoderConfig] = TypeAdapter(Config)


class Mlp(nn.Module):
    """See MlpConfig."""

    def __init__(self, config: MlpConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(config.widths))
        self._activation = _ACTIVATIONS[config.activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(items, widths[0]) -> (items, widths[-1])."""
        for layer in self.layers[:-1]:
            x = self._activation(layer(x))
        return self.layers[-1](x)  # type: ignore[no-any-return]  # a module's call is untyped


class Cnn(nn.Module):
    """See CnnConfig."""

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, config.kernel, config.stride, config.kernel // 2) for a, b in pairwise(config.channels)
        )
        self.head = nn.Linear(config.channels[-1], config.outputs)
        self._activation = _ACTIVATIONS[config.activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(items, channels[0], height, width) -> (items, outputs)."""
        for layer in self.layers:
            x = self._activation(layer(x))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]  # a module's call is untyped


class _EncoderLayer(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.width
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, config.hidden), nn.Linear(config.hidden, width)
        self._heads = config.heads
        self._activation = _ACTIVATIONS[config.activation]

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        items, tokens, width = x.shape
        parts = self.attention(self.norm1(x)).view(items, tokens, 3, self._heads, width // self._heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.project(mixed.transpose(1, 2).reshape(items, tokens, width))
        return x + self.down(self._activation(self.up(self.norm2(x))))  # type: ignore[no-any-return]  # untyped call


class Encoder(nn.Module):
    """See EncoderConfig."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary, config.width)
        self.places = nn.Embedding(config.longest, config.width)
        self.layers = nn.ModuleList(_EncoderLayer(config) for _ in range(config.depth))
        self.norm, self.head = nn.LayerNorm(config.width), nn.Linear(config.width, config.outputs)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(items, tokens) int64 -> (items, outputs)."""
        present = tokens != 0
        x = self.tokens(tokens) + self.places.weight[: tokens.shape[1]]
        # Each token sees itself: an item of padding only has no other, and nothing to weigh is no number.
        mask = present[:, None, None, :] | torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
        for layer in self.layers:
            x = layer(x, mask)
        kept = present[:, :, None].to(x.dtype)
        return self.head((self.norm(x) * kept).sum(1) / kept.sum(1).clamp(min=1))  # type: ignore[no-any-return]  # untyped


class ArchitectureNetwork:
    """An architecture of ours with somebody's weights."""

    def __init__(self, config: MlpConfig | CnnConfig | EncoderConfig, module: nn.Module, dtype: torch.dtype) -> None:
        self._module, self._final, self._dtype = module, _FINALS[config.final], dtype
        self.weights: Sequence[torch.Tensor] = tuple(module.parameters())
        row, outputs = _shape(config)
        self._is_float = not isinstance(config, EncoderConfig)
        self.inputs = (Port(config.input, "float32" if self._is_float else "int64", (None, *row)),)
        self.outputs = (Port(config.output, "float32", (None, outputs)),)

    def __call__(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs, as float32."""
        (given,) = tensors
        return (self._final(self._module(given.to(self._dtype) if self._is_float else given).float()),)

    def layers(self, keep: Callable[[str, torch.Tensor], None], *tensors: torch.Tensor) -> None:
        """What each module gives, then the output."""

        def hook(name: str) -> Callable[..., None]:
            return lambda _module, _given, result: keep(name, result.float())

        hooks = [part.register_forward_hook(hook(name)) for name, part in self._module.named_modules() if name]
        try:
            (output,) = self(*tensors)
        finally:
            for handle in hooks:
                handle.remove()
        keep(self.outputs[0].name, output)


def read_weights(file: Path, device: torch.device) -> ArchitectureNetwork:
    """The model of a .safetensors file and the config.json beside it. Raises ModelRefusedError."""
    config = _read_config(file.with_name(CONFIG))
    with torch.device("meta"):
        module = _module(config)
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    try:
        with safe_open(file, "pt", device="cpu") as opened:
            names = set(opened.keys())
            if names != set(expected):
                raise ModelRefusedError(
                    f"{file.name} does not fit {CONFIG}: {_names('missing', set(expected) - names)}"
                    f"{_names('unknown', names - set(expected))}"
                )
            state = {name: opened.get_tensor(name) for name in expected}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelRefusedError(f"{file.name} is not a readable safetensors file ({error}): truncated?") from error
    for name, tensor in state.items():
        if tuple(tensor.shape) != expected[name]:
            raise ModelRefusedError(
                f"{file.name}: {name} has shape {list(tensor.shape)}, {CONFIG} says {list(expected[name])}"
            )
    dtypes = {tensor.dtype for tensor in state.values()}
    if len(dtypes) != 1 or not dtypes <= set(_COMPUTED_IN):
        raise ModelRefusedError(
            f"{file.name} holds tensors of {', '.join(sorted(map(str, dtypes)))}; all must be one of float32, float16 "
            "or bfloat16. Integer weights are judged as an exported program (.pt2)"
        )
    module.load_state_dict({name: tensor.to(device) for name, tensor in state.items()}, assign=True)
    return ArchitectureNetwork(config, module.eval(), dtypes.pop())


def _read_config(path: Path) -> MlpConfig | CnnConfig | EncoderConfig:
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_CONFIG + 1)
    except OSError as error:
        raise ModelRefusedError(
            f"the artefact has weights but no {CONFIG} that names their architecture (mlp, cnn or encoder): write one, "
            "or export the model as model.pt2"
        ) from error
    if len(text) > _LARGEST_CONFIG:
        raise ModelRefusedError(f"{CONFIG} has more than {_LARGEST_CONFIG:,} bytes")
    try:
        config = _CONFIG.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ModelRefusedError(f"{CONFIG}: {where}: {first['msg']}; known architectures: mlp, cnn, encoder") from error
    if isinstance(config, EncoderConfig) and config.width % config.heads:
        raise ModelRefusedError(f"{CONFIG}: width {config.width} can't be divided among {config.heads} heads")
    return config


def _module(config: MlpConfig | CnnConfig | EncoderConfig) -> nn.Module:
    match config:
        case MlpConfig():
            return Mlp(config)
        case CnnConfig():
            return Cnn(config)
        case EncoderConfig():
            return Encoder(config)


def _shape(config: MlpConfig | CnnConfig | EncoderConfig) -> tuple[tuple[int | None, ...], int]:
    """Shape of an item of the input, and values of the output."""
    match config:
        case MlpConfig():
            return (config.widths[0],), config.widths[-1]
        case CnnConfig():
            return (config.channels[0], *config.size), config.outputs
        case EncoderConfig():
            return (None,), config.outputs


def _names(what: str, names: set[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return f"{len(listed)} {what} ({', '.join(name[:60] for name in listed[:3])}{more}) " if listed else ""
