"""Every reason that a condition or a verdict can carry, with its meaning. Documented here, never reused."""

from paritygate.api import Reason as EvaluationReason
from paritygate.serving import Documented, TargetReason


class Reason(Documented):
    """Reasons of the lifecycle itself; the evaluator's are `api.Reason`, the driver's `serving.TargetReason`."""

    PENDING = "Pending", "Nobody has looked yet: what the API server says of a new object."
    POLICY_NOT_FOUND = "PolicyNotFound", "The ValidationPolicy does not exist. Goes on by itself when it appears."
    POOL_NOT_FOUND = "PoolNotFound", "The AcceleratorPool does not exist. Goes on by itself when it appears."
    PACK_NOT_FOUND = "PackNotFound", "A ScenarioPack does not exist in the namespace. Goes on when it appears."
    RUNTIME_NOT_AVAILABLE = "RuntimeNotAvailable", "The operator has no evaluator image with the pool's runtime."
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed", "The pool does not allow evaluators of this namespace."
    INVALID_SPEC = "InvalidSpec", "The spec fits the schema but contradicts itself, the policy or the packs."
    WAITING_FOR_TARGET = "WaitingForTarget", "Another validation of the same target goes first."

    EVALUATING = "Evaluating", "An evaluator runs, or is about to."
    RETRYING = "Retrying", "An attempt was lost to the infrastructure; the next one follows."
    UNSCHEDULABLE = "Unschedulable", "No node of the pool can take the evaluator."
    IMAGE_PULL_FAILED = "ImagePullFailed", "A node could not pull the evaluator's image."
    CONTAINER_CONFIG_FAILED = "ContainerConfigFailed", "A node could not set up the evaluator's containers."
    EVICTED = "Evicted", "The evaluator's pod was evicted."
    PREEMPTED = "Preempted", "The evaluator's pod gave way to one of higher priority."
    NODE_LOST = "NodeLost", "The evaluator's node went away or shut down."
    POD_DELETED = "PodDeleted", "Somebody deleted the evaluator's pod."
    JOB_DELETED = "JobDeleted", "The evaluator's Job is gone before its result was read."
    EVALUATOR_CRASHED = "EvaluatorCrashed", "A container of the evaluator ended without saying why."
    OOM_KILLED = "OOMKilled", "A container of the evaluator used more memory than the pool gives it."
    DEADLINE_EXCEEDED = "DeadlineExceeded", "The attempt took longer than the policy's evaluation deadline."
    ATTEMPTS_EXHAUSTED = "AttemptsExhausted", "Every attempt the policy allows was lost to the infrastructure."

    PASSED = "Passed", "Every hard gate was proved; nothing is to be released."
    NOT_PASSED = "NotPassed", "Only a Passed verdict moves traffic."
    NOT_DECIDED = "NotDecided", "There is no verdict yet."
    PLANNED = "Planned", "What has to be proved is fixed."
    RELEASING = "Releasing", "Traffic moves to the candidate in steps."
    PROMOTED = "Promoted", "The candidate has all traffic."
    ROLLING_BACK = "RollingBack", "Traffic moves back to the baseline."
    ROLLBACK_STUCK = "RollbackStuck", "The way back takes longer than the policy's progress deadline."
    ROLLED_BACK = "RolledBack", "The baseline has all traffic again."


INFRASTRUCTURE = frozenset(
    {
        Reason.EVICTED,
        Reason.PREEMPTED,
        Reason.NODE_LOST,
        Reason.POD_DELETED,
        Reason.JOB_DELETED,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONTAINER_CONFIG_FAILED,
        Reason.EVALUATOR_CRASHED,
    }
)
"""Causes that say nothing about the models: worth another attempt."""

EVALUATION_MEANINGS = {
    EvaluationReason.ALL_GATES_PROVED: "Every hard gate was proved.",
    EvaluationReason.HARM_PROVED: "A hard gate proved the candidate worse than its margin.",
    EvaluationReason.CHECK_FAILED: "The candidate failed a deterministic check: it does not load, or answers nonsense.",
    EvaluationReason.ITEMS_EXHAUSTED: "All items, or all that maxItems allows, were used and a hard gate is open.",
    EvaluationReason.UNDERPOWERED: "The packs, without repeats, are too small for a hard gate: nothing was judged.",
    EvaluationReason.CALIBRATION_OVERLAP: "The calibration data holds items of a pack: the candidate has seen them.",
    EvaluationReason.NO_HARD_GATE: "No hard gate on the answers was proved, so nothing was claimed.",
    EvaluationReason.NOISY_NODE: "The node can't tell two identical models apart: latency was not judged.",
    EvaluationReason.BIASED_HARNESS: "The measurement favours one place: a fault of ours, latency was not judged.",
    EvaluationReason.DIGEST_MISMATCH: "An artefact is not the one that was named.",
    EvaluationReason.ARTEFACT_NOT_FOUND: "An artefact's URI holds nothing.",
    EvaluationReason.ARTEFACT_UNREADABLE: "An artefact could not be read.",
    EvaluationReason.BASELINE_UNLOADABLE: "The baseline could not be loaded: there is nothing to compare with.",
    EvaluationReason.PACK_INVALID: "A pack's data contradicts itself or the models.",
    EvaluationReason.RUNNER_LOST: "The process that holds the models went away.",
    EvaluationReason.RESULT_REFUSED: "The result does not follow from its own counts, or is of another run.",
}


def meanings() -> dict[str, str]:
    """Every documented reason with its meaning."""
    own: dict[str, str] = {reason.value: reason.meaning for reason in (*Reason, *TargetReason)}
    return own | {reason.value: meaning for reason, meaning in EVALUATION_MEANINGS.items()}
