"""Two validations of one target: one goes first, the other waits and says for whom."""

from paritygate.api import CompressionValidation, ReleaseMode

from .case import Problem
from .model import Observed
from .reasons import Reason


def waits_for(observed: Observed) -> Problem | None:
    """The rival that goes first: the one with a release in flight, else the oldest that has not ended."""
    own = observed.validation
    if own.spec.target is None or _in_flight(own):
        return None
    rivals = [rival for rival in observed.rivals if rival.metadata.uid != own.metadata.uid]
    flying = sorted((rival for rival in rivals if _in_flight(rival)), key=_age)
    older = sorted((rival for rival in rivals if _competes(rival) and _age(rival) < _age(own)), key=_age)
    if own.spec.release.mode is not ReleaseMode.CANARY:
        older = []  # a verdict moves nothing: it only must not read the target while somebody moves it
    if not flying and not older:
        return None
    first = (flying or older)[0]
    why = "its release is in flight" if flying else "it was created first"
    return Problem(
        Reason.WAITING_FOR_TARGET,
        f"InferenceService {own.spec.target.inference_service} is taken by CompressionValidation "
        f"{first.metadata.name}: {why}. This one goes on by itself when that one has ended",
        passing=True,
    )


def _in_flight(validation: CompressionValidation) -> bool:
    release = validation.status.release
    return release is not None and release.outcome is None


def _competes(validation: CompressionValidation) -> bool:
    if validation.spec.release.mode is not ReleaseMode.CANARY or validation.metadata.deletion_timestamp:
        return False
    status = validation.status
    looked_at = status.observed_generation == validation.metadata.generation
    ended = any(c.type in ("Ready", "Stalled") and c.status == "True" for c in status.conditions)
    return not (looked_at and ended)


def _age(validation: CompressionValidation) -> tuple[str, str, str]:
    metadata = validation.metadata
    return metadata.creation_timestamp or "", metadata.namespace or "", metadata.name
