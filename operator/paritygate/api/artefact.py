"""What is judged: artefacts named by URI and digest."""

from enum import StrEnum

from pydantic import Field

from .base import Digest, Model, RemoteUri


class Artefact(Model):
    """A file or folder, named by where it lies and by what it holds."""

    uri: RemoteUri = Field(
        description="s3://, gs://, hf://, https://, pvc://CLAIM/PATH; file:// or a path only outside a cluster."
    )
    digest: Digest = Field(
        description="sha256 of the artefact's manifest, the sorted list of (path, size, sha256); "
        "`paritygate digest PATH` prints it."
    )


class Technique(StrEnum):
    """How the candidate was made; chooses the prior flip rate and added gates."""

    FP16 = "Fp16"
    BF16 = "Bf16"
    FP8 = "Fp8"
    INT8_DYNAMIC = "Int8Dynamic"
    INT8_STATIC = "Int8Static"
    INT8_WEIGHT_ONLY = "Int8WeightOnly"
    INT4_WEIGHT_ONLY = "Int4WeightOnly"
    PRUNED = "Pruned"
    DISTILLED = "Distilled"
    CLUSTERED = "Clustered"
    FINE_TUNED = "FineTuned"
    OTHER = "Other"


class Purpose(StrEnum):
    """What the compression is for; chooses the performance gates."""

    LATENCY = "Latency"
    MEMORY = "Memory"
    COST = "Cost"
    ENERGY = "Energy"
