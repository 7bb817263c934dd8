"""How a schedule looks to a watcher outside, who expects check-ins by a plain cron line or in so many minutes."""

import hashlib
import re
from datetime import datetime, timedelta
from math import ceil

from modules.jobs.domain.retries import Backoff
from modules.jobs.domain.schedules import ALIASES, DayOff, DoubledHour, SkippedHour, Timetable, next_times

MAX_SLUG = 50  # characters; Sentry's limit, as is the next
MAX_MINUTES = 28 * 24 * 60
MINUTE = timedelta(minutes=1)


def monitor_slug(key: str) -> str:
    """Return the name under which a watcher knows the schedule; no two schedules share one."""
    slug = key.replace(".", "-")
    if re.fullmatch(r"[a-z0-9_.]+", key) and len(slug) <= MAX_SLUG:
        return slug
    cut = re.sub(r"[^a-z0-9_-]", "-", slug.lower())[: MAX_SLUG - 9]
    return f"{cut}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def plain_cron(table: Timetable) -> str | None:
    """Return the five fields that say all of when it runs; None when days off or rules of the clock change do too."""
    is_plain = (table.on_day_off, table.skipped_hour, table.doubled_hour) == (
        DayOff.RUN,
        SkippedHour.NEXT,
        DoubledHour.FIRST,
    )
    return ALIASES.get(table.cron.strip().lower(), table.cron) if is_plain else None


def minutes_to_next(table: Timetable, *, now: datetime) -> int | None:
    """Return in how many minutes, rounded up, it runs next; None when it never does. Raises InvalidSchedule."""
    times = next_times(table, after=now, count=1)
    return _minutes(times[0] - now) if times else None


def minutes_at_most(*, time_limit: timedelta, attempts: int, backoff: Backoff, wait: timedelta) -> int:
    """Return how long a job may take from its send to its end: it waits, and fails each time at the last moment."""
    rests = sum((backoff.longest(failures) for failures in range(1, attempts)), timedelta())
    return min(_minutes(time_limit * attempts + rests + wait), MAX_MINUTES)


def _minutes(time: timedelta) -> int:
    return max(ceil(time / MINUTE), 1)
