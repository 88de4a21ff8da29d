"""How far an evaluation went: what it looked at, what that says of the rest, and the slices that are worth a look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paritygate.api import CheckRecord, EvaluationPlan, Task
from paritygate.judge import LABEL, Gate, InOrder, Items, finite_record, suspects

from .evidence import Evidence
from .labels import Labels


@dataclass(frozen=True, slots=True)
class Extent:
    """Of the items that are judged by now."""

    plan: EvaluationPlan
    gates: Sequence[Gate]
    items: Items
    evidence: Evidence

    @property
    def in_order(self) -> InOrder:
        """The items judged without one left out."""
        return InOrder.of(self.gates, self.items, self.evidence.plain.revealed)

    def clean(self) -> CheckRecord:
        """The record that no NaN was met."""
        of_items = len(self.items.judged_order)
        return finite_record(self.plan, self.evidence.judged, of_items, self.in_order.units)

    def told(self, labels: Labels) -> dict[str, Any]:
        """The fields of a result."""
        seen, columns = self.in_order, dict(self.items.columns)
        if self.plan.packs[0].task is Task.CLASSIFICATION and labels.labelled:
            columns[LABEL] = labels.labels
        named, family = suspects(self.plan, self.gates, columns, seen, self.evidence.plain.outcomes[seen.items])
        return {
            "judged": sum(int(view.revealed.sum()) for _, view in self.evidence.views()),
            "items_in_order": seen.units,
            "exploratory": named,
            "exploratory_family": family,
        }
