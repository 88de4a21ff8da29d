"""What a target must be before a release may start: one difference from a good one each."""

from typing import Any

import pytest
from paritygate.serving import Wanted, preflight, read_target

from .kserve_model import A, B, C, KServe, settled

AUTO = "serving.kserve.io/disable-auto-update"


def _asked(kserve: KServe, **wanted: Any) -> tuple[str, str] | None:
    target = read_target(kserve.manifest())
    refusal = preflight(Wanted(**{"name": "fraud", "target": target, "candidate_uri": B, "baseline_uri": A, **wanted}))
    return (refusal.reason.value, refusal.message) if refusal else None


def test_a_settled_knative_target_that_serves_the_baseline_is_fine() -> None:
    assert _asked(settled()) is None
    assert _asked(settled(before=C)) is None
    assert _asked(settled(mode="Serverless")) is None


REFUSED = {
    "standard-mode": (settled(mode="Standard"), {}, "TargetModeUnsupported", "VerdictOnly"),
    "raw-deployment": (settled(mode="RawDeployment"), {}, "TargetModeUnsupported", "RawDeployment"),
    "transformer": (settled(more={"spec": {"transformer": {"x": 1}}}), {}, "TargetShapeUnsupported", "a transformer"),
    "no-storage-uri": (settled(uri=""), {}, "TargetShapeUnsupported", "spec.predictor.model.storageUri"),
    "auto-update-off": (settled(annotations={AUTO: "true"}), {}, "TargetAutoUpdateDisabled", AUTO),
    "stopped": (settled(annotations={"serving.kserve.io/stop": "true"}), {}, "TargetStopped", "Remove the annotation"),
    "own-clock": (
        settled(annotations={"serving.knative.dev/rollout-duration": "380s"}),
        {},
        "TargetShiftsByItself",
        "380s",
    ),
    "somebodys-canary": (settled(percent=20), {}, "CanaryOpen", "canaryTrafficPercent: 20"),
    "percent-100": (settled(percent=100), {}, "CanaryOpen", "remove the field"),
    "nothing-new": (settled(), {"candidate_uri": A}, "CandidateAlreadyServing", "nothing to release"),
    "another-baseline": (settled(), {"baseline_uri": C}, "BaselineMismatch", f"serves {A}, the baseline is {C}"),
    "not-loaded": (settled(failing={A}), {}, "TargetNotReady", "not ready"),
    "no-target": (settled(), {"target": None}, "TargetNotFound", "goes on by itself when it appears"),
}


@pytest.mark.parametrize(("kserve", "wanted", "reason", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(kserve: KServe, wanted: dict[str, Any], reason: str, said: str) -> None:
    refusal = _asked(kserve, **wanted)
    assert refusal is not None
    assert refusal[0] == reason
    assert said in refusal[1]
    assert "fraud" in refusal[1]


def test_a_revision_on_its_way_is_waited_for() -> None:
    kserve = settled()
    kserve.change(annotations={"a": "b"})
    for reconciler in ("kserve_spec", "knative_configuration", "kserve_status"):
        getattr(kserve, reconciler)()
    target = read_target(kserve.manifest())
    refusal = preflight(Wanted(name="fraud", target=target, candidate_uri=B))
    assert refusal is not None
    assert refusal.passing


def test_a_verdict_without_a_release_asks_only_what_serves() -> None:
    assert _asked(settled(mode="Standard"), to_release=False, baseline_uri="") is None
    assert _asked(settled(percent=20), to_release=False, baseline_uri="") is not None


def test_nothing_at_all_is_read_as_settled() -> None:
    target = read_target({"metadata": {"name": "fraud"}, "spec": {"predictor": {"model": {"storageUri": A}}}})
    assert not target.ready
    assert not target.newest_is_ready
    assert preflight(Wanted(name="fraud", target=target, candidate_uri=B)) is not None
