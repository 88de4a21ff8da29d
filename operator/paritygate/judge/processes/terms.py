"""What every process of a gate is told, and what it answers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from paritygate.api import GateRecord

Ints = npt.NDArray[np.int64]

SLACK = 1e-6
"""Of figures that are only shown: another processor's last bit may end a search a step away."""

CERTAIN = 1e6
"""Log wealth that stands for infinity, which JSON doesn't have: the counts make the null impossible."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one gate, all of them known before the first item."""

    alpha: float
    margin: float
    hard: int
    """Hard gates that share `alpha_fail`."""
    alpha_fail: float
    flip_rate: float
    """The technique's prior: what the bet believes before it has seen an item."""
    population: int
    """Items of the gate's sequence."""
    locked: bool
    """Whether the claim is about these items and not about where they come from."""
    beta: float = 1.0


class Process(Protocol):
    """The two sides of one gate: for "not worse than the margin" and for "worse"; each latches when it is sure."""

    batch: int
    """Items that are counted together; only the last batch of a gate may be shorter."""

    @property
    def n(self) -> int:
        """Items counted."""
        ...

    @property
    def pass_at(self) -> int | None:
        """Items after which the claim was proved."""
        ...

    @property
    def harm_at(self) -> int | None:
        """Items after which harm was proved."""
        ...

    @property
    def harm_peak(self) -> float:
        """The largest log wealth against the candidate so far: by it culprits are named."""
        ...

    @property
    def rule(self) -> str:
        """The bet and its preregistered numbers, for the record."""
        ...

    def take(self, values: Ints) -> None:
        """Count the values of further items, in the gate's order: whole batches, but for the last of all."""
        ...

    def replay(self, log: str, n: int) -> None:
        """Count `n` items from a record's batch log. Raises ValueError when it is none."""
        ...

    def figures(self) -> dict[str, Any]:
        """Fields of the gate's record that follow from the counts."""
        ...

    def searched(self) -> dict[str, Any]:
        """`interval` and `proven_margin`, which cost a search."""
        ...

    def supports(self, record: GateRecord) -> bool:
        """Whether the counts exclude what a record's interval leaves out, and prove its margin: one look at each."""
        ...


class Latching(Protocol):
    """One e-process of `stats`: for the claim, or against it."""

    @property
    def items(self) -> int:
        """Items counted."""
        ...

    @property
    def latched_at(self) -> int | None:
        """Items after which it was sure."""
        ...


State = TypeVar("State", bound=Latching)


class Latched(Generic[State]):
    """What processes with one side for the claim and one against it have in common."""

    _pass: State
    _harm: State

    @property
    def n(self) -> int:
        """Items counted."""
        return self._pass.items

    @property
    def pass_at(self) -> int | None:
        """Items after which the claim was proved."""
        return self._pass.latched_at

    @property
    def harm_at(self) -> int | None:
        """Items after which harm was proved."""
        return self._harm.latched_at


class Peaking(Latching, Protocol):
    """One that knows its largest wealth at any time, and need not work it out."""

    @property
    def sup_log_e(self) -> float:
        """The largest log wealth so far."""
        ...


Known = TypeVar("Known", bound=Peaking)


class TwoSided(Latched[Known]):
    """Both of whose sides know their largest wealth."""

    @property
    def harm_peak(self) -> float:
        """The largest log wealth against the candidate so far."""
        return min(self._harm.sup_log_e, CERTAIN)


def within(record: GateRecord, again: Mapping[str, Any]) -> bool:
    """Whether a record claims no narrower interval and no smaller margin than were found again."""
    if record.interval is not None:
        low, high = again.get("interval") or (-math.inf, math.inf)
        if record.interval[0] > low + SLACK or record.interval[1] < high - SLACK:
            return False
    if record.proven_margin is None:
        return True
    proven = again.get("proven_margin")
    return proven is not None and record.proven_margin >= proven - SLACK


def tabulated(values: Ints, batch: int, kinds: int) -> Ints:
    """How often each of 0 .. kinds - 1 occurs in each batch, (k, kinds). Raises ValueError for another value."""
    if len(values) and not (int(values.min()) >= 0 and int(values.max()) < kinds):
        raise ValueError(f"values lie between {values.min()} and {values.max()}, there are {kinds} kinds")
    size = -(-len(values) // batch)
    padded = np.full(size * batch, kinds, np.int64)
    padded[: len(values)] = values
    rows = padded.reshape(size, batch) + np.arange(size)[:, None] * (kinds + 1)
    return np.bincount(rows.ravel(), minlength=size * (kinds + 1)).reshape(size, kinds + 1)[:, :kinds].astype(np.int64)
