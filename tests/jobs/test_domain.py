from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.jobs.domain import (
    ENDED,
    ExponentialBackoff,
    Failure,
    InvalidSchedule,
    State,
    TableBackoff,
    Timetable,
    allowed_steps,
    check_times,
    due_times,
    next_times,
    outlook,
)

PRAGUE = ZoneInfo("Europe/Prague")


def prague(text):
    return datetime.fromisoformat(text).replace(tzinfo=PRAGUE)


def local(times):
    return [f"{due.astimezone(PRAGUE):%m-%d %H:%M %z}" for due in times]


def test_the_database_allows_exactly_the_steps_of_the_domain():
    guard = import_module("modules.jobs.migrations.0001_squashed_0012_alert_kinds")

    assert sorted(guard.STEPS) == sorted(f"{source}>{target}" for source, target in allowed_steps())


def test_an_ended_job_starts_again_only_as_a_replayed_dead_letter():
    again = {(source, target) for source, target in allowed_steps() if source in ENDED and target not in ENDED}

    assert again == {(State.FAILED, State.QUEUED), (State.QUARANTINED, State.QUEUED)}


@given(st.integers(min_value=1, max_value=10_000))
def test_exponential_backoff_grows_to_its_cap_and_spreads(failures):
    delay = ExponentialBackoff(base_seconds=15, cap_seconds=3600, jitter=0.25).delay(failures)

    base = min(15 * 2 ** min(failures - 1, 40), 3600)
    assert timedelta(seconds=base) <= delay <= timedelta(seconds=base * 1.25)


def test_table_backoff_follows_its_table_and_repeats_the_last():
    table = TableBackoff([300, 900, 3600])

    assert [table.delay(n).total_seconds() for n in (1, 2, 3, 4)] == [300, 900, 3600, 3600]


def test_errors_of_one_cause_share_a_fingerprint():
    def failure(message, kind=ValueError):
        try:
            raise kind(message)
        except Exception as error:  # noqa: BLE001
            return Failure.of(error)

    same = failure("order 'A-1' of shop 12 timed out after 30 s")
    assert failure("order 'B-77' of shop 9 timed out after 31 s").fingerprint == same.fingerprint
    assert failure("order 'A-1' of shop 12 was refused").fingerprint != same.fingerprint
    assert failure("order 'A-1' of shop 12 timed out after 30 s", KeyError).fingerprint != same.fingerprint


def test_an_error_is_kept_without_nul_and_within_bounds():
    try:
        raise ValueError("a\0" + "b" * 5_000)
    except ValueError as error:
        failure = Failure.of(error)

    assert failure.error_message == "a" + "b" * 1_998
    assert "\0" not in failure.traceback


@pytest.mark.parametrize("cron", ["0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "@weekly"])
def test_sunday_is_sunday_however_it_is_written(cron):
    times = next_times(Timetable(cron=cron), after=prague("2026-11-23 12:00"), count=3)

    assert [due.astimezone(PRAGUE).strftime("%a %d.%m. %H:%M") for due in times] == [
        "Sun 29.11. 00:00",
        "Sun 06.12. 00:00",
        "Sun 13.12. 00:00",
    ]


def test_a_night_run_in_the_hour_that_is_skipped_comes_right_after_the_gap_once():
    due = due_times(Timetable(cron="30 2 * * *"), after=prague("2026-03-28 12:00"), until=prague("2026-03-30 12:00"))

    assert local(due) == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_a_run_at_the_end_of_the_gap_is_not_lost():
    due = due_times(Timetable(cron="0 3 * * *"), after=prague("2026-03-28 12:00"), until=prague("2026-03-30 12:00"))

    assert local(due) == ["03-29 03:00 +0200", "03-30 03:00 +0200"]


def test_a_night_run_in_the_hour_that_comes_twice_comes_once():
    due = due_times(Timetable(cron="30 2 * * *"), after=prague("2026-10-24 12:00"), until=prague("2026-10-26 12:00"))

    assert local(due) == ["10-25 02:30 +0200", "10-26 02:30 +0100"]


def test_a_quarter_hourly_run_goes_on_through_the_hour_that_comes_twice():
    due = due_times(Timetable(cron="*/15 * * * *"), after=prague("2026-10-25 01:59"), until=prague("2026-10-25 03:00"))

    assert len(due) == 9
    assert {later - earlier for earlier, later in pairwise(due)} == {timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("cron", "timezone", "word"),
    [
        ("60 * * * *", "Europe/Prague", "60 * * * *"),
        ("* * *", "Europe/Prague", "five fields"),
        ("* * * * * *", "Europe/Prague", "five fields"),
        ("every day", "Europe/Prague", "every day"),
        ("0 0 31 2 *", "Europe/Prague", "0 0 31 2 *"),
        ("* * * * *", "Europe/Praha", "Europe/Praha"),
        ("* * * * *", "../etc/passwd", "time zone"),
    ],
)
def test_a_schedule_that_nobody_can_follow_is_refused_with_its_reason(cron, timezone, word):
    with pytest.raises(InvalidSchedule, match=word.replace("*", r"\*")):
        next_times(Timetable(cron=cron, timezone=timezone), after=datetime(2026, 1, 1, tzinfo=UTC), count=1)


@pytest.mark.parametrize(
    ("rules", "field", "word"),
    [
        ({"country": "XX", "on_day_off": "skip"}, "country", "CZ"),
        ({"on_day_off": "move"}, "on_day_off", "choose a country"),
        ({"are_weekends_off": True}, "on_day_off", "leave it out or move it"),
        ({"on_day_off": "swim", "country": "CZ"}, "on_day_off", "run, skip, move"),
        ({"doubled_hour": "third"}, "doubled_hour", "first, second, both"),
        ({"cron": "0 3 * * 6", "on_day_off": "skip", "are_weekends_off": True}, "on_day_off", "choose other times"),
        ({"cron": "* * 1 1 *", "on_day_off": "skip", "country": "CZ"}, "on_day_off", "choose other times"),
        ({"timezone": "Europe/Praha"}, "timezone", "Europe/Prague"),
        ({"cron": "0 25 * * *"}, "cron", "five fields"),
    ],
)
def test_a_timetable_that_makes_no_sense_names_its_field_and_the_way_out(rules, field, word):
    with pytest.raises(InvalidSchedule, match=word) as refused:
        check_times(Timetable(**{"cron": "0 3 * * *", **rules}))

    assert refused.value.field == field


def test_an_outlook_shows_the_first_run_of_a_day_that_is_left_out():
    table = Timetable(cron="* * * * *", on_day_off="skip", are_weekends_off=True)

    found = outlook(table, after=prague("2026-11-27 23:58"), count=2)

    assert [(f"{one.local:%a %H:%M}", one.day_off) for one in found] == [
        ("Fri 23:59", ""),
        ("Sat 00:00", "Saturday"),
        ("Sun 00:00", "Sunday"),
        ("Mon 00:00", ""),
    ]


def test_an_outlook_tells_of_a_run_that_the_clocks_skip():
    table = Timetable(cron="30 2 * * *", skipped_hour="skip")

    found = outlook(table, after=prague("2026-03-28 12:00"), count=1)

    assert [(f"{one.local:%d.%m. %H:%M}", one.is_skipped) for one in found] == [
        ("29.03. 02:30", True),
        ("30.03. 02:30", False),
    ]
    assert local([one.at for one in found]) == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_a_run_at_the_end_of_the_gap_is_not_lost_to_one_that_is_left_out():
    table = Timetable(cron="30,0 2,3 * * *", skipped_hour="skip")

    due = due_times(table, after=prague("2026-03-29 00:00"), until=prague("2026-03-29 04:00"))

    assert local(due) == ["03-29 03:00 +0200", "03-29 03:30 +0200"]


def test_a_holiday_has_its_name_in_the_readers_language_where_there_is_one():
    table = Timetable(cron="0 3 25 12 *", on_day_off="move", country="CZ")
    after = prague("2026-12-01 00:00")

    names = [outlook(table, after=after, count=1, language=language)[0].day_off for language in ("cs", "en", "pl")]

    assert names == ["1. svátek vánoční", "Christmas Day", "Christmas Day"]
