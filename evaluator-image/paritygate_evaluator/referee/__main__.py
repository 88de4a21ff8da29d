"""`python -m paritygate_evaluator.referee`: judge, and print JSON lines: progress, then one result.

`PARITYGATE_PLAN` is the EvaluationPlan as JSON, `PARITYGATE_ATTEMPT` the attempt's number. The termination message is
`sha256:` of the last line, without its newline. Exit 0 when a result was printed (the verdict is in it), else 4.
Beside a result nothing goes to stderr: in a container's log the two streams overtake each other, even inside a line.
"""

import contextlib
import hashlib
import json
import os
import sys

from paritygate.api import EvaluationPlan, EvaluationResult, Progress, Reason
from paritygate.evidence import canonical_json
from pydantic import ValidationError

from ..ending import EvaluatorError, end_with, leave_message
from ..layout import Layout
from ..terminate import end_on_terminate
from .cache_room import CACHE_BYTES, DEFAULT_BYTES
from .client import Runner
from .evaluation import Artefacts, Evaluation, error_result
from .labels import Labels, read_labels, together

PLAN = "PARITYGATE_PLAN"
ATTEMPT = "PARITYGATE_ATTEMPT"
_PATIENCE = 300.0
"""Seconds to wait for the runner. In a pod both containers start together."""


def main() -> int:
    """Run; the exit code."""
    end_on_terminate()
    layout = Layout.from_environment()
    try:
        plan, attempt = _plan()
    except EvaluatorError as error:
        return end_with(error, layout.termination_log)
    reached = False

    def connect() -> Runner:
        nonlocal reached
        reached = True
        return Runner.connect(layout.socket, _PATIENCE)

    try:
        cache_bytes = int(os.environ.get(CACHE_BYTES) or DEFAULT_BYTES)
        evaluation = Evaluation(
            plan, labels_of(plan, layout), _artefacts(layout), connect, _tell, attempt, layout.cache, cache_bytes
        )
        result = evaluation.run()
    except EvaluatorError as error:
        result = error_result(plan, attempt, error)
    _print_result(result, layout)
    if not reached:
        _dismiss(layout)
    return 0


def _plan() -> tuple[EvaluationPlan, int]:
    try:
        attempt = int(os.environ.get(ATTEMPT, "1"))
        return EvaluationPlan.model_validate_json(os.environ.get(PLAN, "")), attempt
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "value"
        raise EvaluatorError(
            Reason.RESULT_REFUSED, f"environment variable {PLAN} is no plan: {where}: {first['msg']}"
        ) from error
    except ValueError as error:
        raise EvaluatorError(Reason.RESULT_REFUSED, f"environment variable {ATTEMPT}: {error}") from error


def labels_of(plan: EvaluationPlan, layout: Layout) -> Labels:
    """All labels of the plan's packs. Raises EvaluatorError PackInvalid."""
    read = [
        (
            pack.name,
            read_labels(layout.labels(index), pack.name, pack.slices, pack.cluster, labelled=not pack.unlabelled),
        )
        for index, pack in enumerate(plan.packs)
    ]
    return together(read)


def _artefacts(layout: Layout) -> Artefacts:
    found = {}
    for role in ("baseline", "candidate"):
        try:
            found[role] = json.loads(layout.found(role).read_text())
        except (OSError, ValueError) as error:
            raise EvaluatorError(
                Reason.ARTEFACT_NOT_FOUND, f"{role}: fetch left no record of what it found: {error}"
            ) from error
    return Artefacts(
        baseline_digest=found["baseline"]["digest"],
        candidate_digest=found["candidate"]["digest"],
        baseline_bytes=found["baseline"]["size"],
        candidate_bytes=found["candidate"]["size"],
    )


def _tell(progress: Progress) -> None:
    print(canonical_json(progress.dump()).decode(), flush=True)


def _dismiss(layout: Layout) -> None:
    """Nothing will be asked of the runner: end it, or the pod would wait for it."""
    with contextlib.suppress(EvaluatorError):  # gone already
        Runner.connect(layout.socket, 30.0).shutdown()


def _print_result(result: EvaluationResult, layout: Layout) -> None:
    line = canonical_json(result.dump())
    # The message first: whoever sees the whole line may already look for it.
    leave_message(layout.termination_log, "sha256:" + hashlib.sha256(line).hexdigest())
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
