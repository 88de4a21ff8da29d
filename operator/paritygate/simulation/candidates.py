"""The candidates that a simulation makes up: what each truly loses, where, and what was promised about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from paritygate.api import TRAITS, Evidence, Inference, Metric
from paritygate.judge import Column, Gate
from paritygate.judge import Kind as ColumnKind

from .cells import cell_shares
from .setting import Setting

Regions = npt.NDArray[np.int8]

BROKEN = 0.05
"""Of every item's score: 5 points."""

EQUAL_SHARE = 0.1
"""Of the class of a cell column that has no gate with a planned share."""


class Kind(StrEnum):
    """Why a candidate is looked at."""

    EQUAL = "Equal"
    BETTER = "Better"
    AT_MARGIN = "AtMargin"
    TWICE = "TwiceTheMargin"
    BROKEN = "Broken"
    REGRESSION = "OneRegression"
    EXCLUDED = "OutsideThePromise"


@dataclass(frozen=True, slots=True)
class Change:
    """The truth about the items of one region in one column."""

    loss: float
    """E d: how much more often the candidate is wrong; for other columns in their own unit."""
    flips: float
    """P(d != 0), at least |loss|."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One made-up candidate. Everywhere that `regions` (one entry an item) is 0 the first change of a column holds."""

    kind: Kind
    gate: Gate | None
    regions: Regions | None
    changes: Mapping[Column, tuple[Change, ...]]
    cells: Mapping[Column, npt.NDArray[np.float64]]
    """Shares (8,) of the kinds of item, for columns of one class."""
    promised: float | None
    """The most often that it may pass; None where nothing is promised."""
    exact: float | None = field(default=None)
    """A locked set's margin that region 1 loses exactly: there the truth is a count, not a chance."""

    @property
    def name(self) -> str:
        """For a table: what it is, and the gate that it is about."""
        return _NAMES[self.kind] + (f" {self.gate.name}" if self.gate else "")


_NAMES = {
    Kind.EQUAL: "equal",
    Kind.BETTER: "better by half the margin of",
    Kind.AT_MARGIN: "at the margin of",
    Kind.TWICE: "twice the margin of",
    Kind.BROKEN: "broken: 5 points everywhere",
    Kind.REGRESSION: "one item lost of",
    Kind.EXCLUDED: "not promised: twice",
}


def candidates(setting: Setting) -> tuple[Candidate, ...]:
    """Equal; at the margin of one gate of each hard kind; twice the margin; broken; better; and what isn't promised.

    Of several gates of one kind it is the one with the fewest items: there damage hides best.
    """
    made = _Making(setting)
    by_kind: dict[tuple[Metric, bool, str | None], Gate] = {}
    for gate in setting.hard():
        key = (gate.claim.metric, gate.slice is not None, gate.claim.perturbation)
        if key not in by_kind or gate.units < by_kind[key].units:
            by_kind[key] = gate
    movable = sorted((g for g in by_kind.values() if _movable(g)), key=lambda gate: gate.slice is not None)
    excluded = [gate for gate in setting.hard(excluded=True) if _movable(gate)]
    found = [made.everywhere(Kind.EQUAL, 0.0)]
    found += [made.losing(Kind.BETTER, gate, -0.5) for gate in movable[:1]]
    found += [made.harmed(gate) for gate in by_kind.values()]
    found += [made.losing(Kind.TWICE, gate, 2.0) for gate in movable[:1]]
    found.append(made.everywhere(Kind.BROKEN, BROKEN))
    if excluded:
        found.append(made.losing(Kind.EXCLUDED, max(excluded, key=lambda gate: gate.units), 2.0))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Making:
    setting: Setting

    def everywhere(self, kind: Kind, loss: float) -> Candidate:
        """The same loss in every column."""
        changes = {column: (self._change(loss),) for column in self._flat()}
        worse = any(_movable(gate) and _margin(gate) <= loss for gate in self.setting.hard())
        return Candidate(kind, None, None, changes, self._cells(loss), self.setting.alpha if worse else None)

    def harmed(self, gate: Gate) -> Candidate:
        """The candidate that truly loses this gate's margin and as little as can be elsewhere."""
        match TRAITS[gate.claim.metric].evidence:
            case Evidence.REGRESSIONS:
                return self._with(Kind.REGRESSION, gate, _region(self.setting, gate), {}, 0.0)
            case Evidence.RATE:
                return self._too_often(gate)
            case Evidence.GAP:
                return self._apart(gate)
            case Evidence.CONFUSION:
                cells = self._cells(0.0, gate)
                return Candidate(Kind.AT_MARGIN, gate, None, self._equal(), cells, self.setting.alpha)
        return self.losing(Kind.AT_MARGIN, gate, 1.0)

    def losing(self, kind: Kind, gate: Gate, times: float) -> Candidate:
        """Loses this many margins on the gate's items; the others gain, so that the loss does not show in the whole."""
        regions, loss = _region(self.setting, gate), times * _margin(gate)
        inside = float((regions == 1).mean())
        outside = -min(loss * inside / (1 - inside), loss) if 0 < inside < 1 and loss > 0 else 0.0
        return self._with(
            kind, gate, regions, {gate.column: (self._change(outside), self._change(loss))}, self._promised(kind)
        )

    def _promised(self, kind: Kind) -> float | None:
        return self.setting.alpha if kind in (Kind.AT_MARGIN, Kind.TWICE) else None

    def _too_often(self, gate: Gate) -> Candidate:
        """What is counted happens exactly as often as allowed; as much is gained as is lost."""
        limit = _margin(gate)
        gained = 0.0 if gate.column.kind is ColumnKind.DIFFERS else min(limit, 1 - limit)
        changes = {gate.column: (self._change(0.0), Change(limit - gained, limit + gained))}
        return self._with(Kind.AT_MARGIN, gate, _region(self.setting, gate), changes, self.setting.alpha)

    def _apart(self, gate: Gate) -> Candidate:
        """One group loses, the other gains: the gap grows by the margin, the whole stays."""
        regions = np.zeros(len(self.setting.items.ids), np.int8)
        behind = gate.marks != 0 if gate.marks is not None else np.zeros(len(gate.sequence), np.bool_)
        regions[gate.sequence] = np.where(behind, 2, 1)
        second, margin = float(behind.mean()), _margin(gate)
        lost = (self._change(0.0), self._change(margin * second), self._change(-margin * (1 - second)))
        return self._with(Kind.AT_MARGIN, gate, regions, {gate.column: lost}, self.setting.alpha)

    def _with(
        self,
        kind: Kind,
        gate: Gate,
        regions: Regions,
        changed: Mapping[Column, tuple[Change, ...]],
        promised: float | None,
    ) -> Candidate:
        locked = self.setting.plan.inference is Inference.LOCKED_SET
        flips = TRAITS[gate.claim.metric].evidence is Evidence.FLIPS
        exact = _margin(gate) if locked and flips and kind is Kind.AT_MARGIN else None
        return Candidate(kind, gate, regions, self._equal() | dict(changed), self._cells(0.0), promised, exact)

    def _equal(self) -> dict[Column, tuple[Change, ...]]:
        return {column: (self._change(0.0),) for column in self._flat()}

    def _change(self, loss: float) -> Change:
        return Change(loss, max(self.setting.flips, abs(loss)))

    def _flat(self) -> list[Column]:
        return [column for column in self.setting.columns if column.kind is not ColumnKind.CELL]

    def _cells(self, loss: float, lossy: Gate | None = None) -> dict[Column, npt.NDArray[np.float64]]:
        """Every class's kinds of item; only of the gate's class something is lost, if one is given."""
        shares = {}
        for gate in self.setting.counted:
            if gate.column.kind is not ColumnKind.CELL or (gate.column in shares and gate is not lossy):
                continue
            lost = _margin(gate) if gate is lossy else loss
            share = gate.power.share if gate.power and gate.power.share else EQUAL_SHARE
            claim = gate.claim
            shares[gate.column] = cell_shares(claim.metric, float(claim.beta or 1), share, self.setting.flips, lost)
        return shares


def _movable(gate: Gate) -> bool:
    """Whether a loss can simply be laid on its items."""
    return TRAITS[gate.claim.metric].evidence in (Evidence.FLIPS, Evidence.BOUNDED)


def _margin(gate: Gate) -> float:
    return float(gate.claim.margin or 0)


def _region(setting: Setting, gate: Gate) -> Regions:
    regions = np.zeros(len(setting.items.ids), np.int8)
    regions[gate.sequence] = 1
    return regions
