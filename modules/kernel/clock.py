"""The one place that reads the clock."""

from datetime import UTC, datetime

SECOND = 1_000  # milliseconds, as Dramatiq counts
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def now() -> datetime:
    """Return the present as an aware datetime in UTC."""
    return datetime.now(UTC)
