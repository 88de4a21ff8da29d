"""One byte string for one value, so that a digest names a content and nothing else."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no blanks, as RFC 8785 for the values we use.

    Floats are refused when not finite: NaN has no JSON form and must never be hashed into a decision.
    """
    _refuse_non_finite(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: object) -> str:
    """`sha256:…` of the canonical JSON of a value."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


def _refuse_non_finite(value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no canonical form")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_non_finite(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            _refuse_non_finite(item)
