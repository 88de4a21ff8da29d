"""Instants as they are written in a status: UTC, milliseconds, so that the time to zero can be told."""

from datetime import UTC, datetime


def written(instant: datetime) -> str:
    """`2026-11-21T13:00:00.250Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(text: str) -> datetime:
    """Inverse of `written`; takes any RFC 3339 text that Kubernetes writes. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
