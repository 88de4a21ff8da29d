"""The same in torch, where it is installed: exported programs, weights and activations in eight bits."""

import io

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # registers the operators of quantized_decomposed
from paritygate.api import Technique
from torch import nn

from . import stock, training
from .entry import Case, Exhibit, damage, honest
from .networks import Network
from .workshop import Workshop

QDQ = torch.ops.quantized_decomposed


class Layers(nn.Module):
    """A network of the zoo, in float."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.count = len(network.layers)
        for number, (matrix, bias) in enumerate(network.layers):
            self.register_buffer(f"bias{number}", torch.from_numpy(bias))
            self.keep(number, matrix)

    def keep(self, number: int, matrix: np.ndarray) -> None:
        self.register_buffer(f"weight{number}", torch.from_numpy(matrix))

    def weight(self, number: int) -> torch.Tensor:
        return self.get_buffer(f"weight{number}")

    def shown(self, hidden: torch.Tensor, number: int) -> torch.Tensor:
        return hidden

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        for number in range(self.count):
            pixels = self.shown(pixels, number) @ self.weight(number) + self.get_buffer(f"bias{number}")
            if number < self.count - 1:
                pixels = pixels.relu()
        return pixels.softmax(-1)


class EightBits(Layers):
    """Weights in eight bits per column; activations in eight bits, of ranges that calibration found."""

    def __init__(self, network: Network, calibration: np.ndarray) -> None:
        super().__init__(network)
        self.steps, rows = [], calibration
        for matrix, bias in network.layers:
            self.steps.append(float(np.abs(rows).max()) / 127)
            rows = np.maximum(rows @ matrix + bias, 0)

    def keep(self, number: int, matrix: np.ndarray) -> None:
        scale = np.abs(matrix).max(0) / 127
        self.register_buffer(f"whole{number}", torch.from_numpy(np.rint(matrix / scale).astype(np.int8)))
        self.register_buffer(f"scale{number}", torch.from_numpy(scale))

    def weight(self, number: int) -> torch.Tensor:
        scale = self.get_buffer(f"scale{number}")
        zero = torch.zeros_like(scale, dtype=torch.int64)
        whole = self.get_buffer(f"whole{number}")
        weight: torch.Tensor = QDQ.dequantize_per_channel.default(whole, scale, zero, 1, -127, 127, torch.int8)
        return weight

    def shown(self, hidden: torch.Tensor, number: int) -> torch.Tensor:
        step = self.steps[number]
        whole = QDQ.quantize_per_tensor.default(hidden, step, 0, -127, 127, torch.int8)
        seen: torch.Tensor = QDQ.dequantize_per_tensor.default(whole, step, 0, -127, 127, torch.int8)
        return seen


def exported(module: nn.Module) -> bytes:
    """The module as a program without code, for any number of items."""
    sizes = ({0: torch.export.Dim.DYNAMIC},)
    stream = io.BytesIO()
    torch.export.save(torch.export.export(module.eval(), (torch.zeros(4, 64),), dynamic_shapes=sizes), stream)
    return stream.getvalue()


def _case(workshop: Workshop, name: str, candidate: nn.Module) -> Case:
    return Case(
        workshop.model("digits-torch", exported(Layers(training.digits())), "pt2"),
        workshop.model(name, exported(candidate), "pt2"),
        (stock.digits_pack(workshop),),
        (stock.BY_INPUT_RANGE_SOFT,),
        Technique.INT8_STATIC,
        runtime="torch",
    )


@honest("torch: weights and activations in eight bits, calibrated on both scanners.")
def torch_int8(workshop: Workshop) -> Case:
    return _case(workshop, "torch-int8", EightBits(training.digits(), stock.calibration(0.5)))


@damage("by-scanner/B", "torch: the same, calibrated on scanner A only.")
def torch_calibrated_on_one_scanner(workshop: Workshop) -> Case:
    return _case(workshop, "torch-int8-a", EightBits(training.digits(), stock.calibration(0.0)))


EXHIBITS: tuple[Exhibit, ...] = (torch_int8, torch_calibrated_on_one_scanner)
