"""Where and when an evaluation runs: what makes two of them comparable."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version


def environment() -> dict[str, str]:
    """What this evaluator runs on."""
    return {
        "paritygate": version("paritygate"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
    }


def processor() -> str:
    """The processor's name, at most 128 characters."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return (names[0] if names else platform.processor() or platform.machine())[:128]


def now() -> str:
    """The time, as the record writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
