"""Which of a model's outputs is judged."""

from collections.abc import Callable, Sequence

from ..client import Port
from .scorer import refusal


def judged_output(
    pack: str, ports: Sequence[Port], output: str | None, ways: Sequence[Callable[[Port], bool]]
) -> int | None:
    """The place of the output that the pack names, or else of the only one that can be judged; None if there is none.

    `ways` tell what can be judged, the most telling first: a later one counts only where no earlier one fits. Raises
    EvaluatorError PackInvalid when the named output does not exist, or when several fit and none is named.
    """
    if output is not None and all(port.name != output for port in ports):
        raise refusal(
            pack, f"output {output!r} is none of the model's; write one of them into the pack: {listed(ports)}"
        )
    for way in ways:
        places = [place for place, port in enumerate(ports) if way(port) and output in (None, port.name)]
        if len(places) > 1:
            raise refusal(
                pack,
                f"the model has several outputs that could be judged ({listed([ports[i] for i in places])}); write "
                f"which in the pack, such as output: {ports[places[0]].name}",
            )
        if places:
            return places[0]
    return None


def only_output(pack: str, ports: Sequence[Port], output: str | None, way: Callable[[Port], bool], needed: str) -> int:
    """As `judged_output`; that none fits is refused, too. `needed` says what fits."""
    place = judged_output(pack, ports, output, [way])
    if place is None:
        which = f"output {output!r} can't be judged" if output else "the model has no output that can be judged"
        raise refusal(pack, f"{which}: needed is {needed}; it has {listed(ports)}")
    return place


def listed(ports: Sequence[Port]) -> str:
    """Ports for a message."""
    return ", ".join(map(str, ports)) or "none"


def of_numbers(port: Port) -> bool:
    """Whether it holds floats."""
    return port.dtype.startswith("float")


def one_an_item(port: Port) -> bool:
    """Whether it holds one value an item: (items,) or (items, 1)."""
    return port.shape[1:] in ((), (1,))


def row_an_item(port: Port) -> bool:
    """Whether it holds several values an item: (items, n) with n above 1, or not known yet."""
    return len(port.shape) == 2 and port.shape[1] != 1
