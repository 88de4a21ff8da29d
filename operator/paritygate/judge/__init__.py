"""Packs, policy and outcomes in; gates and a verdict out. Pure."""

from .coherence import MOST_ITEMS, ResultRefused
from .gates import Gate, expand
from .latency import ControlTally, LatencyTally, block_orders, decode_blocks, encode_blocks
from .plan import ITEM_METRICS, PlanError, build_plan, order_seed, plan_digest
from .ratios import ratio_record
from .recheck import recompute
from .strict import strict_json
from .tally import BOTH_RIGHT, BOTH_WRONG, LOST, UNKNOWN, WON, ItemTally, hard_gates
from .verdict import Verdict, conclude, failed_already
from .wording import describe, underpowered

__all__ = [
    "BOTH_RIGHT",
    "BOTH_WRONG",
    "ITEM_METRICS",
    "LOST",
    "MOST_ITEMS",
    "UNKNOWN",
    "WON",
    "ControlTally",
    "Gate",
    "ItemTally",
    "LatencyTally",
    "PlanError",
    "ResultRefused",
    "Verdict",
    "block_orders",
    "build_plan",
    "conclude",
    "decode_blocks",
    "describe",
    "encode_blocks",
    "expand",
    "failed_already",
    "hard_gates",
    "order_seed",
    "plan_digest",
    "ratio_record",
    "recompute",
    "strict_json",
    "underpowered",
]
