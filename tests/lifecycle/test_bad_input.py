"""Each kind of bad input: a reason, a message that names the field and the way out, no Job and no traffic."""

from typing import Any

import pytest

from ..serving.kserve_model import KServe, settled
from . import builders
from .world import World

AUTO = "serving.kserve.io/disable-auto-update"

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no-policy": ({"policy": None}, "PolicyNotFound", "spec.policy: ValidationPolicy standard does not exist"),
    "no-pool": ({"pool": None}, "PoolNotFound", "spec.pool: AcceleratorPool cpu does not exist"),
    "no-pack": ({"packs": {}}, "PackNotFound", "no ScenarioPack core in namespace risk"),
    "no-required-pack": (
        {"policy": builders.policy(requiredPacks=[{"name": "law"}])},
        "PackNotFound",
        "law (required by the policy)",
    ),
    "pool-of-others": ({"pool": builders.pool(allowedNamespaces=["prod"])}, "NamespaceNotAllowed", "namespace risk"),
    "no-image-with-torch": (
        {"pool": builders.pool(runtime={"name": "torch"})},
        "RuntimeNotAvailable",
        "AcceleratorPool cpu runs torch, and the operator was given no evaluator image that holds it: set "
        "evaluator.images.torch in the chart's values",
    ),
    "relative-pack": (
        {"packs": {"core": builders.pack(inputs={"uri": "inputs.npz", "digest": builders.SHA["inputs"]})}},
        "InvalidSpec",
        "ScenarioPack core: spec.data.inputs.uri: inputs.npz is nothing that a pod can fetch",
    ),
    "pack-without-digest": (
        {"packs": {"core": builders.pack(labels={"uri": "s3://data/labels.csv"})}},
        "InvalidSpec",
        "spec.data.labels.digest is required in a cluster",
    ),
    "local-candidate": (
        {
            "validation": builders.validation(
                candidate={"uri": "/m", "digest": builders.SHA["inputs"], "technique": "Fp16"}
            )
        },
        "InvalidSpec",
        "spec.candidate.uri: /m is nothing that a pod can fetch: use one of s3://",
    ),
    "local-calibration": (
        {
            "validation": builders.validation(
                candidate={
                    "uri": builders.B,
                    "digest": builders.SHA[builders.B],
                    "technique": "Fp16",
                    "calibration": {"uri": "/data", "digest": builders.SHA["inputs"]},
                }
            )
        },
        "InvalidSpec",
        "spec.candidate.calibration.uri: /data is nothing that a pod can fetch: use one of s3://",
    ),
    "local-baseline": (
        {"validation": builders.validation(baseline={"uri": "file:///m", "digest": builders.SHA["inputs"]})},
        "InvalidSpec",
        "baseline.uri: file:///m",
    ),
    "gate-on-unknown-slice": (
        {"policy": builders.policy(gates=[{"name": "x", "metric": "Accuracy", "sliceBy": "age", "margin": "0.1"}])},
        "InvalidSpec",
        "ValidationPolicy standard: spec.gates[0] (x).sliceBy",
    ),
    "too-few-blocks-for-a-hard-gate": (
        {"policy": builders.policy(gates=[], evaluation={"latencyBlocks": 249})},
        "InvalidSpec",
        "ValidationPolicy standard: spec.evaluation.latencyBlocks: 249 blocks can't prove p95, whatever they show: at "
        "alpha 0.05 it takes 250; write 250 or more, or make the gate Soft",
    ),
    "no-packs-at-all": ({"validation": builders.validation(packs=[])}, "InvalidSpec", "at least one ScenarioPack"),
    "no-target": ({"kserve": None}, "TargetNotFound", "InferenceService fraud does not exist"),
    "stopped": ({"kserve": settled(annotations={"serving.kserve.io/stop": "true"})}, "TargetStopped", "stopped"),
    "deaf": ({"kserve": settled(annotations={AUTO: "true"})}, "TargetAutoUpdateDisabled", AUTO),
    "standard-mode": ({"kserve": settled(mode="Standard")}, "TargetModeUnsupported", "mode Standard"),
    "somebodys-canary": ({"kserve": settled(percent=20)}, "CanaryOpen", "canaryTrafficPercent: 20"),
    "serving-already": ({"kserve": KServe(uri=builders.B)}, "CandidateAlreadyServing", "nothing to release"),
    "other-baseline": (
        {"validation": builders.validation(baseline={"uri": builders.C, "digest": builders.SHA[builders.C]})},
        "BaselineMismatch",
        "serves pvc://models/a, the baseline is pvc://models/c",
    ),
}


@pytest.mark.parametrize(("wrong", "reason", "said"), WRONG.values(), ids=WRONG)
def test_refused_before_a_device_is_taken(wrong: dict[str, Any], reason: str, said: str) -> None:
    world = World(**wrong)
    world.rest()
    assert world.standing() == ("False", reason)
    assert said in world.message()
    assert world.condition("Planned").status in ("False", "True")
    assert (world.jobs, world.patches) == ({}, [])
    assert world.event_reasons() == [reason]


@pytest.mark.parametrize(
    ("wrong", "mended"),
    [
        ({"policy": None}, {"policy": builders.policy()}),
        ({"pool": None}, {"pool": builders.pool()}),
        ({"packs": {}}, {"packs": {"core": builders.pack()}}),
        ({"kserve": None}, {"kserve": settled()}),
    ],
    ids=["policy", "pool", "pack", "target"],
)
def test_it_goes_on_by_itself_when_what_was_missing_appears(wrong: dict[str, Any], mended: dict[str, Any]) -> None:
    world = World(**wrong)
    world.rest()
    for name, value in mended.items():
        setattr(world, name, value)
    world.evaluated()
    assert world.settle().outcome == "Promoted"


def test_a_target_that_is_not_ready_yet_is_waited_for_but_not_for_ever() -> None:
    world = World(kserve=settled(failing={builders.A}))
    world.rest()
    assert world.standing() == ("Unknown", "TargetNotReady")
    world.kserve.failing = set()
    world.kserve.settle()
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")


def test_a_target_that_stays_unready_is_said_to_be_stuck() -> None:
    world = World(kserve=settled(failing={builders.A}))
    manifest = world.kserve.manifest()
    manifest["status"]["conditions"][0]["lastTransitionTime"] = "2026-11-21T12:00:00Z"
    world.kserve.manifest = lambda: manifest  # type: ignore[method-assign]
    assert world.rest().requeue_after is not None
    assert world.standing() == ("Unknown", "TargetNotReady")
    world.pass_time(minutes=11)
    world.rest()
    assert world.standing() == ("False", "TargetNotReady")


def test_a_target_that_changed_its_model_during_the_evaluation_is_not_released_to() -> None:
    world = World()
    world.rest()
    world.kserve.change(uri=builders.C)
    world.kserve.settle()
    world.evaluated()
    world.rest()
    assert world.standing() == ("False", "BaselineMismatch")
    assert world.message().startswith("Passed, and not released")
    assert world.patches == []


def test_a_verdict_only_asks_the_target_for_nothing_but_its_model() -> None:
    world = World(builders.validation(release=builders.VERDICT_ONLY), kserve=settled(mode="Standard"))
    world.evaluated()
    world.rest()
    assert world.standing() == ("True", "Passed")
