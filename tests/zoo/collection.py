"""All exhibits, in the order in which they are told; those of torch where it is installed."""

import importlib.util

from . import damaged_answers, damaged_behaviour, damaged_files, honest, undecided
from .entry import Exhibit


def exhibits() -> tuple[Exhibit, ...]:
    """Every exhibit that can be made here."""
    return (*of_onnx(), *_of_torch())


def of_onnx() -> tuple[Exhibit, ...]:
    """Those that can be made everywhere."""
    return (
        *damaged_answers.EXHIBITS,
        *damaged_behaviour.EXHIBITS,
        *damaged_files.EXHIBITS,
        *honest.EXHIBITS,
        *undecided.EXHIBITS,
    )


def _of_torch() -> tuple[Exhibit, ...]:
    if importlib.util.find_spec("torch") is None:
        return ()
    from . import torch_models

    return torch_models.EXHIBITS
