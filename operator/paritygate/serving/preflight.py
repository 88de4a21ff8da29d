"""May a release start on this target? A list of small named checks; the first that objects is what people read."""

from collections.abc import Callable
from dataclasses import dataclass

from .reasons import TargetReason
from .target import DISABLE_AUTO_UPDATE, ROLLOUT_DURATION, STOP, Target

KNATIVE_MODES = frozenset({"Knative", "Serverless"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not. `passing`: it heals by itself when the target settles, nobody has to act."""

    reason: TargetReason
    message: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What would be released. `baseline_uri` empty: whatever the target serves."""

    name: str
    target: Target | None
    candidate_uri: str
    baseline_uri: str = ""
    to_release: bool = True
    """False: only the model that serves is asked for, traffic stays."""


def preflight(wanted: Wanted) -> Refusal | None:
    """The first objection, or None: the target is a settled Knative-mode InferenceService that serves the baseline."""
    if wanted.target is None:
        return Refusal(
            TargetReason.TARGET_NOT_FOUND,
            f"InferenceService {wanted.name} does not exist in this namespace: create it, or correct "
            "spec.target.inferenceService; the validation goes on by itself when it appears",
        )
    for check in _CHECKS if wanted.to_release else _CHECKS_TO_READ:
        if (refusal := check(wanted, wanted.target)) is not None:
            return refusal
    return None


def _mode(wanted: Wanted, target: Target) -> Refusal | None:
    if not target.mode or target.mode in KNATIVE_MODES:
        return None  # no mode yet: KServe has not looked at it, `_settled` says so
    return Refusal(
        TargetReason.TARGET_MODE_UNSUPPORTED,
        f"InferenceService {wanted.name} runs in mode {target.mode}; only Knative mode can be driven. Use "
        "release.mode: VerdictOnly and move the traffic yourself, or serve it with annotation "
        "serving.kserve.io/deploymentMode: Knative",
    )


def _shape(wanted: Wanted, target: Target) -> Refusal | None:
    more = sorted(target.components - {"predictor"})
    if more:
        return Refusal(
            TargetReason.TARGET_SHAPE_UNSUPPORTED,
            f"InferenceService {wanted.name} has a {' and a '.join(more)} beside its predictor: the split would mix "
            "models and their companions. Use release.mode: VerdictOnly",
        )
    return _storage(wanted, target)


def _storage(wanted: Wanted, target: Target) -> Refusal | None:
    if not target.storage_uri:
        return Refusal(
            TargetReason.TARGET_SHAPE_UNSUPPORTED,
            f"InferenceService {wanted.name} has no spec.predictor.model.storageUri: that is the field a release "
            "changes; write the model's URI there",
        )
    return None


def _auto_update(wanted: Wanted, target: Target) -> Refusal | None:
    if target.switched(DISABLE_AUTO_UPDATE):
        return Refusal(
            TargetReason.TARGET_AUTO_UPDATE_DISABLED,
            f"InferenceService {wanted.name} has annotation {DISABLE_AUTO_UPDATE}: KServe would silently ignore every "
            "traffic change. Remove it first",
        )
    return None


def _stopped(wanted: Wanted, target: Target) -> Refusal | None:
    if target.switched(STOP):
        return Refusal(
            TargetReason.TARGET_STOPPED,
            f"InferenceService {wanted.name} is stopped (annotation {STOP}): it serves nothing that could be compared "
            "with live. Remove the annotation to start it",
        )
    return None


def _own_clock(wanted: Wanted, target: Target) -> Refusal | None:
    if target.annotations.get(ROLLOUT_DURATION, "0") in ("", "0", "0s"):
        return None
    return Refusal(
        TargetReason.TARGET_SHIFTS_BY_ITSELF,
        f"InferenceService {wanted.name} has annotation {ROLLOUT_DURATION}: "
        f"{target.annotations[ROLLOUT_DURATION]}, so Knative would move shares past the gate. Remove it first",
    )


def _no_canary(wanted: Wanted, target: Target) -> Refusal | None:
    if target.percent is None:
        return None
    return Refusal(
        TargetReason.CANARY_OPEN,
        f"InferenceService {wanted.name} has canaryTrafficPercent: {target.percent}, a canary that this validation "
        "did not open. Finish it first: settle on one storageUri, then remove the field",
    )


def _something_new(wanted: Wanted, target: Target) -> Refusal | None:
    # A patch that makes no revision would be a percent alone, which KServe reads as "back to the model before".
    if target.storage_uri != wanted.candidate_uri:
        return None
    return Refusal(
        TargetReason.CANDIDATE_ALREADY_SERVING,
        f"InferenceService {wanted.name} already names candidate {wanted.candidate_uri} as its storageUri: there is "
        "nothing to release. Correct spec.candidate.uri, or delete this validation",
    )


def _settled(wanted: Wanted, target: Target) -> Refusal | None:
    one = target.latest_ready
    settled = bool(one) and target.newest_is_ready and target.rolled_out == one and target.shares == {one: 100}
    if settled and target.ready:
        return None
    said = f": {target.trouble}" if target.trouble else ""
    return Refusal(
        TargetReason.TARGET_NOT_READY,
        f"InferenceService {wanted.name} is not ready with one revision that has all traffic{said}. Waiting for it",
        passing=True,
    )


def _baseline(wanted: Wanted, target: Target) -> Refusal | None:
    if not wanted.baseline_uri or target.storage_uri == wanted.baseline_uri:
        return None
    return Refusal(
        TargetReason.BASELINE_MISMATCH,
        f"InferenceService {wanted.name} serves {target.storage_uri}, the baseline is {wanted.baseline_uri}: a verdict "
        "against a model that does not serve allows nothing. Correct spec.baseline, or put the baseline back",
    )


_Check = Callable[[Wanted, Target], Refusal | None]

_CHECKS_TO_READ: tuple[_Check, ...] = (_storage, _no_canary, _settled)

_CHECKS: tuple[_Check, ...] = (
    _mode,  # a traffic driver exists for it
    _shape,  # one predictor, one URI
    _auto_update,  # KServe acts on writes
    _stopped,  # it serves
    _own_clock,  # nobody else shifts
    _no_canary,  # nobody else's canary is open
    _something_new,  # the first write will make a revision
    _settled,  # one revision has it all, and is ready
    _baseline,  # and it is the model that was judged
)
