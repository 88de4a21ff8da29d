"""AcceleratorPool: where evaluators run, so that the device that judges is the device that will serve."""

from typing import Literal

from pydantic import ConfigDict, Field

from .base import DecimalString, Model, ObjectMeta
from .markers import list_atomic, list_set, rules


class Toleration(Model):
    """core/v1 Toleration."""

    key: str | None = Field(default=None, max_length=316)
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = Field(default=None, max_length=63)
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class PoolResources(Model):
    """What the runner asks for: cpu, memory and the accelerator's extended resource. Requests equal limits."""

    limits: dict[str, str] = Field(
        default={"cpu": "1", "memory": "1Gi"},
        max_length=8,
        description="Quantities by resource name.",
    )


class PoolRuntime(Model):
    """How models are run there."""

    name: Literal["onnxruntime"] = "onnxruntime"
    execution_providers: tuple[str, ...] = Field(
        default=("CPUExecutionProvider",), min_length=1, max_length=8, json_schema_extra=list_atomic()
    )
    threads: int | None = Field(default=None, ge=1, le=256, description="Default: the container's cpu quota.")


class PoolSpec(Model):
    """A pool of nodes with the same device."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "size(self.nodeSelector) > 0",
                "nodeSelector must name at least one node label: a pool without one is every node",
            )
        )
    )

    node_selector: dict[str, str] = Field(max_length=16)
    tolerations: tuple[Toleration, ...] = Field(default=(), max_length=16, json_schema_extra=list_atomic())
    resources: PoolResources = PoolResources()
    runtime_class_name: str | None = Field(default=None, max_length=253)
    priority_class_name: str | None = Field(default=None, max_length=253)
    runtime: PoolRuntime = PoolRuntime()
    allowed_namespaces: tuple[str, ...] = Field(
        default=(), max_length=256, json_schema_extra=list_set(), description="Empty: every namespace."
    )
    price_per_hour: DecimalString | None = None
    watts: int | None = Field(default=None, ge=0, le=100000)


class AcceleratorPool(Model):
    """An AcceleratorPool resource."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["AcceleratorPool"] = "AcceleratorPool"
    metadata: ObjectMeta
    spec: PoolSpec
