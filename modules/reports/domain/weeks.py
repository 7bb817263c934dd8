"""Whose Monday morning it is: a cron line read in each reader's zone, and the seven days before it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from modules.jobs.domain import InvalidSchedule, Timetable, check_times, due_times

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Turn:
    """That the clock in a zone has come to the time of summaries, at `due_at`."""

    zone: str
    due_at: datetime

    @property
    def day(self) -> date:
        """Return the day on the wall there."""
        return self.due_at.astimezone(ZoneInfo(self.zone)).date()

    @property
    def week(self) -> str:
        """Return the ISO week of that day: 2026-W48."""
        year, week, _day = self.day.isocalendar()
        return f"{year}-W{week:02}"

    @property
    def first_day(self) -> date:
        """Return the first of the seven whole days that are told of."""
        return self.day - WEEK

    @property
    def last_day(self) -> date:
        """Return the last of them."""
        return self.day - timedelta(days=1)

    @property
    def start(self) -> datetime:
        """Return when the first day began there; over a change of the clocks the week has 167 or 169 hours."""
        return self._midnight(self.first_day)

    @property
    def end(self) -> datetime:
        """Return when the last day was over there."""
        return self._midnight(self.day)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time.min, ZoneInfo(self.zone)).astimezone(UTC)


def find_turn(*, zone: str, cron: str, late_hours: int, now: datetime) -> Turn | None:
    """Return the last time at which the line was due in this zone, unless that is more than `late_hours` ago."""
    times = due_times(Timetable(cron=cron, timezone=zone), after=now - timedelta(hours=late_hours), until=now)
    return Turn(zone, times[-1]) if times else None


def check_cron(cron: str) -> None:
    """Raise ValueError for a line that nobody can follow."""
    try:
        check_times(Timetable(cron=cron, timezone="UTC"))
    except InvalidSchedule as error:
        raise ValueError(str(error)) from None
