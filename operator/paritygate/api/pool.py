"""AcceleratorPool: where evaluators run, so that the device that judges is the device that will serve."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import DecimalString, Model, Name, ObjectMeta, Quantity, matching
from .markers import ATOMIC, SET, Rule


class Toleration(Model):
    """A taint of the pool's nodes that evaluator pods tolerate (core/v1 Toleration)."""

    RULES: ClassVar = (
        Rule(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            "a toleration without key needs operator: Exists",
            lambda toleration: toleration.key is not None or toleration.operator == "Exists",
        ),
        Rule(
            "!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists'",
            "operator Exists takes no value",
            lambda toleration: not toleration.value or toleration.operator != "Exists",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs effect: NoExecute",
            lambda toleration: toleration.toleration_seconds is None or toleration.effect == "NoExecute",
        ),
    )

    key: str | None = Field(
        default=None, min_length=1, max_length=316, description="The taint's key; absent with Exists: every taint."
    )
    operator: Literal["Exists", "Equal"] | None = Field(default=None, description="How to compare. Default: Equal.")
    value: str | None = Field(default=None, max_length=63, description="The taint's value, with Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="The taint's effect; absent: every effect."
    )
    toleration_seconds: int | None = Field(
        default=None, description="How long a NoExecute taint is tolerated; absent: for ever."
    )


class PoolResources(Model):
    """What the runner asks for. Requests equal limits: an evaluator never shares what it measures with."""

    limits: Annotated[
        dict[str, Quantity],
        Rule(
            "'cpu' in self && 'memory' in self",
            'limits must name cpu and memory, such as {cpu: "1", memory: 1Gi}: the runner takes its threads from them',
            lambda limits: "cpu" in limits and "memory" in limits,
        ),
    ] = Field(
        default={"cpu": "1", "memory": "1Gi"},
        max_length=8,
        description="Quantities by resource name: cpu, memory and the accelerator's extended resource.",
    )


_OF_TORCH = ("CPUExecutionProvider", "CUDAExecutionProvider")


class PoolRuntime(Model):
    """How models are run there."""

    RULES: ClassVar = (
        Rule(
            "!has(self.name) || self.name != 'torch' || !has(self.executionProviders)"
            f" || self.executionProviders.all(one, one in {list(_OF_TORCH)})",
            f"runtime torch runs on {' or '.join(_OF_TORCH)} only",
            lambda runtime: runtime.name != "torch" or set(runtime.execution_providers) <= set(_OF_TORCH),
        ),
    )

    name: Literal["onnxruntime", "torch"] = Field(default="onnxruntime", description="The inference runtime.")
    execution_providers: Annotated[
        tuple[
            Annotated[
                str,
                Field(max_length=64),
                matching(
                    "[A-Za-z0-9]+ExecutionProvider",
                    "must be an execution provider, such as CPUExecutionProvider or CUDAExecutionProvider",
                ),
            ],
            ...,
        ],
        ATOMIC,
    ] = Field(
        default=("CPUExecutionProvider",),
        min_length=1,
        max_length=8,
        description="Execution providers, best first. Falling back to a later one fails the candidate.",
    )
    threads: int | None = Field(default=None, ge=1, le=256, description="Default: the container's cpu quota.")


_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
}

Bytes = Annotated[
    str,
    Field(max_length=16),
    matching(f"[1-9][0-9]{{0,11}}({'|'.join(filter(None, _UNITS))})?", "must be a number of bytes, such as 10Gi"),
]
"""A size as a Kubernetes quantity in whole units."""


def bytes_of(size: str) -> int:
    """The number of a `Bytes`."""
    digits = size.rstrip("kKMGTi")
    return int(digits) * _UNITS[size.removeprefix(digits)]


class AnswerCache(Model):
    """Where referees keep what baselines answered, for the next candidate.

    Whoever can write the volume can write answers: let nobody else mount it.
    """

    persistent_volume_claim: Name = Field(
        description="A claim of this name in the namespace of each validation, written by referees alone. Whoever else "
        "can write it can write what a baseline is said to have answered."
    )
    size: Bytes = Field(
        default="10Gi", description="What it may hold. Entries that were used longest ago are removed as a whole."
    )


class PoolSpec(Model):
    """A pool of nodes with the same device."""

    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Rule(
            "size(self) > 0",
            "nodeSelector must name at least one node label: a pool without one is every node",
            lambda labels: len(labels) > 0,
        ),
    ] = Field(max_length=16, description="Labels that every node of the pool bears.")
    tolerations: Annotated[tuple[Toleration, ...], ATOMIC] = Field(
        default=(), max_length=16, description="Taints of the pool's nodes that evaluator pods tolerate."
    )
    resources: PoolResources = PoolResources()
    runtime_class_name: Name | None = Field(default=None, description="The pods' RuntimeClass, such as nvidia.")
    priority_class_name: Name | None = Field(
        default=None, description="The pods' PriorityClass: low, so that serving goes first."
    )
    runtime: PoolRuntime = PoolRuntime()
    answer_cache: AnswerCache | None = Field(
        default=None,
        description="Keeps the baseline's answers for the next candidate: half of an evaluation's work. Times never.",
    )
    allowed_namespaces: Annotated[tuple[Name, ...], SET] = Field(
        default=(), max_length=256, description="Namespaces whose validations may run here. Empty: every namespace."
    )
    price_per_hour: DecimalString | None = Field(
        default=None, description="Of one evaluator, in the currency of your choice: what a verdict costs."
    )
    watts: int | None = Field(default=None, ge=0, le=100000, description="Drawn by one evaluator under load.")


class AcceleratorPool(Model):
    """Nodes with the same device, and how evaluators run on them: judged where it will serve."""

    api_version: Literal["paritygate.io/v1alpha1"] = "paritygate.io/v1alpha1"
    kind: Literal["AcceleratorPool"] = "AcceleratorPool"
    metadata: ObjectMeta
    spec: PoolSpec
