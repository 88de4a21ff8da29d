"""Where a failed candidate departs from the baseline, as the referee says: no count tells it, nobody can recompute it.

It explains a verdict and decides nothing. The names come out of somebody's model file.
"""

from collections.abc import Sequence
from dataclasses import replace

from paritygate.api import LayerRecord, Outcome

from .verdict import Verdict

BROKEN = 0.2
"""Relative error from which on a layer is called broken. An honest 8-bit model stays within 0.02 at every layer; inputs
of which a third is cut off, which costs the quick start's candidate 20 points on one slice, are at 0.21."""

MOST_LAYERS = 64
"""Layers in a record. One of so many may begin in the middle of a model."""

NOT_FINITE = 1e9
"""The difference of a layer that a record can't hold: infinite, or none of a number."""

_LONGEST_NAME = 100


def first_broken(errors: Sequence[float], *, cut: bool = False) -> int | None:
    """Where it first broke: the place of the first layer with a relative error of `BROKEN` or more.

    If no layer is that bad, the one whose error grew most over that of the layer before it: the step that did most.
    None without layers, or when all are equal. `cut`: layers before these were left out, so that the first is no step.
    """
    for place, error in enumerate(errors):
        if error >= BROKEN:
            return place
    before = [errors[0] if cut else 0.0, *errors[:-1]] if errors else []
    steps = [error - last for error, last in zip(errors, before, strict=True)]
    return max(range(len(steps)), key=steps.__getitem__) if steps and max(steps) > 0 else None


def explained(verdict: Verdict, layers: Sequence[LayerRecord]) -> Verdict:
    """The verdict, and where its candidate departs if it failed."""
    said = departure(layers) if verdict.outcome is Outcome.FAILED else ""
    return replace(verdict, message=f"{verdict.message}. {said}") if said else verdict


def departure(layers: Sequence[LayerRecord]) -> str:
    """One sentence of at most 200 characters on one line, whatever a layer is called; "" when there is none to name."""
    place = first_broken([layer.difference for layer in layers], cut=len(layers) == MOST_LAYERS)
    if place is None:
        return ""
    layer = layers[place]
    far = f"{layer.difference:.2f}" if layer.difference < NOT_FINITE else "not finite"
    cut_off = f", {layer.saturated:.0%} of it cut off" if layer.saturated else ""
    return f"The referee says: first departs at tensor {_quoted(layer.name)}, relative difference {far}{cut_off}"


def _quoted(name: str) -> str:
    """Without what moves a cursor, starts a line or turns the direction of writing."""
    seen = "".join(letter if letter.isprintable() and letter != "'" else "?" for letter in name)
    return f"'{seen}'" if len(seen) <= _LONGEST_NAME else f"'{seen[: _LONGEST_NAME - 1]}…'"
