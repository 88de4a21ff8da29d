"""Go durations of the resources as timedeltas."""

import re
from datetime import timedelta

_UNITS = {"h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
_PART = re.compile(r"([0-9]+(?:[.][0-9]+)?)(ms|h|m|s)")


def parse(text: str) -> timedelta:
    """`1h30m` as a timedelta. Raises ValueError for anything but a chain of number and unit."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 90s, 10m or 1h30m")
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())
