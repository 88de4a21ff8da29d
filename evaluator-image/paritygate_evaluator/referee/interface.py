"""Deterministic checks before any item: do the two models and the packs speak of the same things?"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from paritygate.api import Check, CheckRecord, Perturbation, Reason

from ..ending import EvaluatorError
from ..runner.perturb import Kind as Disturbance
from ..runner.perturb import Perturbation as Disturbed
from .client import Description, Inputs, Port


def check_interface(baseline: Description, candidate: Description) -> CheckRecord:
    """The candidate must take and give what the baseline does: names, types, shapes."""
    said = [
        *_differences("input", baseline.inputs, candidate.inputs),
        *_differences("output", baseline.outputs, candidate.outputs),
    ]
    if not said:
        return CheckRecord(name=Check.INTERFACE, ok=True)
    message = (
        f"candidate: {'; '.join(said[:5])}. A release must not change the interface: export it with the baseline's"
    )
    return CheckRecord(name=Check.INTERFACE, ok=False, message=message[:1000])


def check_provider(asked: str, candidate: Description) -> CheckRecord:
    """The candidate must run where it was asked to: a silent fallback would be judged as slow, or not at all."""
    if candidate.provider == asked:
        return CheckRecord(name=Check.PROVIDER, ok=True)
    message = f"candidate: asked for {asked}, runs on {candidate.provider}: its operators are not supported there"
    return CheckRecord(name=Check.PROVIDER, ok=False, message=message)


def check_items(pack: str, inputs: Inputs, baseline: Description) -> None:
    """The packs' arrays must be what the baseline takes. Raises EvaluatorError PackInvalid naming the array."""
    arrays = {port.name: port for port in inputs.ports}
    for port in baseline.inputs:
        if port.name not in arrays:
            known = ", ".join(arrays) or "none"
            raise EvaluatorError(
                Reason.PACK_INVALID,
                f"{pack}: inputs have no array {port.name!r}, which the model takes; they have: {known}",
            )
        array = arrays[port.name]
        if array.dtype != port.dtype:
            raise EvaluatorError(
                Reason.PACK_INVALID,
                f"{pack}: array {port.name!r} is {array.dtype}, the model takes {port.dtype}; "
                f'write it with .astype("{port.dtype}")',
            )
        row = port.shape[1:]
        column = row == (1,) and array.shape == ()
        if not column and (
            len(row) != len(array.shape) or not all(_fits(a, b) for a, b in zip(row, array.shape, strict=True))
        ):
            shapes = f"has shape {_shape(array.shape)}, the model takes {_shape(row)}"
            raise EvaluatorError(Reason.PACK_INVALID, f"{pack}: an item of array {port.name!r} {shapes}")


def check_perturbations(pack: str, inputs: Inputs, perturbations: Iterable[Perturbation]) -> None:
    """Each perturbation must change some array of the packs. Raises EvaluatorError PackInvalid naming it."""
    for perturbation in perturbations:
        how = disturbed(perturbation)
        dtypes = [
            (np.dtype("U1" if p.dtype == "str" else p.dtype), tuple(n or 1 for n in p.shape)) for p in inputs.ports
        ]
        if not any(how.applies(dtype, row) for dtype, row in dtypes):
            known = ", ".join(map(str, inputs.ports))
            needed = "text" if perturbation.kind == "Typos" else "floats (Blur: with two axes an item) or pixels"
            raise EvaluatorError(
                Reason.PACK_INVALID,
                f"{pack}: perturbation {perturbation.name} ({perturbation.kind}) changes inputs of {needed}; the packs "
                f"hold {known}",
            )


def disturbed(perturbation: Perturbation) -> Disturbed:
    """As the runner takes it. Its seed is its name: the same noise in every run, another for another name."""
    seed = int.from_bytes(hashlib.sha256(perturbation.name.encode()).digest()[:7])
    try:
        return Disturbed(Disturbance(perturbation.kind), float(perturbation.strength), seed)
    except ValueError as error:
        raise EvaluatorError(Reason.PACK_INVALID, f"perturbation {perturbation.name}: {error}") from error


def _differences(kind: str, baseline: Sequence[Port], candidate: Sequence[Port]) -> list[str]:
    theirs = {port.name: port for port in candidate}
    said = []
    for port in baseline:
        other = theirs.pop(port.name, None)
        if other is None:
            said.append(f"{kind} {port.name!r} of the baseline is missing")
        elif other.dtype != port.dtype:
            said.append(f"{kind} {port.name!r} is {other.dtype}, the baseline's is {port.dtype}")
        elif len(other.shape) != len(port.shape) or not all(
            _fits(a, b) for a, b in zip(port.shape, other.shape, strict=True)
        ):
            said.append(f"{kind} {port.name!r} has shape {_shape(other.shape)}, the baseline's is {_shape(port.shape)}")
    said += [f"{kind} {name!r} is not one of the baseline's" for name in theirs]
    return said


def _fits(one: int | None, other: int | None) -> bool:
    return one is None or other is None or one == other


def _shape(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"
