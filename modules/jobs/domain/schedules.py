"""When a schedule is due: cron lines read in a time zone, over both nights of the clock change and over days off."""

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from modules.jobs.domain.calendars import DAY, countries, days_off, next_working_day

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
HORIZON = timedelta(days=30 * 365)  # what does not run within it never runs

# The names of a Timetable's rules, beside its line and zone.
CALENDAR = "skipped_hour", "doubled_hour", "on_day_off", "country", "are_weekends_off"


def gettext_noop(text: str) -> str:
    """Mark a text for translators; whoever shows it translates it, the domain knows no language."""
    return text


class InvalidSchedule(ValueError):
    """A schedule that nobody can follow; the message names what is wrong and shows a right one.

    `field` is the name of the Timetable's field; `text` with `values` is the message, for a translation.
    """

    def __init__(self, text: str, *, field: str, **values: object) -> None:
        self.text, self.field, self.values = text, field, values
        super().__init__(text % values)


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
    star goes by the clock as it is, so it runs in no minute of the gap and in both of the doubled hour.
    `country`, like CZ, says whose public holidays are days off.
    """

    cron: str
    timezone: str = "Europe/Prague"
    skipped_hour: str = SkippedHour.NEXT
    doubled_hour: str = DoubledHour.FIRST
    on_day_off: str = DayOff.RUN
    country: str = ""
    are_weekends_off: bool = False


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


@dataclass(frozen=True)
class Due:
    """A due time: the instant in UTC, and what the clock on the wall shows by the cron line, without a zone.

    The two differ in the hour that the clocks skip: `at` is its end. With a `day_off`, the holiday's or weekday's
    name, nothing runs; `moved_to` is when the run comes instead, and is a due time of its own.
    """

    at: datetime
    local: datetime
    is_skipped: bool = False
    day_off: str = ""
    moved_to: datetime | None = None

    @property
    def runs(self) -> bool:
        """Return whether something runs then."""
        return not self.is_skipped and not self.day_off


def due(table: Timetable, *, after: datetime, language: str = "en") -> Iterator[Due]:
    """Yield what is due after `after`, ascending, each instant once, for as long as there is any.

    Days off have their names in `language`, where it is known. Raises InvalidSchedule.
    """
    return (one for one in _once(_Times(table, language).all(after=after)) if one.at > after)


def outlook(table: Timetable, *, after: datetime, count: int, language: str = "en") -> list[Due]:
    """Return what is due after `after` up to the `count`-th run, ascending; less when nothing more runs in 30 years.

    Of a day whose runs are left out, only the first is there. Raises InvalidSchedule.
    """
    found: list[Due] = []
    for one in takewhile(lambda one: one.at < after + HORIZON, _day_by_day(table, after, language)):
        found.append(one)
        count -= one.runs
        if not count:
            break
    return found


def _day_by_day(table: Timetable, after: datetime, language: str) -> Iterator[Due]:
    """Yield what is due, and the first only of a day that is left out: there may be one each minute."""
    times = due(table, after=after, language=language)
    while one := next(times, None):
        yield one
        if one.day_off and table.on_day_off == DayOff.SKIP:
            midnight = datetime.combine(one.local.date() + DAY, time(), ZoneInfo(table.timezone))
            times = due(table, after=midnight.astimezone(UTC) - timedelta.resolution, language=language)


def due_times(table: Timetable, *, after: datetime, until: datetime) -> list[datetime]:
    """Return each time in (after, until] at which something runs, ascending, in UTC. Raises InvalidSchedule."""
    return [one.at for one in takewhile(lambda one: one.at <= until, due(table, after=after)) if one.runs]


def next_times(table: Timetable, *, after: datetime, count: int) -> list[datetime]:
    """Return the next `count` times after `after` at which something runs, in UTC; fewer when there are no more.

    Raises InvalidSchedule.
    """
    return [one.at for one in outlook(table, after=after, count=count) if one.runs]


def check_times(table: Timetable) -> None:
    """Raise InvalidSchedule when the timetable cannot be followed, or its days off make no sense."""
    _check_rules(table)
    if not next_times(table, after=datetime(2026, 1, 1, tzinfo=UTC), count=1):
        raise InvalidSchedule(
            gettext_noop("Every run falls on a day off; choose other times, or let runs move."), field="on_day_off"
        )


def _check_rules(table: Timetable) -> None:
    for name, kind in (("skipped_hour", SkippedHour), ("doubled_hour", DoubledHour), ("on_day_off", DayOff)):
        if (rule := getattr(table, name)) not in list(kind):
            text = gettext_noop("There is no rule %(rule)r; choose one of %(rules)s.")
            raise InvalidSchedule(text, field=name, rule=rule, rules=", ".join(kind))
    has_days_off = bool(table.country) or table.are_weekends_off
    if table.on_day_off != DayOff.RUN and not has_days_off:
        text = gettext_noop("No day is off: choose a country, or say that weekends are.")
        raise InvalidSchedule(text, field="on_day_off")
    if table.on_day_off == DayOff.RUN and has_days_off:
        text = gettext_noop("Say what becomes of a run on a day off: leave it out or move it.")
        raise InvalidSchedule(text, field="on_day_off")


class _Times:
    """A timetable whose line, zone and country have been found."""

    def __init__(self, table: Timetable, language: str) -> None:
        self.table = table
        self.zone = _zone(table.timezone)
        self.line = ALIASES.get(table.cron.strip().lower(), table.cron)
        minute, hour = _fields(self.line)[:2]
        self.is_fixed = not minute.startswith("*") and not hour.startswith("*")
        self.off = days_off(country=_country(table.country), weekends=table.are_weekends_off, language=language)

    def all(self, *, after: datetime) -> Iterator[Due]:
        """Yield what is due from `after` on, and perhaps a few before it, ascending."""
        if self.table.on_day_off == DayOff.RUN:
            return self._by_clock(after)
        return _in_order(self._by_calendar(one) for one in self._by_clock(self._earliest(after)))

    def _by_calendar(self, one: Due) -> list[Due]:
        """Return the same with the name of its day off, and the runs that come instead."""
        day = one.at.astimezone(self.zone).date()
        name = "" if one.is_skipped else self.off(day)
        if not name:
            return [one]
        moved = []
        if self.table.on_day_off == DayOff.MOVE:
            moved = self._at(datetime.combine(next_working_day(day, self.off), one.local.time()))
        moved_to = next((other.at for other in moved if other.runs), None)
        return [Due(one.at, one.local, day_off=name, moved_to=moved_to), *moved]

    def _earliest(self, after: datetime) -> datetime:
        """Return when the days off began that may move runs to what follows `after`."""
        if self.table.on_day_off != DayOff.MOVE:
            return after
        day = self._local(after).date()
        while self.off(day - DAY):
            day -= DAY
        return min(after, datetime.combine(day, time(), self.zone).astimezone(UTC))

    def _by_clock(self, after: datetime) -> Iterator[Due]:
        """Yield each time of the line, whatever the day."""
        return _in_order(found for local in self._local_times(after) if (found := self._at(local)))

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

    def _at(self, local: datetime) -> list[Due]:
        """Return when the clock on the wall shows `local`: once, or by the rules for the two nights."""
        first, second = (local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return [Due(first, local)]
        if first < second:
            return [Due(at, local) for at in self._of_doubled(first, second)]
        if not self.is_fixed:  # it never shows that
            return []
        is_skipped = self.table.skipped_hour == SkippedHour.SKIP
        return [Due(self._end_of_gap(second, first), local, is_skipped=is_skipped)]

    def _of_doubled(self, first: datetime, second: datetime) -> list[datetime]:
        if not self.is_fixed or self.table.doubled_hour == DoubledHour.BOTH:
            return [first, second]
        return [second if self.table.doubled_hour == DoubledHour.SECOND else first]

    def _end_of_gap(self, before: datetime, behind: datetime) -> datetime:
        """Return the instant between these two at which the zone's offset changes, to the second."""
        offset = before.astimezone(self.zone).utcoffset()
        while behind - before > timedelta(seconds=1):
            middle = before + (behind - before) // 2
            is_before = middle.astimezone(self.zone).utcoffset() == offset
            before, behind = (middle, behind) if is_before else (before, middle)
        return behind.replace(microsecond=0)


def _in_order(groups: Iterable[list[Due]]) -> Iterator[Due]:
    """Yield all, ascending; the groups' first ones ascend, the others come later than the first of their group."""
    waiting: list[Due] = []
    for first, *later in groups:
        while waiting and waiting[0].at < first.at:
            yield waiting.pop(0)
        yield first
        for one in later:
            insort(waiting, one, key=lambda one: one.at)
    yield from waiting


def _once(found: Iterable[Due]) -> Iterator[Due]:
    """Leave out a run at the instant of another one, and so for times at which nothing runs."""
    last: dict[bool, datetime] = {}
    for one in found:
        if last.get(one.runs) != one.at:
            yield one
        last[one.runs] = one.at


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        text = gettext_noop("There is no time zone %(name)r; write one like Europe/Prague.")
        raise InvalidSchedule(text, field="timezone", name=name) from None


def _country(code: str) -> str:
    if code and code not in countries():
        text = gettext_noop("The holidays of %(code)r are not known; write a country's two letters like CZ.")
        raise InvalidSchedule(text, field="country", code=code)
    return code


def _fields(line: str) -> list[str]:
    fields = line.split()
    if len(fields) != 5:
        raise _bad_line(line, f"{len(fields)} fields")
    return fields


def _bad_line(line: str, reason: str) -> InvalidSchedule:
    text = gettext_noop("The cron line %(line)r is wrong (%(reason)s); write five fields like 30 2 * * 1-5.")
    return InvalidSchedule(text, field="cron", line=line, reason=reason)
