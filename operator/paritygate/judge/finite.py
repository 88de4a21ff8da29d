"""What a check proves that found nothing: NaN and infinity are looked for in the items that were run, and no others."""

from paritygate.api import Check, CheckRecord, EvaluationPlan
from paritygate.stats.rate import share_without_a_hit

from .units import clustered


def finite_record(plan: EvaluationPlan, items: int, of_items: int, in_order: int) -> CheckRecord:
    """The record that none of `items` judged items of `of_items` gave NaN or infinity.

    The bound on the share that would rests on the `in_order` of them that are a random draw: the others were chosen for
    their slice. It holds whenever one stops.
    """
    alpha = float(plan.alpha)
    below = share_without_a_hit(in_order, alpha)
    looked_at = f"all {items:,} items" if items == of_items else f"{items:,} of {of_items:,} items"
    said = f"no NaN or infinity in {looked_at}"
    if in_order:
        drawn = f"{in_order:,}{' clusters' if clustered(plan) else ''}"
        by = "" if in_order == items else f" (by the {drawn} drawn in order)"
        said += f": with {100 * (1 - alpha):.4g} % confidence fewer than {100 * below:.2g} % give one{by}"
    return CheckRecord(name=Check.FINITE, ok=True, message=said, items=items, of_items=of_items, share_below=below)
