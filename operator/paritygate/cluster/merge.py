"""JSON merge patches (RFC 7386): the smallest one from what is to what should be."""

from collections.abc import Mapping
from typing import Any


def merge_diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that turns `old` into `new`; empty if they are equal. Lists are replaced whole, as the RFC has it.

    A member that vanished is null in the patch. Members of `new` that are None count as absent.
    """
    patch: dict[str, Any] = {name: None for name in old if new.get(name) is None}
    for name, wanted in new.items():
        present = old.get(name)
        if wanted is None or wanted == present:
            continue
        if isinstance(wanted, Mapping) and isinstance(present, Mapping):
            patch[name] = merge_diff(present, wanted)
        else:
            patch[name] = wanted
    return patch
