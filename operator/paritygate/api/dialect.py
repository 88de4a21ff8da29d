"""YAML as kubectl and Helm read it, where PyYAML differs.

`y` and `n` are truth values, `1e3` and `08` are numbers, dates and `1:30` are text. A field named `n` that is written
without quotes reaches a cluster as `false`.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"

_ADDED = (
    (_BOOL, re.compile(r"^[yYnN]$"), "yYnN"),
    (_INT, re.compile(r"^[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)$"), "-+0123456789"),
    (_FLOAT, re.compile(r"^[-+]?([.][0-9]+|[0-9]+([.][0-9]*)?)([eE][-+]?[0-9]+)?$"), "-+.0123456789"),
    (_FLOAT, re.compile(r"^([-+]?[.](inf|Inf|INF)|[.](nan|NaN|NAN))$"), "-+."),
)


class Loader(yaml.SafeLoader):
    """Reads as kubectl does, but refuses a key that is said twice instead of taking the last."""

    bool_values = yaml.SafeLoader.bool_values | {"y": True, "n": False}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A map whose keys differ."""
        seen: set[Hashable] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True) if key.tag != _MERGE else None
            if isinstance(name, Hashable) and name is not None:
                if name in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{name} is said twice", key.start_mark)
                seen.add(name)
        return super().construct_mapping(node, deep)


class Dumper(yaml.SafeDumper):
    """Writes without anchors, and with quotes wherever kubectl or PyYAML would read text as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """What occurs twice is written twice."""
        return True


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in found if tag not in (_INT, _FLOAT, _TIMESTAMP)]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _regexp, _first in _ADDED:
    Loader.add_implicit_resolver(_tag, _regexp, list(_first))
    Dumper.add_implicit_resolver(_tag, _regexp, list(_first))
