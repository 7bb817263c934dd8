"""Due times against brute force: walk every minute of UTC, look at the clock on the wall, compare the fields."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modules.jobs.domain import Timetable, countries, due, due_times

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NIGHTS = [  # of a change of the clocks; the days around them are asked about
    *(("Europe/Prague", "2026-03-29"), ("Europe/Prague", "2026-10-25")),
    *(("America/New_York", "2026-03-08"), ("America/New_York", "2026-11-01")),
    *(("Australia/Lord_Howe", "2026-10-04"), ("Australia/Lord_Howe", "2026-04-05")),  # by half an hour
    ("Pacific/Apia", "2011-12-30"),  # a day that never was
    *(("Africa/Cairo", "2026-04-24"), ("America/Havana", "2026-11-01")),  # from and to midnight
    ("America/Goose_Bay", "2010-11-07"),  # from 0:01 back to the day before
    ("Asia/Kathmandu", "2026-06-01"),  # no change, 5:45 from UTC
]


@dataclass(frozen=True)
class Field:
    """A cron field as text, and what it means."""

    text: str
    values: frozenset[int]

    @property
    def is_star(self):
        return self.text.startswith("*")


def fields(low, high, *, favorites):
    """Return any field of this range; single values are mostly the favorites."""
    value = st.one_of(st.sampled_from(favorites), st.integers(low, high))
    pair = st.lists(value, min_size=2, max_size=2, unique=True).map(sorted)
    step = st.integers(1, 20)
    return st.one_of(
        st.just(Field("*", frozenset(range(low, high + 1)))),
        step.map(lambda n: Field(f"*/{n}", frozenset(range(low, high + 1, n)))),
        value.map(lambda a: Field(f"{a}", frozenset({a}))),
        value.map(lambda a: Field(f"{a}", frozenset({a}))),
        pair.map(lambda ab: Field(f"{ab[0]}-{ab[1]}", frozenset(range(ab[0], ab[1] + 1)))),
        pair.map(lambda ab: Field(f"{ab[0]},{ab[1]}", frozenset(ab))),
        st.tuples(value, step).map(lambda an: Field(f"{an[0]}/{an[1]}", frozenset(range(an[0], high + 1, an[1])))),
        st.tuples(pair, step).map(
            lambda x: Field(f"{x[0][0]}-{x[0][1]}/{x[1]}", frozenset(range(x[0][0], x[0][1] + 1, x[1])))
        ),
    )


STAR = Field("*", frozenset(range(32)))
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
LINES = st.tuples(
    fields(0, 59, favorites=[0, 15, 30, 45]),
    fields(0, 23, favorites=[0, 1, 2, 3, 23]),
    st.one_of(st.just(STAR), fields(1, 31, favorites=[4, 8, 24, 25, 29, 30])),
    st.one_of(st.just(STAR), st.just(STAR), fields(1, 12, favorites=[3, 4, 10, 11])),
    st.one_of(
        st.just(STAR),
        st.integers(0, 6).map(lambda day: Field(WEEKDAYS[day], frozenset({day}))),
        st.sampled_from([Field("7", frozenset({0})), Field("1-5", frozenset(range(1, 6)))]),
    ),
)


def matches(line, local):
    minute, hour, day, month, weekday = line
    days = [local.day in day.values, local.isoweekday() % 7 in weekday.values]
    is_day = all(days) if day.is_star or weekday.is_star else any(days)
    return local.minute in minute.values and local.hour in hour.values and local.month in month.values and is_day


def brute_force(line, zone, *, skipped, doubled, after, until):
    """Return the due times in (after, until] as the README's words say them."""
    is_fixed = not line[0].is_star and not line[1].is_star
    shown = {}  # wall clock -> when it showed that
    found = []
    at = (after - 3 * HOUR).replace(second=0)
    local = at.astimezone(zone).replace(tzinfo=None)
    while at < until + 3 * HOUR:
        at += MINUTE
        before, local = local, at.astimezone(zone).replace(tzinfo=None)
        if matches(line, local):
            shown.setdefault(local, []).append(at)
        jumped_over = before + MINUTE
        while is_fixed and skipped == "next" and jumped_over < local:
            found += [at] if matches(line, jumped_over) else []
            jumped_over += MINUTE
    chosen = {"first": slice(0, 1), "second": slice(-1, None), "both": slice(None)}[doubled if is_fixed else "both"]
    found += [at for times in shown.values() for at in times[chosen]]
    return [at for at in sorted(set(found)) if after < at <= until]


@settings(max_examples=100, deadline=None)
@given(
    line=LINES,
    night=st.sampled_from(NIGHTS),
    skipped=st.sampled_from(["next", "skip"]),
    doubled=st.sampled_from(["first", "second", "both"]),
    start=st.integers(-26 * 60 * 60, 6 * 60 * 60),
    hours=st.integers(1, 40),
)
@example(  # asked between the two half past two: the first is over
    line=(Field("30", frozenset({30})), Field("2", frozenset({2})), STAR, STAR, STAR),
    night=("Europe/Prague", "2026-10-25"),
    skipped="next",
    doubled="first",
    start=int(3.25 * 60 * 60),
    hours=4,
)
@pytest.mark.slow
def test_due_times_are_those_of_brute_force(line, night, skipped, doubled, start, hours):
    zone = ZoneInfo(night[0])
    after = datetime.fromisoformat(night[1]).replace(tzinfo=zone).astimezone(UTC) + timedelta(seconds=start)
    until = after + timedelta(hours=hours)
    text = " ".join(field.text for field in line)
    table = Timetable(cron=text, timezone=night[0], skipped_hour=skipped, doubled_hour=doubled)

    assert due_times(table, after=after, until=until) == brute_force(
        line, zone, skipped=skipped, doubled=doubled, after=after, until=until
    )


def easter_of(year):
    """Return Easter Sunday by Gauss, as corrected for the Gregorian calendar."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    rest = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    month, day = divmod(h + rest - 7 * ((a + 11 * h + 22 * rest) // 451) + 114, 31)
    return date(year, month, day + 1)


def is_off(day):
    """Return whether nobody works in Czechia, by the Act 245/2000."""
    easter = easter_of(day.year)
    fixed = {(1, 1), (5, 1), (5, 8), (7, 5), (7, 6), (9, 28), (10, 28), (11, 17), (12, 24), (12, 25), (12, 26)}
    return day.weekday() >= 5 or (day.month, day.day) in fixed or day in {easter - 2 * DAY, easter + DAY}


@settings(max_examples=40, deadline=None)
@given(
    hours=st.lists(st.integers(0, 23), min_size=1, max_size=3, unique=True).map(sorted),
    days=st.integers(0, 6 * 365),
    policy=st.sampled_from(["skip", "move"]),
)
def test_runs_on_days_off_are_skipped_or_come_on_the_next_working_day(hours, days, policy):
    zone = ZoneInfo("Europe/Prague")
    after = datetime(2025, 12, 1, 12, tzinfo=UTC) + days * DAY
    until = after + 12 * DAY
    table = Timetable(
        cron=f"30 {','.join(map(str, hours))} * * *", on_day_off=policy, country="CZ", are_weekends_off=True
    )
    plain = due_times(Timetable(cron=table.cron), after=after - 12 * DAY, until=until)
    expected = {at for at in plain if not is_off(at.astimezone(zone).date())}  # a daily run moves onto another one

    found = list(takewhile(lambda one: one.at <= until, due(table, after=after)))

    assert [one.at for one in found if not one.day_off] == sorted(at for at in expected if at > after)
    assert [one.at for one in found if one.day_off] == [
        at for at in plain if at > after and is_off(at.astimezone(zone).date())
    ]
    assert {one.moved_to is not None for one in found if one.day_off} <= {policy == "move"}


def test_a_weekly_run_that_falls_on_a_holiday_comes_once_on_the_next_working_day():
    table = Timetable(cron="0 6 * * 4", on_day_off="move", country="CZ", are_weekends_off=True)
    found = takewhile(
        lambda one: one.at < datetime(2027, 1, 5, tzinfo=UTC), due(table, after=datetime(2026, 12, 20, tzinfo=UTC))
    )

    assert [(f"{one.at:%a %d.%m. %H:%M}", one.day_off) for one in found] == [
        ("Thu 24.12. 05:00", "Christmas Eve"),
        ("Mon 28.12. 05:00", ""),
        ("Thu 31.12. 05:00", ""),
    ]


@pytest.mark.parametrize("asked", ["2026-12-24 23:59", "2026-12-26 12:00", "2026-12-28 04:59"])
def test_a_moved_run_is_found_from_any_moment_before_it(asked):
    table = Timetable(cron="0 6 24 12 *", on_day_off="move", country="CZ", are_weekends_off=True)
    after = datetime.fromisoformat(asked).replace(tzinfo=UTC)

    assert due_times(table, after=after, until=after + 5 * DAY) == [datetime(2026, 12, 28, 5, 0, tzinfo=UTC)]


def test_the_countries_around_us_are_known():
    assert {"CZ", "SK", "PL", "DE", "AT", "HU"} <= set(countries())
