"""The one place that reads the clock."""

from datetime import UTC, date, datetime, time

from django.utils.timezone import localtime, make_aware

SECOND = 1_000  # milliseconds, as Dramatiq counts
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def now() -> datetime:
    """Return the present as an aware datetime in UTC."""
    return datetime.now(UTC)


def midnight(day: date) -> datetime:
    """Return when a day begins where the reader is, aware."""
    return make_aware(datetime.combine(day, time.min))


def shown(at: datetime) -> str:
    """Return a moment as people read it where they are, with its zone: 2026-11-28 05:35:50 CET."""
    return f"{localtime(at):%Y-%m-%d %H:%M:%S %Z}"
