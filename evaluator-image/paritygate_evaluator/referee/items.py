"""One step of judging: the items that the judge's rule wants next are computed, revealed and counted.

Items are computed ahead of that rule in chunks that fit the models' speed.
"""

import numpy as np
from paritygate.judge.schedule import STEP, ItemGates, distinct

from .client import Ints
from .evidence import Evidence

__all__ = ["ItemGates", "judge_items"]


def judge_items(gates: ItemGates, evidence: Evidence) -> bool:
    """One step: compute what lacks, reveal, count. False when there is nothing more to do.

    Raises ModelFailedError, NotFiniteError.
    """
    step = gates.next(evidence, STEP)
    if not step:
        return False
    further: dict[str, Ints] | None = None
    for name, indices in step.items():
        computed = evidence.view(name).computed
        if not computed[indices].all():
            further = further or gates.next(evidence, max(STEP, evidence.ahead()))
            wanted = np.concatenate([indices, further.get(name, indices[:0])])
            evidence.fetch(name, distinct(wanted[~computed[wanted]]))
        evidence.reveal(name, indices)
    gates.count(evidence)
    return not gates.failed()
