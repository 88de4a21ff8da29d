"""The InferenceService as the driver sees it: what is asked for, and what the data plane says it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]

STOP = "serving.kserve.io/stop"
DISABLE_AUTO_UPDATE = "serving.kserve.io/disable-auto-update"
ROLLOUT_DURATION = "serving.knative.dev/rollout-duration"

FIELD_MANAGER = "paritygate"
"""The field manager under which targets are written."""

STORAGE_URI = ("spec", "predictor", "model", "storageUri")
PERCENT = ("spec", "predictor", "canaryTrafficPercent")


@dataclass(frozen=True, slots=True)
class Target:
    """One observation of an InferenceService. The status may lag the spec by seconds.

    `percent` None: no canary field. `shares` are the percents by revision name in `status...traffic[]`: the truth.
    """

    name: str
    generation: int
    resource_version: str
    mode: str
    annotations: Mapping[str, str]
    components: frozenset[str]
    storage_uri: str
    percent: int | None
    ready: bool
    latest_created: str
    latest_ready: str
    rolled_out: str
    previously_rolled_out: str
    shares: Mapping[str, int]
    entries: int
    trouble: str
    """What KServe says is wrong, or empty."""
    unready_since: str
    manifest: Manifest

    @property
    def asked(self) -> tuple[str, int | None]:
        """What the spec asks for: (storage URI, percent)."""
        return self.storage_uri, self.percent

    @property
    def newest_is_ready(self) -> bool:
        """Whether the newest revision is also the newest ready one: only then does a share mean what it says."""
        return bool(self.latest_created) and self.latest_created == self.latest_ready

    def switched(self, annotation: str) -> bool:
        """Whether a boolean annotation is on."""
        return self.annotations.get(annotation, "").lower() == "true"

    def share(self, revision: str) -> int:
        """Percent of the traffic that a revision has."""
        return self.shares.get(revision, 0)


def read_target(manifest: Manifest) -> Target:
    """The view of an InferenceService; what is absent reads as empty, never as settled or ready."""
    metadata, spec, status = (_mapping(manifest.get(key)) for key in ("metadata", "spec", "status"))
    predictor = _mapping(spec.get("predictor"))
    component = _mapping(_mapping(status.get("components")).get("predictor"))
    traffic = [_mapping(entry) for entry in component.get("traffic") or ()]
    shares: dict[str, int] = {}
    for entry in traffic:
        revision = str(entry.get("revisionName") or "")
        shares[revision] = shares.get(revision, 0) + int(entry.get("percent") or 0)
    percent = predictor.get("canaryTrafficPercent")
    ready = _condition(status, "Ready")
    return Target(
        name=str(metadata.get("name", "")),
        generation=int(metadata.get("generation") or 0),
        resource_version=str(metadata.get("resourceVersion", "")),
        mode=str(status.get("deploymentMode") or ""),
        annotations={**_mapping(predictor.get("annotations")), **_mapping(metadata.get("annotations"))},
        components=frozenset(key for key in ("predictor", "transformer", "explainer") if spec.get(key)),
        storage_uri=str(_mapping(predictor.get("model")).get("storageUri") or ""),
        percent=None if percent is None else int(percent),
        ready=ready.get("status") == "True",
        latest_created=str(component.get("latestCreatedRevision") or ""),
        latest_ready=str(component.get("latestReadyRevision") or ""),
        rolled_out=str(component.get("latestRolledoutRevision") or ""),
        previously_rolled_out=str(component.get("previousRolledoutRevision") or ""),
        shares=shares,
        entries=len(traffic),
        trouble=_trouble(status),
        unready_since=str(ready.get("lastTransitionTime") or ""),
        manifest=manifest,
    )


def changed_by(manifest: Manifest, path: tuple[str, ...]) -> str:
    """The field manager that last wrote a field, other than us; empty when unknown (managedFields may be stripped)."""
    writers: list[tuple[str, str]] = []
    for entry in _mapping(manifest.get("metadata")).get("managedFields") or ():
        fields: Any = entry.get("fieldsV1")
        for key in path:
            fields = _mapping(fields).get(f"f:{key}")
        if fields is not None and not entry.get("subresource") and entry.get("manager") != FIELD_MANAGER:
            writers.append((str(entry.get("time", "")), str(entry.get("manager", ""))))
    return max(writers)[1] if writers else ""


def _trouble(status: Mapping[str, Any]) -> str:
    model = _mapping(status.get("modelStatus"))
    failure = _mapping(model.get("lastFailureInfo"))
    said = " ".join(str(failure[key]) for key in ("reason", "message") if failure.get(key))
    if said:
        return said if failure.get("exitCode") is None else f"{said} (exit code {failure['exitCode']})"
    for kind in ("PredictorReady", "Ready"):
        condition = _condition(status, kind)
        if condition and condition.get("status") != "True":
            return " ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))
    return ""


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
