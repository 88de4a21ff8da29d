"""Reasons of the traffic driver: a word for machines, a sentence for people. Documented here, never reused."""

from enum import StrEnum


class Documented(StrEnum):
    """An enumeration whose members carry their meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "Documented":
        """A member and its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class TargetReason(Documented):
    """Why a target can't be released to, or why a release turned back or stopped."""

    TARGET_NOT_FOUND = "TargetNotFound", "The InferenceService does not exist in the validation's namespace."
    TARGET_NOT_READY = "TargetNotReady", "The InferenceService does not serve one settled revision with all traffic."
    TARGET_STOPPED = "TargetStopped", "The InferenceService is stopped by its annotation serving.kserve.io/stop."
    TARGET_AUTO_UPDATE_DISABLED = (
        "TargetAutoUpdateDisabled",
        "The annotation serving.kserve.io/disable-auto-update makes KServe ignore traffic changes.",
    )
    TARGET_MODE_UNSUPPORTED = "TargetModeUnsupported", "The target's deployment mode has no traffic driver here."
    TARGET_SHAPE_UNSUPPORTED = (
        "TargetShapeUnsupported",
        "The target has more than a predictor with one storageUri, which is all the driver can split.",
    )
    TARGET_SHIFTS_BY_ITSELF = (
        "TargetShiftsByItself",
        "The annotation serving.knative.dev/rollout-duration moves traffic on its own clock.",
    )
    CANARY_OPEN = "CanaryOpen", "Somebody else's canary is open on the target."
    CANDIDATE_ALREADY_SERVING = "CandidateAlreadyServing", "The target already names the candidate's URI."
    BASELINE_MISMATCH = "BaselineMismatch", "The target serves another model than the baseline that was judged."

    CANDIDATE_PODS_FAILING = "CandidatePodsFailing", "The candidate's serving pods crash or do not get ready."
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "A traffic step was not live within the policy's progress deadline.",
    )
    FOREIGN_CHANGE = "ForeignChange", "Somebody else changed the target while its release was in flight."
    STABLE_SHARE_MOVED = (
        "StableShareMoved",
        "KServe moved the stable share to a revision that is neither baseline nor candidate.",
    )
    ROLLBACK_UNSAFE = "RollbackUnsafe", "Writing percent 0 now would send traffic to an older model than the baseline."
    SUPERSEDED = "Superseded", "The validation's inputs changed: its verdict no longer covers the candidate's traffic."
    DELETED = "Deleted", "The validation was deleted while it had moved traffic."
    WITHDRAWN = "Withdrawn", "The validation no longer asks for this release."
    EVIDENCE_MISSING = "EvidenceMissing", "The report that allowed the release is gone."
