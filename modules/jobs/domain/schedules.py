"""When a schedule is due: cron lines read in a time zone, over both nights of the clock change and over holidays."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from itertools import islice, takewhile
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from modules.jobs.domain.calendars import countries, days_off, next_working_day

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
DAY = timedelta(days=1)

T = TypeVar("T", bound=Any)


class InvalidSchedule(ValueError):
    """A schedule that nobody can follow; the message names what is wrong and shows a right one.

    `field` is the name of the Timetable's field.
    """

    def __init__(self, message: str, *, field: str) -> None:
        self.field = field
        super().__init__(message)


class SkippedHour(StrEnum):
    """What becomes of a run in the hour that the clocks skip in spring."""

    NEXT = "next"
    SKIP = "skip"


class DoubledHour(StrEnum):
    """Which of the two counts for a run in the hour that comes twice in autumn."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class DayOff(StrEnum):
    """What becomes of a run on a day on which nobody works."""

    RUN = "run"
    SKIP = "skip"
    MOVE = "move"


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """A cron line and the rules of the calendar around it.

    `skipped_hour` and `doubled_hour` are for runs at fixed times: a line whose minute or hour begins with a
    star goes by the clock as it is, so it runs in neither minute of the gap and in both of the doubled hour.
    """

    cron: str
    timezone: str = "Europe/Prague"
    skipped_hour: str = SkippedHour.NEXT
    doubled_hour: str = DoubledHour.FIRST
    on_day_off: str = DayOff.RUN
    country: str = ""
    """Whose public holidays count, like CZ."""
    are_weekends_off: bool = False


@dataclass(frozen=True, order=True)
class Due:
    """A due time in UTC. With a `day_off`, the holiday's or weekday's name, nothing runs then."""

    at: datetime
    day_off: str = ""
    moved_to: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Schedule(Timetable):
    """What runs by itself, as a module declares it; an operator's changes are kept apart and win."""

    key: str = field(kw_only=False)
    actor: str
    options: Mapping[str, Any] = field(default_factory=dict)
    is_enabled: bool = True
    description: str = ""
    overlap: str = "skip"
    catch_up: str = "one"


def due(table: Timetable, *, after: datetime) -> Iterator[Due]:
    """Yield what is due after `after`, ascending, each time once, for as long as there is any. Raises InvalidSchedule.

    A run that was moved off a day on which nobody works is there twice: at its own time, and when it runs.
    """
    times = _Times(table)
    found = times.runs(after=after) if table.on_day_off == DayOff.RUN else times.runs_and_days_off(after=after)
    return _once(one for one in found if one.at > after)


def due_times(table: Timetable, *, after: datetime, until: datetime) -> list[datetime]:
    """Return each time in (after, until] at which something runs, ascending, in UTC. Raises InvalidSchedule."""
    return [one.at for one in takewhile(lambda one: one.at <= until, due(table, after=after)) if not one.day_off]


def next_times(table: Timetable, *, after: datetime, count: int) -> list[datetime]:
    """Return the next `count` times after `after` at which something runs, in UTC; fewer when the line ends.

    Raises InvalidSchedule.
    """
    return list(islice((one.at for one in due(table, after=after) if not one.day_off), count))


def check_times(table: Timetable) -> None:
    """Raise InvalidSchedule when the timetable cannot be followed."""
    next(due(table, after=datetime(2026, 1, 1, tzinfo=UTC)), None)


class _Times:
    """A timetable whose parts have been checked."""

    def __init__(self, table: Timetable) -> None:
        self.table = table
        self.zone = _zone(table.timezone)
        self.line = ALIASES.get(table.cron.strip().lower(), table.cron)
        minute, hour = _fields(self.line)[:2]
        self.is_fixed = not minute.startswith("*") and not hour.startswith("*")
        if table.country and table.country not in countries():
            raise InvalidSchedule(
                f"The holidays of {table.country!r} are not known; write a country's two letters like CZ.",
                field="country",
            )
        self.day_off = days_off(country=table.country, weekends=table.are_weekends_off)

    def runs(self, *, after: datetime) -> Iterator[Due]:
        """Yield the line's times from `after` on, perhaps a few before it, ascending."""
        return (Due(at) for at, _local in self._moments(after))

    def runs_and_days_off(self, *, after: datetime) -> Iterator[Due]:
        """Yield the same with the days off named, and the runs that were moved from them."""
        return _in_order(self._with_moved(at, local) for at, local in self._moments(self._earliest(after)))

    def _with_moved(self, at: datetime, local: datetime) -> tuple[Due, list[Due]]:
        name = self.day_off(at.astimezone(self.zone).date())
        if not name or self.table.on_day_off == DayOff.SKIP:
            return Due(at, name), []
        day = next_working_day(at.astimezone(self.zone).date(), self.day_off)
        moved = [Due(other) for other in self._instants(datetime.combine(day, local.time()))]
        return Due(at, name, moved[0].at if moved else None), moved

    def _earliest(self, after: datetime) -> datetime:
        """Return when the days off began that may move runs to what follows `after`."""
        day: date = after.astimezone(self.zone).date()
        if self.table.on_day_off == DayOff.MOVE:
            while self.day_off(day - DAY):
                day -= DAY
            return min(after, datetime.combine(day, datetime.min.time(), self.zone).astimezone(UTC))
        return after

    def _moments(self, after: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield each time of the line and what the clock on the wall shows, ascending."""
        return _in_order(self._split(self._local_times(after)))

    def _split(self, found: Iterator[datetime]) -> Iterator[tuple[tuple[datetime, datetime], list[Any]]]:
        for local in found:
            if moments := [(at, local) for at in self._instants(local)]:
                yield moments[0], moments[1:]

    def _local_times(self, after: datetime) -> Iterator[datetime]:
        """Yield what the clock on the wall shows at the line's times, without a zone."""
        # Where the clocks go back within a day, times before now on the clock are still to come.
        start = min(self._local(after), self._local(after + DAY) - DAY)
        try:
            return CronSim(self.line, start)
        except CronSimError as error:
            raise _bad_line(self.line, str(error)) from None

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone).replace(tzinfo=None)

    def _instants(self, local: datetime) -> list[datetime]:
        """Return when the clock on the wall shows `local`: once, or by the rules for the two nights."""
        first, second = (local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return [first]
        if first > second:  # the clocks skip it
            is_skipped = not self.is_fixed or self.table.skipped_hour == SkippedHour.SKIP
            return [] if is_skipped else [self._end_of_gap(second, first)]
        chosen = self.table.doubled_hour if self.is_fixed else DoubledHour.BOTH
        return {DoubledHour.FIRST: [first], DoubledHour.SECOND: [second]}.get(DoubledHour(chosen), [first, second])

    def _end_of_gap(self, before: datetime, behind: datetime) -> datetime:
        """Return the instant between these two at which the zone's offset changes, to the second."""
        offset = before.astimezone(self.zone).utcoffset()
        while behind - before > timedelta(seconds=1):
            middle = before + (behind - before) // 2
            is_before = middle.astimezone(self.zone).utcoffset() == offset
            before, behind = (middle, behind) if is_before else (before, middle)
        return behind.replace(microsecond=0)


def _in_order(found: Iterable[tuple[T, list[T]]]) -> Iterator[T]:
    """Yield the first of each pair, which ascend, and between them the later ones that each brings along."""
    waiting: list[T] = []
    for first, later in found:
        while waiting and waiting[0] < first:
            yield heappop(waiting)
        yield first
        for one in later:
            heappush(waiting, one)
    while waiting:
        yield heappop(waiting)


def _once(found: Iterable[Due]) -> Iterator[Due]:
    last = None
    for one in found:
        if last is None or one.at != last:
            yield one
        last = one.at


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSchedule(
            f"There is no time zone {name!r}; write one like Europe/Prague.", field="timezone"
        ) from None


def _fields(line: str) -> list[str]:
    fields = line.split()
    if len(fields) != 5:
        raise _bad_line(line, f"{len(fields)} fields")
    return fields


def _bad_line(line: str, reason: str) -> InvalidSchedule:
    return InvalidSchedule(
        f"The cron line {line!r} is wrong ({reason}); write five fields like 30 2 * * 1-5.", field="cron"
    )
