"""The evaluator's Job: hardened, pinned to its pool, and who sees what."""

import json
from dataclasses import replace
from typing import Any

import pytest

from . import builders
from .world import SETTINGS, World


def _pod(**world: Any) -> dict[str, Any]:
    made = World(**world)
    made.rest()
    return made.jobs[made.job()]["spec"]["template"]["spec"]


def _containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {container["name"]: container for container in (*pod["initContainers"], *pod["containers"])}


def _env(pod: dict[str, Any], container: str) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in _containers(pod)[container]["env"]}


def _mounts(pod: dict[str, Any], container: str) -> dict[str, bool]:
    """Path -> writable."""
    return {m["mountPath"]: not m.get("readOnly", False) for m in _containers(pod)[container]["volumeMounts"]}


def test_the_job_ends_at_the_deadline_and_never_restarts() -> None:
    world = World(policy=builders.policy(evaluation={"deadline": "30m"}))
    world.rest()
    spec = world.jobs[world.job()]["spec"]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"]) == (1800, 0)
    assert spec["ttlSecondsAfterFinished"] > 600
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_its_name_is_a_function_of_validation_inputs_and_attempt() -> None:
    names = set()
    for change in ({}, {"validation": builders.validation(purpose="Cost")}, {"policy": builders.policy(alpha="0.01")}):
        first, again = World(**change), World(**change)
        first.rest()
        again.rest()
        assert first.job() == again.job()
        assert len(first.job()) <= 63
        names.add(first.job())
    assert len(names) == 3


def test_the_owner_and_the_labels_lead_back_to_the_validation() -> None:
    world = World()
    world.rest()
    metadata = world.jobs[world.job()]["metadata"]
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("CompressionValidation", "uid-1", True)
    labels = metadata["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "paritygate"
    assert labels["paritygate.io/validation-uid"] == "uid-1"
    assert labels["paritygate.io/attempt"] == "1"
    assert world.status.input_digest.removeprefix("sha256:").startswith(labels["paritygate.io/input-digest"])
    template = world.jobs[world.job()]["spec"]["template"]["metadata"]["labels"]
    assert labels.items() <= template.items()


def test_no_label_makes_kserve_take_the_pod_for_its_own() -> None:
    world = World()
    world.rest()
    everything = json.dumps(world.jobs[world.job()])
    assert "serving.kserve.io" not in everything
    assert '"component"' not in everything


def test_restricted_pod_security_admits_it() -> None:
    pod = _pod()
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & pod.keys()
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
    for container in _containers(pod).values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_runner_sees_models_and_inputs_and_nothing_that_tells_right_from_wrong() -> None:
    pod = _pod()
    assert _mounts(pod, "runner") == {
        "/tmp": True,
        "/evaluation/models": False,
        "/evaluation/inputs": False,
        "/evaluation/socket": True,
    }
    assert set(_env(pod, "runner")) == {"HOME", "PARITYGATE_RUNNER"}
    told = _env(pod, "runner")["PARITYGATE_RUNNER"]
    assert "margin" not in told
    assert "labels" not in told
    assert json.loads(told) == {
        "packs": 1,
        "calibration": False,
        "runtime": "onnxruntime",
        "providers": ["CPUExecutionProvider"],
        "formats": ["Onnx", "ExportedProgram", "Safetensors"],
        "threads": None,
    }


def test_the_referee_sees_labels_and_no_model() -> None:
    mounts = _mounts(_pod(), "referee")
    assert mounts == {
        "/tmp": True,
        "/evaluation/labels": False,
        "/evaluation/found": False,
        "/evaluation/socket": True,
    }


def test_fetch_brings_everything_by_uri_and_digest() -> None:
    pod = _pod()
    wanted = {one["name"]: one for one in json.loads(_env(pod, "fetch")["PARITYGATE_FETCH"])}
    assert set(wanted) == {"baseline", "candidate", "inputs-0", "labels-0"}
    assert wanted["candidate"] == {
        "name": "candidate",
        "uri": builders.B,
        "digest": builders.SHA[builders.B],
        "dest": "/evaluation/models/candidate",
    }
    assert "digest" not in wanted["baseline"]  # named only by what serves: fetch records what it finds
    assert wanted["labels-0"]["dest"] == "/evaluation/labels/0"


def test_calibration_data_is_brought_where_the_runner_sees_it() -> None:
    seen = {"uri": "pvc://seen/calibration.npz", "digest": builders.SHA["inputs"]}
    candidate = {"uri": builders.B, "digest": builders.SHA[builders.B], "technique": "Int8Static", "calibration": seen}
    pod = _pod(validation=builders.validation(candidate=candidate))
    wanted = {one["name"]: one for one in json.loads(_env(pod, "fetch")["PARITYGATE_FETCH"])}
    assert wanted["calibration"] == {**seen, "name": "calibration", "dest": "/evaluation/inputs/calibration"}
    assert json.loads(_env(pod, "runner")["PARITYGATE_RUNNER"])["calibration"] is True
    assert "/pvc/seen" in _mounts(pod, "fetch")


def test_claims_are_mounted_for_fetch_alone_and_read_only() -> None:
    pod = _pod()
    assert {path for path in _mounts(pod, "fetch") if path.startswith("/pvc")} == {"/pvc/data", "/pvc/models"}
    assert not any(writable for path, writable in _mounts(pod, "fetch").items() if path.startswith("/pvc"))
    claims = [v["persistentVolumeClaim"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
    assert claims == [{"claimName": "data", "readOnly": True}, {"claimName": "models", "readOnly": True}]
    for container in ("runner", "referee"):
        assert not [path for path in _mounts(pod, container) if path.startswith("/pvc")]


def test_the_answer_cache_is_mounted_for_the_referee_alone() -> None:
    pod = _pod(pool=builders.pool(answerCache={"persistentVolumeClaim": "answers", "size": "2Gi"}))
    assert _mounts(pod, "referee")["/evaluation/cache"] is True
    assert _env(pod, "referee")["PARITYGATE_CACHE_BYTES"] == str(2 << 30)
    for container in ("fetch", "runner"):
        assert "/evaluation/cache" not in _mounts(pod, container)
        assert "PARITYGATE_CACHE_BYTES" not in _env(pod, container)
    claims = [v for v in pod["volumes"] if v.get("persistentVolumeClaim", {}).get("claimName") == "answers"]
    assert claims == [{"name": "cache", "persistentVolumeClaim": {"claimName": "answers"}}]
    # A volume's root belongs to root until it is given to the group; every file of a large one need not be looked at.
    assert pod["securityContext"]["fsGroup"] == 65532
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_a_pool_with_an_answer_cache_is_the_same_evaluation() -> None:
    """What it keeps changes no verdict: an owner who adds one does not make everybody judge anew."""
    first, second = World(), World(pool=builders.pool(answerCache={"persistentVolumeClaim": "answers"}))
    first.rest()
    second.rest()
    assert first.job() == second.job()


def test_the_pool_says_where_it_runs_and_with_what() -> None:
    pod = _pod(
        pool=builders.pool(
            nodeSelector={"accelerator": "t4"},
            tolerations=[{"key": "accelerator", "operator": "Exists", "effect": "NoSchedule"}],
            resources={"limits": {"cpu": "2", "memory": "4Gi", "example.com/t4": "1"}},
            runtimeClassName="gvisor",
            priorityClassName="batch",
        )
    )
    assert pod["nodeSelector"] == {"accelerator": "t4"}
    assert pod["tolerations"] == [{"key": "accelerator", "operator": "Exists", "effect": "NoSchedule"}]
    assert (pod["runtimeClassName"], pod["priorityClassName"]) == ("gvisor", "batch")
    runner = _containers(pod)["runner"]["resources"]
    assert runner["limits"] == runner["requests"] == {"cpu": "2", "memory": "4Gi", "example.com/t4": "1"}
    for name in ("fetch", "referee"):
        assert "example.com/t4" not in _containers(pod)[name]["resources"]["limits"]


TORCH = {"runtime": {"name": "torch"}}
OWN = "r.example/e@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("world", "image"),
    [
        ({}, SETTINGS.evaluator_image),
        ({"policy": builders.policy(evaluatorImage=OWN)}, OWN),
        ({"pool": builders.pool(**TORCH), "settings": replace(SETTINGS, torch_evaluator_image="t")}, "t"),
        ({"settings": replace(SETTINGS, torch_evaluator_image="t")}, SETTINGS.evaluator_image),
        ({"pool": builders.pool(**TORCH), "policy": builders.policy(evaluatorImage=OWN)}, OWN),
    ],
    ids=["the-operators", "the-policys", "the-operators-for-torch", "not-for-torch", "the-policys-for-torch"],
)
def test_one_image_for_all_three(world: dict[str, Any], image: str) -> None:
    containers = _containers(_pod(**world))
    assert {container["image"] for container in containers.values()} == {image}
    assert [c["command"] for c in containers.values()] == [
        ["python3", "-m", f"paritygate_evaluator.{name}"] for name in ("fetch", "runner", "referee")
    ]


def test_what_the_evaluator_reads_is_what_the_operator_writes() -> None:
    """The other side of the contract, by its own code."""
    from paritygate_evaluator.fetch.bring import Wanted
    from pydantic import TypeAdapter

    pod = _pod()
    wanted = TypeAdapter(list[Wanted]).validate_json(_env(pod, "fetch")["PARITYGATE_FETCH"])
    assert len(wanted) == 4
    assert set(_env(pod, "referee")) == {"HOME", "PARITYGATE_PLAN", "PARITYGATE_ATTEMPT"}
    from paritygate_evaluator.layout import Layout
    from paritygate_evaluator.referee.cache_room import CACHE_BYTES

    with_cache = _pod(pool=builders.pool(answerCache={"persistentVolumeClaim": "answers"}))
    assert _env(with_cache, "referee")[CACHE_BYTES] == str(10 << 30)
    folder = Layout.from_environment().root / "cache"
    assert _mounts(with_cache, "referee")[str(folder)]
