"""When a schedule is due: cron lines read in a time zone, over both nights of the clock change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class InvalidSchedule(ValueError):
    """A cron line or a time zone that nobody can follow; the message names it and shows a right one."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What runs by itself, as a module declares it; an operator's changes are kept apart and win."""

    key: str = field(kw_only=False)
    actor: str
    cron: str
    timezone: str = "Europe/Prague"
    options: Mapping[str, Any] = field(default_factory=dict)
    is_enabled: bool = True
    description: str = ""
    overlap: str = "skip"
    catch_up: str = "one"


def due_times(cron: str, timezone: str, *, after: datetime, until: datetime) -> list[datetime]:
    """Return each time in (after, until], ascending, in UTC.

    In the hour that the clocks skip, a run comes right after the gap; in the hour that comes twice, a run
    at a fixed time comes once and `*/15` comes in both. Raises InvalidSchedule.
    """
    times = []
    for due_at in _times(cron, timezone, after):
        if due_at > until:
            break
        times.append(due_at)
    return times


def next_times(cron: str, timezone: str, *, after: datetime, count: int) -> list[datetime]:
    """Return the next `count` times after `after`, in UTC; fewer when the line ends. Raises InvalidSchedule."""
    return list(islice(_times(cron, timezone, after), count))


def check_times(cron: str, timezone: str) -> None:
    """Raise InvalidSchedule when the line or the time zone cannot be followed."""
    next_times(cron, timezone, after=datetime(2026, 1, 1, tzinfo=UTC), count=1)


def _times(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSchedule(f"There is no time zone {timezone!r}; write one like Europe/Prague.") from None
    try:
        times = CronSim(ALIASES.get(cron.strip().lower(), cron), after.astimezone(zone))
    except CronSimError as error:
        raise InvalidSchedule(
            f"The cron line {cron!r} is wrong ({error}); write five fields like 30 2 * * 1-5."
        ) from None
    return (due_at.astimezone(UTC) for due_at in times)
