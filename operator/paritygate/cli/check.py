"""`paritygate check`: judge a candidate on this machine."""

import argparse
import importlib.util
import json
import sys

from paritygate_evaluator.referee.cache_room import DEFAULT_BYTES

from paritygate.api import (
    EXIT_CODES,
    Enforcement,
    EvaluationPlan,
    EvaluationResult,
    Metric,
    Outcome,
    Purpose,
    Reason,
)
from paritygate.judge import ResultRefused, Verdict, build_plan, check_blocks, recompute

from .evidence import Evidence, check_writable
from .local import LocalEvaluation, make_cache
from .show import ProgressLine, show_verdict
from .subjects import calibration, planned_packs, policy, pool_runtime, subject
from .usage import UsageError


def check(options: argparse.Namespace) -> int:
    """Run the evaluation, recompute its verdict, tell it; the exit code is the verdict's."""
    if importlib.util.find_spec(options.runtime) is None:
        extra = {"torch": "evaluator,torch"}.get(options.runtime, "evaluator")
        raise UsageError(f"{options.runtime} is not installed: pip install 'paritygate[{extra}]'")
    plan = _plan(options)
    if options.cache:
        make_cache(options.cache)
    elif options.cache_size:
        raise UsageError("--cache-size: nothing is kept without --cache")
    if options.evidence:
        check_writable(options.evidence)
    with ProgressLine(quiet=options.quiet) as progress:
        result = LocalEvaluation(plan, progress.tell, options.cache, options.cache_size or DEFAULT_BYTES).run()
    verdict = believed(plan, result)
    if options.evidence:
        Evidence.of(plan, result, verdict).write(options.evidence)
    if options.json:
        document = {"verdict": _dump(verdict), "plan": plan.dump(), "result": result.dump()}
        print(json.dumps(document, indent=2, sort_keys=True))
    else:
        show_verdict(plan, result, verdict)
        if plan.alpha_budget:
            print(
                f"alphaBudget: judged with the alpha of candidate number {plan.candidate_number}. How many were tried "
                "on these packs is counted in the cluster, not here"
            )
        if options.evidence:
            print(f"\nEvidence: {options.evidence}; recheck it with: paritygate verify {options.evidence}")
    sys.stdout.flush()
    return EXIT_CODES[verdict.outcome]


def believed(plan: EvaluationPlan, result: EvaluationResult) -> Verdict:
    """The verdict that a result's counts support; Error when they do not support the one it states."""
    try:
        return recompute(plan, result)
    except ResultRefused as error:
        return Verdict(Outcome.ERROR, Reason.RESULT_REFUSED, str(error))


def _plan(options: argparse.Namespace) -> EvaluationPlan:
    runtime = pool_runtime(options.runtime, options.provider)
    plan = build_plan(
        baseline=subject("--baseline", options.baseline),
        candidate=subject("--candidate", options.candidate),
        technique=options.technique,
        purpose=options.purpose or Purpose.LATENCY,
        packs=planned_packs(options.pack),
        policy=policy(options.policy),
        threads=options.threads,
        execution_providers=runtime.execution_providers,
        runtime=runtime.name,
        calibration=calibration(options.calibration),
    )
    plan = plan if options.purpose else _latency_reported(plan)
    check_blocks(plan)
    return plan


def _latency_reported(plan: EvaluationPlan) -> EvaluationPlan:
    """The tier's latency gates as Soft: nobody said that this machine is like the one that will serve."""
    claims = tuple(
        claim.model_copy(update={"enforcement": Enforcement.SOFT})
        if claim.metric is Metric.LATENCY_RATIO and claim.origin == "Tier"
        else claim
        for claim in plan.claims
    )
    return plan.model_copy(update={"claims": claims})


def _dump(verdict: Verdict) -> dict[str, str]:
    return {"outcome": verdict.outcome, "reason": verdict.reason, "message": verdict.message}
