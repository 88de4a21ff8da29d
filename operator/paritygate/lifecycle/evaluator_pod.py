"""The evaluator's Job: who may see what is a list of mounts.

fetch writes everything; the runner reads models and inputs and never labels, plan or margins; the referee reads labels
and what fetch found. No token, no privilege, a read-only root, and no label by which KServe would take the pod
for its own.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from paritygate.api import AcceleratorPool, CompressionValidation, EvaluationPlan, ValidationPolicy
from paritygate.api.pool import AnswerCache, bytes_of

from .durations import parse
from .model import ATTEMPT_LABEL, DIGEST_LABEL, MANAGED_BY, UID_LABEL, VALIDATION_LABEL, Manifest, Settings

ROOT = "/evaluation"
USER = 65532
KEPT_SECONDS = 4 * 3600
"""How long a finished Job is kept: time enough to read its log after an outage of the operator."""

_MOUNTS = {
    "fetch": {"models": "rw", "inputs": "rw", "labels": "rw", "found": "rw"},
    "runner": {"models": "ro", "inputs": "ro", "socket": "rw"},
    "referee": {"labels": "ro", "found": "ro", "socket": "rw"},
}
"""Container -> volume -> access. Each volume is an emptyDir below `/evaluation`."""

_CACHE = "cache"
"""The volume of a pool's answer cache, below `/evaluation` in the referee: neither models nor stores come near it."""

_BESIDE = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
"""Resources of fetch and referee: fixed, so that only the runner's come from the pool."""


def job_name(validation: CompressionValidation, input_digest: str, attempt: int) -> str:
    """A function of (uid, input digest, attempt): after a kill the same Job is found, never a second one made."""
    key = f"{validation.metadata.uid}|{input_digest}|{attempt}".encode()
    stem = validation.metadata.name[:40].replace(".", "-").rstrip("-")
    return f"{stem}-{hashlib.sha256(key).hexdigest()[:10]}-{attempt}"


def short_digest(input_digest: str) -> str:
    """The input digest as a label value."""
    return input_digest.removeprefix("sha256:")[:32]


def evaluator_job(
    *,
    validation: CompressionValidation,
    plan: EvaluationPlan,
    input_digest: str,
    attempt: int,
    policy: ValidationPolicy,
    pool: AcceleratorPool,
    settings: Settings,
) -> Manifest:
    """The Job of one attempt: one pod, never restarted, ended at the policy's deadline."""
    metadata = validation.metadata
    labels = _labels(validation, input_digest, attempt)
    owner = {
        "apiVersion": validation.api_version,
        "kind": validation.kind,
        "name": metadata.name,
        "uid": metadata.uid,
        "controller": True,
    }
    pod = _pod(plan, attempt, pool, plan.environment["image"], settings)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(validation, input_digest, attempt),
            "namespace": metadata.namespace,
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": max(1, int(parse(policy.spec.evaluation.deadline).total_seconds())),
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": {**labels, "sidecar.istio.io/inject": "false"}}, "spec": pod},
        },
    }


def _labels(validation: CompressionValidation, input_digest: str, attempt: int) -> dict[str, str]:
    labels = {
        MANAGED_BY[0]: MANAGED_BY[1],
        UID_LABEL: validation.metadata.uid or "",
        DIGEST_LABEL: short_digest(input_digest),
        ATTEMPT_LABEL: str(attempt),
    }
    if len(validation.metadata.name) <= 63:  # the longest label value; owners are found by uid then
        labels[VALIDATION_LABEL] = validation.metadata.name
    return labels


def _pod(plan: EvaluationPlan, attempt: int, pool: AcceleratorPool, image: str, settings: Settings) -> Manifest:
    claims = _claims(plan)
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": dict(pool.spec.node_selector),
        "tolerations": [toleration.dump() for toleration in pool.spec.tolerations],
        "initContainers": [_container("fetch", image, settings, _BESIDE, {"PARITYGATE_FETCH": _wanted(plan)}, claims)],
        "containers": [
            _container(
                "runner",
                image,
                settings,
                _runner_resources(pool),
                {"PARITYGATE_RUNNER": _json(plan.runner_configuration())},
            ),
            _container("referee", image, settings, _BESIDE, _referee(plan, attempt)),
        ],
        "volumes": _volumes(claims),
    }
    if pool.spec.answer_cache:
        _add_answer_cache(spec, pool.spec.answer_cache)
    if pool.spec.runtime_class_name:
        spec["runtimeClassName"] = pool.spec.runtime_class_name
    if pool.spec.priority_class_name:
        spec["priorityClassName"] = pool.spec.priority_class_name
    return spec


def _add_answer_cache(spec: dict[str, Any], cache: AnswerCache) -> None:
    """A claim that only the referee mounts. The group is for volumes whose root belongs to root."""
    spec["securityContext"] |= {"fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"}
    spec["volumes"].append({"name": _CACHE, "persistentVolumeClaim": {"claimName": cache.persistent_volume_claim}})
    (referee,) = (one for one in spec["containers"] if one["name"] == "referee")
    referee["volumeMounts"].append({"name": _CACHE, "mountPath": f"{ROOT}/{_CACHE}", "readOnly": False})
    referee["env"].append({"name": "PARITYGATE_CACHE_BYTES", "value": str(bytes_of(cache.size))})


def _container(
    name: str,
    image: str,
    settings: Settings,
    resources: Manifest,
    environment: Manifest,
    claims: Iterable[str] = (),
) -> Manifest:
    mounts: list[dict[str, object]] = [{"name": f"tmp-{name}", "mountPath": "/tmp"}]
    for volume, access in _MOUNTS[name].items():
        mounts.append({"name": volume, "mountPath": f"{ROOT}/{volume}", "readOnly": access == "ro"})
    for index, claim in enumerate(claims):
        mounts.append({"name": f"claim-{index}", "mountPath": f"/pvc/{claim}", "readOnly": True})
    # Clients of stores write below HOME, and the root is read-only.
    env = {"HOME": "/tmp", **environment}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["python3", "-m", f"paritygate_evaluator.{name}"],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _runner_resources(pool: AcceleratorPool) -> Manifest:
    limits = dict(pool.spec.resources.limits)
    return {"requests": limits, "limits": limits}


def _wanted(plan: EvaluationPlan) -> str:
    artefacts = [("baseline", plan.baseline, "models/baseline"), ("candidate", plan.candidate, "models/candidate")]
    wanted = [_artefact(name, subject.uri, subject.digest, dest) for name, subject, dest in artefacts]
    for index, pack in enumerate(plan.packs):
        for part, file in (("inputs", pack.inputs), ("labels", pack.labels)):
            wanted.append(_artefact(f"{part}-{index}", file.uri, file.digest, f"{part}/{index}"))
    if plan.calibration:
        wanted.append(_artefact("calibration", plan.calibration.uri, plan.calibration.digest, "inputs/calibration"))
    return _json(wanted)


def _artefact(name: str, uri: str, digest: str | None, dest: str) -> dict[str, str]:
    wanted = {"name": name, "uri": uri, "dest": f"{ROOT}/{dest}"}
    return wanted | ({"digest": digest} if digest else {})


def _referee(plan: EvaluationPlan, attempt: int) -> dict[str, str]:
    return {"PARITYGATE_PLAN": _json(plan.dump()), "PARITYGATE_ATTEMPT": str(attempt)}


def _claims(plan: EvaluationPlan) -> tuple[str, ...]:
    """The PersistentVolumeClaims that the artefacts lie on."""
    files = (file for pack in plan.packs for file in (pack.inputs, pack.labels))
    uris = [plan.baseline.uri, plan.candidate.uri, *(file.uri for file in files)]
    uris += [plan.calibration.uri] if plan.calibration else []
    return tuple(sorted({urlsplit(uri).netloc for uri in uris if uri.startswith("pvc://")}))


def _volumes(claims: Iterable[str]) -> list[Manifest]:
    folders = sorted({volume for mounts in _MOUNTS.values() for volume in mounts})
    empty: list[Manifest] = [{"name": name, "emptyDir": {}} for name in folders]
    empty += [{"name": f"tmp-{container}", "emptyDir": {}} for container in _MOUNTS]
    return empty + [
        {"name": f"claim-{index}", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
        for index, claim in enumerate(claims)
    ]


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
