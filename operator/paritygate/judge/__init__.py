"""Packs, policy and outcomes in; gates and a verdict out. Pure."""

from .budget import alpha_of
from .columns import BOTH_RIGHT, BOTH_WRONG, LOST, UNKNOWN, WON, Column, Kind, column_of
from .culprits import culprits
from .declared import PlannedGate, declared_sizes, plan_power
from .departure import MOST_LAYERS, NOT_FINITE, departure, explained, first_broken
from .exploratory import InOrder, overall_claim, suspects
from .figures import Figure, figure_record, ratio_record
from .finite import finite_record
from .gates import LABEL, Gate, Items, expand
from .latency import ControlTally, LatencyTally, block_orders, check_blocks, decode_blocks, encode_blocks, round_of
from .packs import PACK, PlanError, planned_pack
from .plan import build_plan, order_seed, plan_digest
from .recheck import MOST_ITEMS, ResultRefused, recompute
from .strict import strict_json
from .tally import ItemTally, hard_gates
from .units import of_these_items
from .verdict import Verdict, conclude, failed_already, most_moved
from .wording import describe, underpowered, unit_of

__all__ = [
    "BOTH_RIGHT",
    "BOTH_WRONG",
    "LABEL",
    "LOST",
    "MOST_ITEMS",
    "MOST_LAYERS",
    "NOT_FINITE",
    "PACK",
    "UNKNOWN",
    "WON",
    "Column",
    "ControlTally",
    "Figure",
    "Gate",
    "InOrder",
    "ItemTally",
    "Items",
    "Kind",
    "LatencyTally",
    "PlanError",
    "PlannedGate",
    "ResultRefused",
    "Verdict",
    "alpha_of",
    "block_orders",
    "build_plan",
    "check_blocks",
    "column_of",
    "conclude",
    "culprits",
    "declared_sizes",
    "decode_blocks",
    "departure",
    "describe",
    "encode_blocks",
    "expand",
    "explained",
    "failed_already",
    "figure_record",
    "finite_record",
    "first_broken",
    "hard_gates",
    "most_moved",
    "of_these_items",
    "order_seed",
    "overall_claim",
    "plan_digest",
    "plan_power",
    "planned_pack",
    "ratio_record",
    "recompute",
    "round_of",
    "strict_json",
    "suspects",
    "underpowered",
    "unit_of",
]
