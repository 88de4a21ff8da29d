"""JSON that every reader reads alike."""

import json
from typing import Any


def strict_json(text: str | bytes) -> Any:
    """JSON without duplicate members, NaN or Infinity: two readers must never read two things. Raises ValueError.

    Numbers too large for a float pass as infinity (`1e999` is JSON): `recompute` refuses those.
    """
    return json.loads(text, object_pairs_hook=_distinct, parse_constant=_not_finite)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a JSON member is given twice")
    return members


def _not_finite(word: str) -> Any:
    raise ValueError(f"{word} is no number")
