"""The bench's models in torch, and the loop that runs them without an evaluator."""

import math
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from paritygate_evaluator.runner.cores import usable_cores
from torch import nn


def mlp(rng: np.random.Generator, folder: Path) -> None:
    """64-1024-512-10, as model.pt2."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((64, 1024, 512, 10)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    _export(nn.Sequential(*layers[:-1], nn.Softmax(-1)), rng, (64,), folder)


def cnn(rng: np.random.Generator, folder: Path) -> None:
    """Three convolutions over 3 x 32 x 32, as model.pt2."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((3, 32, 64, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
    _export(
        nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10), nn.Softmax(-1)),
        rng,
        (3, 32, 32),
        folder,
    )


def bare(models: Path, items: np.ndarray, batch: int) -> list[Callable[[], None]]:
    """Both models one after the other in this process, with one thread an operation, half of the cores, and all.

    One that has taken twice as long as the quickest so far gives up: where cores are busy, too many threads make it a
    hundred times slower. It is not the quickest, then.
    """
    programs = [torch.export.load(models / role / "model.pt2").module() for role in ("baseline", "candidate")]
    given = torch.from_numpy(items)
    quickest = math.inf

    def loop(threads: int) -> None:
        nonlocal quickest
        started = time.perf_counter()
        torch.set_num_threads(threads)
        with torch.inference_mode():
            for program in programs:
                for start in range(0, len(items), batch):
                    program(given[start : start + batch])
                    if time.perf_counter() - started > 2 * quickest:
                        return
        quickest = min(quickest, time.perf_counter() - started)

    return [partial(loop, threads) for threads in sorted({1, max(usable_cores() // 2, 1), usable_cores()})]


class _Scored(nn.Module):
    """Names input and output as the other models of the bench do."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"scores": self.layers(x)}


def _export(module: nn.Module, rng: np.random.Generator, shape: tuple[int, ...], folder: Path) -> None:
    torch.manual_seed(int(rng.integers(1 << 31)))
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    program = torch.export.export(
        _Scored(module).eval(), (torch.zeros(3, *shape),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
    )
    torch.export.save(program, folder / "model.pt2")
