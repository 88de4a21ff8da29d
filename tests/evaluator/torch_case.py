"""Small torch models, written as teams write them, and ways to alter what was written."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed
from paritygate_evaluator.runner.runtime import LoadedModel, Options, runtime
from torch import nn
from torch.nn import functional

CPU = Options(("CPUExecutionProvider",), threads=3)
QDQ = torch.ops.quantized_decomposed


class Classifier(nn.Module):
    """Convolution, batch norm, an operation in place, a size that depends on the items; two named outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        pooled = functional.relu_(self.norm(self.conv(x))).mean((2, 3)).view(x.shape[0], -1)
        return {"scores": self.head(pooled).softmax(-1), "embedding": pooled}


class Quantised(nn.Module):
    """Two layers, activations in 8 bits; the smaller the scale, the more of the hidden layer is cut off."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.scale = nn.Linear(8, 32), nn.Linear(32, 4), scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu(self.first(x))
        if self.scale:
            q = QDQ.quantize_per_tensor.default(hidden, self.scale, -128, -128, 127, torch.int8)
            hidden = QDQ.dequantize_per_tensor.default(q, self.scale, -128, -128, 127, torch.int8)
        return self.second(hidden)


class Weights8(nn.Module):
    """A linear layer whose weights are 8-bit integers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randint(-127, 127, (16, 8), dtype=torch.int8))
        self.register_buffer("scale", torch.rand(16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch._weight_int8pack_mm(x, self.weight, self.scale)


class Several(nn.Module):
    """Operators with several results, lists, optional arguments and constants."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, places = torch.topk(torch.cat([x, y], -1), 3)
        left, right = values.split([1, 2], -1)
        return functional.hardtanh(left * float("inf")), places[:, [0, 2]] + right.sum(-1, keepdim=True)


class Attention(nn.Module):
    """As many tokens as there are."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.layer = nn.Embedding(20, 16), nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layer(self.tokens(tokens) * (tokens.shape[1] ** 0.5)).mean(1)


class Training(nn.Module):
    """Alters its weights by what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def export(module: nn.Module, folder: Path, *given: torch.Tensor, fixed: bool = False, tokens: bool = False) -> Path:
    """The module as the only model of an artefact."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes: Any = {0: torch.export.Dim.DYNAMIC, **({1: torch.export.Dim.DYNAMIC} if tokens else {})}
    shapes = None if fixed else tuple(sizes for _ in given)
    torch.export.save(torch.export.export(module, given, dynamic_shapes=shapes), folder / "model.pt2")
    return folder


def load(folder: Path, options: Options = CPU) -> LoadedModel:
    return runtime("torch").load(folder, options)


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """The archive with other contents."""
    with zipfile.ZipFile(file) as archive:
        entries = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"model/{name}", content)


def with_graph(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes]], None]:
    """A change of the program's JSON."""

    def rewrite(entries: dict[str, bytes]) -> None:
        program = json.loads(entries["models/model.json"])
        change(program)
        entries["models/model.json"] = json.dumps(program).encode()

    return rewrite


def with_target(target: str) -> Callable[[dict[str, bytes]], None]:
    return with_graph(lambda program: program["graph_module"]["graph"]["nodes"][0].update(target=target))


RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(70, 3, 9, 9)).astype(np.float32)
ROWS = RNG.normal(size=(70, 8)).astype(np.float32)
TOKENS = RNG.integers(0, 20, (70, 6))
