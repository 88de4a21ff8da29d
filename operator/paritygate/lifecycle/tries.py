"""How often a locked set was tried. Who tries often enough gets a wrong pass: tries are counted, and may share alpha.

A try is a candidate judged under given conditions: everything in its plan but its number. The same set is the same
data: packs of one namespace that share a file of inputs or labels, whatever they are called. Another baseline, policy,
technique or pool is no way to a fresh count: whoever wants one takes fresh items. A try of which no item was judged
showed nothing, and does not count.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from paritygate.api import EvaluationPlan, ScenarioPack
from paritygate.evidence import digest_of
from paritygate.judge import plan_digest

from .model import Observed


def identity(plan: Mapping[str, Any]) -> str:
    """Of a try, from its plan as manifests hold it: the same in the report as before it."""
    return digest_of({name: value for name, value in plan.items() if name != "candidateNumber"})


def data_of(packs: Iterable[ScenarioPack | None]) -> frozenset[str]:
    """The digests of the packs' files."""
    files = (file for pack in packs if pack for file in (pack.spec.data.inputs, pack.spec.data.labels))
    return frozenset(file.digest for file in files if file.digest)


def numbered(observed: Observed, plan: EvaluationPlan) -> EvaluationPlan:
    """The plan with its number among the tries of its packs: given once, whoever is judged on them later."""
    status = observed.validation.status
    if status.candidate_number is not None:
        fixed = plan.model_copy(update={"candidate_number": status.candidate_number})
        if plan_digest(fixed) == status.input_digest:
            return fixed
    own = identity(plan.dump())
    given = [r.spec.plan.candidate_number for r in observed.reports if identity(r.spec.plan.dump()) == own]
    number = max(given) if given else 1 + len(observed.tries - {own})
    return plan.model_copy(update={"candidate_number": number})
