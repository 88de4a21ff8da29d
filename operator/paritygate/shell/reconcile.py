"""One reconcile: gather, plan, execute. And the one place where an error becomes a condition."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from paritygate.api import Condition, ConditionType, ValidationStatus, carry_over
from paritygate.cluster import VALIDATION, Executor, Gatherer, Key, Refused, Store
from paritygate.engine import Conflict, Terminal
from paritygate.lifecycle.model import Observed, Plan

from .logs import reconciling
from .metrics import Metrics

logger = logging.getLogger(__name__)

Planner = Callable[[Observed], Plan]


PLANNED_AT_ONCE = 4
"""Decisions in the making: each may simulate what a pack can prove."""


class Reconciler:
    """Brings one validation a step further; returns when to look again, None to wait for an event."""

    def __init__(
        self, gatherer: Gatherer, planner: Planner, executor: Executor, store: Store, metrics: Metrics
    ) -> None:
        self._gatherer, self._planner, self._executor = gatherer, planner, executor
        self._store, self._metrics = store, metrics
        self._numbers = itertools.count(1)
        self._planning = asyncio.Semaphore(PLANNED_AT_ONCE)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Look at a validation as it is now and do what is to be done next."""
        with reconciling(str(key), next(self._numbers)):
            try:
                return await self._step(key)
            except Terminal as terminal:
                logger.warning("stalled: %s", terminal.message, extra={"reason": terminal.reason})
                await self._stall(key, terminal)
                raise
            except Refused as refused:
                # A quota, an admission policy, our own RBAC: people can cure it, so they are told where they look.
                await self._stall(key, Terminal("RefusedByServer", str(refused)))
                raise

    async def _step(self, key: Key) -> timedelta | None:
        observed = await self._gatherer.gather(key)
        if observed is None:
            return None
        # Power is planned by simulation, seconds and some 50 MiB at the worst: other keys and health checks must not
        # wait for it, and few at once keep within the pod's memory.
        async with self._planning:
            plan = await asyncio.to_thread(self._planner, observed)
        done = await self._executor.execute(key, plan)
        if done.status_written:
            self._metrics.status_written(observed.validation.status, plan.status, observed.policy)
            logger.info("status written", extra=_summary(plan.status))
        return timedelta(0) if done.look_again else plan.requeue_after

    async def _stall(self, key: Key, why: Terminal) -> None:
        manifest = self._store.get(VALIDATION, key.namespace, key.name)
        if manifest is None:
            return
        generation = manifest["metadata"].get("generation", 0)
        try:
            status = ValidationStatus.model_validate(manifest.get("status", {}))
            await self._executor.write_status(key, _stalled(status, generation, why))
        except (ValidationError, Refused) as error:
            logger.error("the stall cannot be told in the status: %s", error)
        except Conflict:
            logger.info("the stall is told at the next try: the status was just changed")


def _stalled(status: ValidationStatus, generation: int, why: Terminal) -> ValidationStatus:
    """The status with Ready, Reconciling and Stalled saying why, and all else as it was."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    states = {ConditionType.READY: "False", ConditionType.RECONCILING: "False", ConditionType.STALLED: "True"}
    ours = [
        Condition.model_validate(
            {
                "type": type_,
                "status": state,
                "reason": why.reason,
                "message": why.message[:1024],
                "lastTransitionTime": now,
                "observedGeneration": generation,
            }
        )
        for type_, state in states.items()
    ]
    others = [condition for condition in status.conditions if condition.type not in states]
    conditions = carry_over(status.conditions, [*ours, *others])
    return status.model_copy(update={"conditions": conditions, "observed_generation": generation})


def _summary(status: ValidationStatus) -> dict[str, str]:
    told = {condition.type: condition for condition in status.conditions}
    ready = told.get(ConditionType.READY)
    return {"ready": ready.status, "reason": ready.reason} if ready else {}
