"""What the judge would be told of every item: one column of whole numbers, drawn from what a candidate truly is.

Columns of different kinds are drawn independently. A promotion needs every hard gate, so the promise holds whatever
their dependence; where they go together, as in real models, an equal candidate passes rather more often than here.
The items of a cluster have one luck: they do all alike, as far as they are alike, which is the worst that can be.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from paritygate.judge import BOTH_RIGHT, BOTH_WRONG, LOST, WON, Column
from paritygate.judge import Kind as ColumnKind
from paritygate.judge.scenarios import SPREAD
from paritygate.stats.bounded import SCALE
from paritygate.stats.locked import allowed_loss

from .candidates import Candidate, Change, Kind
from .cells import given_label
from .setting import Setting

Values = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

BOTH_WRONG_SHARE = 0.1
"""Of the items that don't flip. No process but the gap's tells right from wrong there."""


def drawn(setting: Setting, candidate: Candidate, column: Column, draw: np.random.Generator) -> Values:
    """One value an item, as `judge.columns` defines them for this kind of column."""
    match column.kind:
        case ColumnKind.CELL:
            return _cells(setting, candidate, column, draw)
        case ColumnKind.OUTCOME | ColumnKind.ABSTENTION:
            return _outcomes(setting, candidate, column, draw)
        case ColumnKind.DIFFERS:
            chance = _by_region(setting, candidate, column, lambda change: change.flips)
            return (_luck(setting, draw) < chance).astype(np.int32)
    return _losses(setting, candidate, column, draw)


def _outcomes(setting: Setting, candidate: Candidate, column: Column, draw: np.random.Generator) -> Values:
    lost = _by_region(setting, candidate, column, lambda change: (change.flips + change.loss) / 2)
    won = _by_region(setting, candidate, column, lambda change: (change.flips - change.loss) / 2)
    if column.kind is ColumnKind.OUTCOME and candidate.kind is not Kind.BROKEN:
        more = _undiluted(setting, candidate)
        lost, won = np.minimum(lost * more, 1), np.minimum(won * more, 1)
    luck = _luck(setting, draw)
    right = lost + won + (1 - lost - won) * (1 - BOTH_WRONG_SHARE)
    values = np.select([luck < lost, luck < lost + won, luck < right], [LOST, WON, BOTH_RIGHT], BOTH_WRONG)
    outcomes: Values = values.astype(np.int32)
    if column.kind is ColumnKind.OUTCOME and candidate.kind is not Kind.BROKEN:
        outcomes[setting.kept] = BOTH_RIGHT
        if candidate.kind is Kind.REGRESSION and candidate.gate and candidate.gate.column == column:
            outcomes[draw.choice(candidate.gate.sequence)] = LOST
    if candidate.exact is not None and candidate.gate and candidate.gate.column == column:
        _lose_exactly(setting, candidate, candidate.exact, outcomes, draw)
    return outcomes


def _lose_exactly(
    setting: Setting, candidate: Candidate, margin: float, outcomes: Values, draw: np.random.Generator
) -> None:
    """A locked set at the margin: the fewest net losses that fail it, on items chosen by lot."""
    inside = np.flatnonzero(candidate.regions == 1)
    free = inside[~setting.kept[inside]]
    net = min(allowed_loss(len(inside), margin), len(free))
    both = max(0, round((setting.flips * len(inside) - net) / 2))
    both = min(both, (len(free) - net) // 2)
    chosen = draw.permutation(free)
    outcomes[free] = BOTH_RIGHT
    outcomes[chosen[: net + both]] = LOST
    outcomes[chosen[net + both : net + 2 * both]] = WON


def _cells(setting: Setting, candidate: Candidate, column: Column, draw: np.random.Generator) -> Values:
    bears = setting.items.classes[column.parameter]
    chances = np.cumsum(given_label(candidate.cells[column]), axis=1)
    luck, answers = _luck(setting, draw), np.zeros(len(bears), np.int32)
    for label in (0, 1):
        here = bears == bool(label)
        answers[here] = np.minimum(np.searchsorted(chances[label], luck[here], side="right"), 3)
    return answers + 4 * bears.astype(np.int32)


def _losses(setting: Setting, candidate: Candidate, column: Column, draw: np.random.Generator) -> Values:
    """Nine in ten small, one in ten three times the spread, either sign, around the true loss; in whole units."""
    true_loss = _by_region(setting, candidate, column, lambda change: change.loss)
    spread = SPREAD[column.kind]
    large = min(1.0, 3 * math.sqrt(spread))
    often = 0.9 * spread / large**2
    small = math.sqrt(0.1 * spread / (1 - often))
    size = np.where(_luck(setting, draw) < often, large, small)
    noise = np.where(_luck(setting, draw) < 0.5, size, -size)
    # Rounded by lot: rounding always up would move the truth past the margin.
    units = np.floor((noise + true_loss) * SCALE + _luck(setting, draw))
    return np.clip(units, -SCALE, SCALE).astype(np.int32)


def _luck(setting: Setting, draw: np.random.Generator) -> Floats:
    """A number in [0, 1) an item, the same for all of a cluster."""
    clusters = setting.items.clusters
    if clusters is None:
        return draw.random(len(setting.items.ids))
    found: Floats = draw.random(int(clusters.max(initial=-1)) + 1)[clusters]
    return found


def _by_region(setting: Setting, candidate: Candidate, column: Column, of: Callable[[Change], float]) -> Floats:
    """One figure an item, of the region that it is in."""
    values = np.array([of(change) for change in candidate.changes[column]])
    if candidate.regions is None:
        return np.full(len(setting.items.ids), values[0])
    found: Floats = values[np.minimum(candidate.regions, len(values) - 1)]
    return found


def _undiluted(setting: Setting, candidate: Candidate) -> Floats:
    """By how much the other items of a region must lose more, because those that must pass lose nothing."""
    kept = setting.kept
    regions = candidate.regions if candidate.regions is not None else np.zeros(kept.size, np.int8)
    items, spared = np.bincount(regions), np.bincount(regions, weights=kept)
    share: Floats = items / np.maximum(items - spared, 1)
    return share[regions]
