"""Both models loaded, and seen to fit together and to the packs, before any item is run."""

from collections.abc import Iterable
from dataclasses import dataclass

from paritygate.api import Check, CheckRecord, EvaluationPlan, Reason

from ..ending import EvaluatorError
from .client import Description, Runner
from .interface import check_interface, check_items, check_perturbations, check_provider
from .labels import Labels


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading showed."""

    baseline: Description
    checks: tuple[CheckRecord, ...]
    """Of the candidate."""
    environment: dict[str, str]


def load_both(runner: Runner, plan: EvaluationPlan, labels: Labels) -> Loaded:
    """Load baseline and candidate.

    Raises EvaluatorError when the packs do not fit each other or the baseline, or the baseline runs elsewhere than it
    was asked to, and ModelFailedError when a model can't be loaded.
    """
    packs, inputs, have = ", ".join(pack.name for pack in plan.packs), runner.inputs(), tuple(labels.counts)
    if inputs.counts != have:
        raise EvaluatorError(
            Reason.PACK_INVALID,
            f"{packs}: inputs hold {_counted(inputs.counts)} items, labels {_counted(have)}; "
            "every item needs one row in each, in the same order",
        )
    asked = {claim.perturbation for claim in plan.claims}
    check_perturbations(packs, inputs, [p for p in plan.packs[0].perturbations if p.name in asked])
    baseline = runner.load("baseline")
    check_items(packs, inputs, baseline)
    provider = plan.execution_providers[0]
    if baseline.provider != provider:
        raise EvaluatorError(
            Reason.BASELINE_UNLOADABLE,
            f"baseline: asked for {provider}, runs on {baseline.provider}; choose a pool that runs it",
        )
    candidate = runner.load("candidate")
    checks = (
        CheckRecord(name=Check.LOADABLE, ok=True),
        check_interface(baseline, candidate),
        check_provider(provider, candidate),
    )
    environment = {
        "runtime": candidate.runtime,
        "provider": candidate.provider,
        "threads": str(inputs.threads),
        "latencyThreads": "1",
    }
    return Loaded(baseline, checks, environment)


def _counted(counts: Iterable[int]) -> str:
    return " + ".join(f"{count:,}" for count in counts)
