"""One step of judging: the items that the judge's rule wants next are computed, revealed and counted.

Items are computed ahead of that rule in chunks that fit the models' speed.
"""

import numpy as np
from paritygate.judge.schedule import STEP, ItemGates, distinct

from .client import Ints, ModelFailedError
from .evidence import Evidence, NotFiniteError

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
        try:
            if not computed[indices].all():
                further = further or gates.next(evidence, max(STEP, evidence.ahead()))
                wanted = np.concatenate([indices, further.get(name, indices[:0])])
                evidence.fetch(name, distinct(wanted[~computed[wanted]]))
            evidence.reveal(name, indices)
        except (ModelFailedError, NotFiniteError) as error:
            # Where only Soft and DryRun gates look, nothing may change the verdict: they stay open.
            if gates.decides(name) or getattr(error, "kind", "") == "Lost":
                raise
            gates.stopped.add(name)
    gates.count(evidence)
    return not gates.failed()
