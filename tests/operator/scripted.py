"""What kubelet, Job controller and evaluator would do, written by hand: real objects, real statuses, no containers."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from paritygate.api import Check, CheckRecord, EvaluationPlan, EvaluationResult, GateRecord, Metric, Outcome, Reason
from paritygate.cluster import JOB, POD, AlreadyExists, Client, Kind, NotFound, Object
from paritygate.judge import BOTH_RIGHT, LOST, Items, ItemTally, conclude, culprits, expand, hard_gates, plan_digest

ITEMS = 3000

Script = Callable[[Object], "Ending"]


ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount")


class Ending:
    """How an evaluator's pod ends: `log` is what its referee printed, `message` what it left, `phase` the pod's."""

    def __init__(self, log: bytes, message: str, phase: str = "Succeeded") -> None:
        self.log, self.message, self.phase = log, message, phase


def passes(job: Object, harm: int = 0) -> Ending:
    """An honest evaluator that finds both models equal but for `harm` items that only the candidate gets wrong."""
    return told(honest_result(plan_of(job), attempt_of(job), harm))


def fails(job: Object) -> Ending:
    """The candidate loses one item in ten."""
    return passes(job, ITEMS // 10)


def evicted(job: Object) -> Ending:
    """The pod is gone before it could say anything."""
    return Ending(b"", "", "Failed")


def told(result: EvaluationResult) -> Ending:
    """The ending of a referee that prints this result."""
    line = json.dumps(result.dump())
    progress = json.dumps({"type": "progress", "stage": "Evaluating", "items": ITEMS, "planned": ITEMS})
    return Ending(f"{progress}\n{line}\n".encode(), hashlib.sha256(line.encode()).hexdigest())


def plan_of(job: Object) -> EvaluationPlan:
    """The plan in the referee's environment, as the real one reads it."""
    containers = job["spec"]["template"]["spec"]["containers"]
    referee = next(container for container in containers if container["name"] == "referee")
    variables = {variable["name"]: variable["value"] for variable in referee["env"]}
    return EvaluationPlan.model_validate_json(variables["PARITYGATE_PLAN"])


def attempt_of(job: Object) -> int:
    return int(job["metadata"]["labels"]["paritygate.io/attempt"])


def _items() -> Items:
    ranges = ["high" if i % 10 == 0 else "low" for i in range(ITEMS)]
    return Items([f"item-{i}" for i in range(ITEMS)], {"input-range": ranges})


def honest_result(plan: EvaluationPlan, attempt: int, harm: int) -> EvaluationResult:
    """What the judge itself makes of the outcomes, so that the operator's recheck agrees."""
    gates = expand(plan, _items(), with_margins=False)
    counted = [gate for gate in gates if gate.power]
    assert all(gate.claim.metric in (Metric.ACCURACY, Metric.HARMFUL_FLIP_RATE) for gate in counted), gates
    outcomes = np.full(ITEMS, BOTH_RIGHT, dtype=np.int8)
    outcomes[:harm] = LOST
    tallies = [ItemTally(gate, plan, hard_gates(counted)) for gate in counted]
    for tally in tallies:
        tally.count(lambda indices: outcomes[indices])
    unmeasured = [GateRecord(name=g.name, claim=g.name, decision="Open") for g in gates if not g.power]
    records = (*(tally.record() for tally in tallies), *unmeasured)
    checks = tuple(CheckRecord(name=check, ok=True) for check in Check)
    verdict = conclude(plan, records, checks, None)
    return EvaluationResult(
        input_digest=plan_digest(plan),
        attempt=attempt,
        outcome=Outcome(verdict.outcome),
        reason=Reason(verdict.reason),
        message=verdict.message,
        gates=records,
        checks=checks,
        items=ITEMS,
        harmful_flips=harm,
        culprits=culprits(plan, tallies, hard_gates(gates)),
        baseline_digest=plan.baseline.digest or plan.candidate.digest,
        candidate_digest=plan.candidate.digest,
    )


class ScriptedEvaluators:
    """Runs every Job of a namespace to its scripted end. Where a real Job controller runs, it makes the pods."""

    def __init__(self, client: Client, namespace: str, logs: dict[str, bytes], script: Script) -> None:
        self._client, self._namespace, self._logs, self._script = client, namespace, logs, script
        self.pods: dict[str, int] = {}
        """How many pods each Job got."""

    async def run(self) -> None:
        """Until cancelled."""
        done: set[str] = set()
        controlled = await self._job_controller_runs()
        while True:
            async for page in self._client.list_pages(JOB, self._namespace):
                for job in page:
                    if job["metadata"]["uid"] not in done and await self._finish(job, controlled):
                        done.add(job["metadata"]["uid"])
            await asyncio.sleep(0.05)

    async def _job_controller_runs(self) -> bool:
        try:
            await self._client.get(ACCOUNT, "kube-system", "job-controller")
        except NotFound:
            return False
        return True

    async def _finish(self, job: Object, controlled: bool) -> bool:
        """Whether the Job is through: not yet as long as its controller has made no pod."""
        name = job["metadata"]["name"]
        if not controlled:
            with contextlib.suppress(AlreadyExists):
                await self._client.create(POD, _pod(job, f"{name}-pod"))
        pod = await self._pod_of(name)
        if pod is None:
            return False
        ending = self._script(job)
        self._logs[pod] = ending.log
        self.pods[name] = self.pods.get(name, 0) + 1
        await self._client.patch_status(POD, self._namespace, pod, {"status": _pod_status(ending)})
        if not controlled:
            await self._client.patch_status(JOB, self._namespace, name, {"status": _job_status(ending)})
        return True

    async def _pod_of(self, job: str) -> str | None:
        async for page in self._client.list_pages(POD, self._namespace, f"batch.kubernetes.io/job-name={job}"):
            for pod in page:
                return str(pod["metadata"]["name"])
        return None


def _pod(job: Object, name: str) -> Object:
    template = job["spec"]["template"]
    owner = {key: job["metadata"][key] for key in ("name", "uid")}
    owners = [{"apiVersion": "batch/v1", "kind": "Job", "controller": True, **owner}]
    labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"]}
    metadata = {"labels": labels, "name": name, "namespace": job["metadata"]["namespace"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
    return {**pod, "metadata": {**metadata, "ownerReferences": owners}}


def _pod_status(ending: Ending) -> Any:
    state = {"exitCode": 0 if ending.phase == "Succeeded" else 1, "message": ending.message, "finishedAt": _now()}
    referee = {"name": "referee", "ready": False, "restartCount": 0, "image": "x", "imageID": "x"}
    status: Any = {"phase": ending.phase, "containerStatuses": [{**referee, "state": {"terminated": state}}]}
    return status | ({"reason": "Evicted", "message": "low on memory"} if ending.phase == "Failed" else {})


def _job_status(ending: Ending) -> Any:
    final = "Complete" if ending.phase == "Succeeded" else "Failed"
    before = "SuccessCriteriaMet" if final == "Complete" else "FailureTarget"
    true = {"status": "True", "reason": "Scripted", "lastTransitionTime": _now()}
    conditions = [{"type": type_, **true} for type_ in (before, final)]
    status: Any = {"startTime": _now(), "conditions": conditions}
    return status | ({"completionTime": _now(), "succeeded": 1} if final == "Complete" else {"failed": 1})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
