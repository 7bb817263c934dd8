import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import translation

from modules.jobs import registry, services
from modules.jobs.domain import Schedule, Timetable
from modules.jobs.models import Job, JobSchedule, ScheduleFiring
from tests.admin.factories import make_job

pytestmark = pytest.mark.django_db(transaction=True)

MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(text, zone="Europe/Prague"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.fixture
def declare(monkeypatch):
    """Make schedules known for one test, as a module's schedules.py would, and bring them into the database."""

    def declared(*schedules, now=MONDAY):
        monkeypatch.setattr(registry, "_schedules", {})
        registry.declare(schedules)
        services.sync_schedules(now=now)

    return declared


def note_at(cron="0 3 * * *", **fields):
    return Schedule("tests.note", actor="tests.note", cron=cron, options={"word": "tick"}, **fields)


def firings():
    return list(ScheduleFiring.objects.order_by("due_at").values_list("due_at", "outcome"))


def test_a_due_schedule_sends_its_job_with_its_options_once(declare):
    declare(note_at("0 14 * * *"))

    sent = [len(services.fire_due_schedules(now=at("2026-11-23 14:00"))) for _ in range(3)]

    assert sent == [1, 0, 0]
    job = Job.objects.get()
    assert (job.actor, job.arguments, job.tags) == ("tests.note", {"word": "tick"}, ["schedule:tests.note"])
    assert firings() == [(at("2026-11-23 14:00"), "fired")]


def test_a_deploy_brings_new_defaults_and_leaves_an_operators_changes(declare):
    declare(note_at("0 3 * * *"))
    JobSchedule.objects.update(cron="30 5 * * *", is_enabled=False)

    declare(note_at("0 4 * * *"))

    schedule = JobSchedule.objects.get()
    assert (schedule.default_cron, schedule.effective_cron, schedule.runs) == ("0 4 * * *", "30 5 * * *", False)


def test_a_schedule_that_the_code_no_longer_has_stops_and_says_so(declare):
    declare(note_at())
    declare()

    schedule = JobSchedule.objects.get()
    assert (schedule.runs, schedule.problem) == (False, "No module declares this schedule any more.")


@pytest.mark.slow
def test_an_edited_schedule_fires_at_its_new_time_in_its_own_zone(declare):
    declare(note_at("0 3 * * *"))
    schedule = JobSchedule.objects.get()
    schedule.cron, schedule.timezone = "15 9 * * *", "Asia/Kathmandu"
    services.change_schedule(schedule, now=MONDAY)

    sent = [services.fire_due_schedules(now=now) for now in minutes(MONDAY, hours=24)]

    assert sum(len(jobs) for jobs in sent) == 1
    assert firings() == [(at("2026-11-24 09:15", "Asia/Kathmandu"), "fired")]


def test_a_change_never_fires_for_the_past(declare):
    declare(note_at("0 3 * * *"), now=MONDAY - timedelta(days=3))
    schedule = JobSchedule.objects.get()
    schedule.cron = "0 * * * *"
    services.change_schedule(schedule, now=MONDAY + timedelta(seconds=1))

    assert services.fire_due_schedules(now=MONDAY + timedelta(minutes=59)) == []


def minutes(start, *, hours):
    return [start + timedelta(minutes=minute) for minute in range(hours * 60 + 1)]


@pytest.mark.parametrize(
    ("night", "due"),
    [("2026-03-28", "2026-03-29 03:00"), ("2026-10-24", "2026-10-25 02:30")],
)
@pytest.mark.slow
def test_a_nightly_run_comes_once_on_both_nights_of_the_clock_change(declare, night, due):
    evening = at(f"{night} 20:00")
    declare(note_at("30 2 * * *"), now=evening)

    for now in minutes(evening, hours=12):
        services.fire_due_schedules(now=now)

    assert firings() == [(at(due), "fired")]


def test_a_weekly_run_written_as_sunday_zero_fires_on_sundays_only(declare):
    declare(note_at("0 0 * * 0"), now=at("2026-11-23 00:00"))

    for day in range(28):
        services.fire_due_schedules(now=at("2026-11-23 00:01") + timedelta(days=day))

    assert [due.astimezone(ZoneInfo("Europe/Prague")).strftime("%a") for due, _ in firings()] == ["Sun"] * 4


def at_once(fire):
    """Let six schedulers do the same at the same time."""

    def scheduler():
        fire()
        connection.close()

    threads = [threading.Thread(target=scheduler) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_schedulers_at_once_fire_once(declare):
    declare(note_at("0 14 * * *", overlap="allow"))

    at_once(lambda: services.fire_due_schedules(now=at("2026-11-23 14:00")))

    assert (Job.objects.count(), ScheduleFiring.objects.count()) == (1, 1)


def test_a_clock_that_jumps_back_fires_nothing_twice(declare):
    declare(note_at("*/5 * * * *", overlap="allow"))
    later = MONDAY + timedelta(minutes=10)

    for now in (later, later - timedelta(minutes=7), later - timedelta(minutes=2), later):
        services.fire_due_schedules(now=now)

    assert [due for due, outcome in firings() if outcome == "fired"] == [later]


@pytest.mark.parametrize(
    ("catch_up", "outcomes"),
    [
        ("none", ["missed"]),
        ("one", ["missed", "fired"]),
        ("all", ["fired", "fired", "fired"]),
    ],
)
def test_runs_missed_in_an_outage_follow_the_policy(declare, catch_up, outcomes):
    declare(note_at("0 3 * * *", catch_up=catch_up, overlap="allow"))

    services.fire_due_schedules(now=MONDAY + timedelta(days=3))

    assert [outcome for _, outcome in firings()] == outcomes
    assert Job.objects.count() == outcomes.count("fired")


def test_a_run_is_skipped_while_the_last_one_has_not_ended(declare):
    declare(note_at("* * * * *"))

    for minute in range(1, 4):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))

    assert [outcome for _, outcome in firings()] == ["fired", "overlapped", "overlapped"]
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        (Schedule("tests.gone", actor="tests.nobody", cron="* * * * *"), "tests.nobody"),
        (Schedule("tests.bad", actor="tests.note", cron="* * * * *", options={"wrod": 1}), "word"),
    ],
)
def test_a_schedule_that_cannot_run_is_marked_and_the_others_go_on(declare, schedule, reason):
    declare(schedule, note_at("* * * * *"))

    services.fire_due_schedules(now=MONDAY + timedelta(minutes=1))

    assert reason in JobSchedule.objects.get(key=schedule.key).problem
    assert sorted(outcome for _, outcome in firings()) == ["fired", "unsupported"]
    assert Job.objects.get().actor == "tests.note"


def test_a_broken_cron_line_is_marked_and_the_others_go_on(declare):
    declare(note_at("* * * * *"), Schedule("tests.odd", actor="tests.note", cron="61 * * * *"))

    services.fire_due_schedules(now=MONDAY + timedelta(minutes=1))

    assert "61 * * * *" in JobSchedule.objects.get(key="tests.odd").problem
    assert Job.objects.count() == 1


def test_a_disabled_schedule_does_not_fire(declare):
    declare(note_at("* * * * *"))
    JobSchedule.objects.update(is_enabled=False)

    assert services.fire_due_schedules(now=MONDAY + timedelta(minutes=1)) == []


def test_run_now_sends_the_job_at_once_and_is_in_the_history(declare):
    declare(note_at("0 3 1 1 *"))

    job_id = services.run_schedule_now(key="tests.note", now=MONDAY)

    assert Job.objects.get().id == job_id
    assert firings() == [(MONDAY, "fired")]


def test_problems_are_named_by_field():
    problems = services.schedule_problems(
        actor="tests.note", timetable=Timetable(cron="1 2 3"), options={"word": "x", "speed": 9}
    )

    assert sorted(problems) == ["cron", "options"]


def test_a_waiting_run_comes_when_the_last_one_has_ended_and_only_one_waits(declare):
    declare(note_at("* * * * *", overlap="queue"))
    for minute in range(1, 4):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))
    while_running = Job.objects.count(), JobSchedule.objects.get().waiting_due_at

    services.cancel([Job.objects.get().id])
    services.fire_due_schedules(now=MONDAY + timedelta(minutes=3, seconds=30))

    assert while_running == (1, MONDAY + timedelta(minutes=2))
    assert firings() == [
        (MONDAY + timedelta(minutes=1), "fired"),
        (MONDAY + timedelta(minutes=2), "fired"),
        (MONDAY + timedelta(minutes=3), "overlapped"),
    ]
    assert (Job.objects.count(), JobSchedule.objects.get().waiting_due_at) == (2, None)


def test_a_waiting_run_goes_before_the_next_one_which_then_waits(declare):
    declare(note_at("* * * * *", overlap="queue"))
    for minute in (1, 2):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))
    services.cancel([Job.objects.get().id])

    sent = services.fire_due_schedules(now=MONDAY + timedelta(minutes=3))

    assert len(sent) == 1
    assert firings()[-1] == (MONDAY + timedelta(minutes=2), "fired")
    assert JobSchedule.objects.get().waiting_due_at == MONDAY + timedelta(minutes=3)


def test_a_change_forgets_the_run_that_waits(declare):
    declare(note_at("* * * * *", overlap="queue"))
    for minute in (1, 2):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))

    services.change_schedule(JobSchedule.objects.get(), now=MONDAY + timedelta(minutes=2))
    services.cancel([Job.objects.get().id])

    assert services.fire_due_schedules(now=MONDAY + timedelta(minutes=2, seconds=30)) == []


def test_a_waiting_run_goes_on_waiting_while_the_last_one_rests_between_attempts(declare):
    declare(note_at("* * * * *", overlap="queue"))
    for minute in (1, 2):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))
    JobSchedule.objects.update(last_job_id=make_job("retrying").pk)

    assert services.fire_due_schedules(now=MONDAY + timedelta(minutes=2, seconds=30)) == []
    assert JobSchedule.objects.get().waiting_due_at == MONDAY + timedelta(minutes=2)


def test_two_schedulers_at_once_send_the_waiting_run_once(declare):
    declare(note_at("* * * * *", overlap="queue"))
    for minute in (1, 2):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))
    services.cancel([Job.objects.get().id])

    at_once(lambda: services.fire_due_schedules(now=MONDAY + timedelta(minutes=2, seconds=30)))

    assert (Job.objects.count(), JobSchedule.objects.get().waiting_due_at) == (2, None)
    assert [outcome for _, outcome in firings()] == ["fired", "fired"]


def test_a_schedule_that_the_code_no_longer_has_forgets_the_run_that_waits(declare):
    schedule = note_at("* * * * *", overlap="queue")
    declare(schedule)
    for minute in (1, 2):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))
    declare()
    declare(schedule)
    services.cancel([Job.objects.get().id])

    assert services.fire_due_schedules(now=MONDAY + timedelta(minutes=2, seconds=30)) == []


def test_a_waiting_run_that_cannot_run_any_more_is_marked_and_waits_no_longer(declare):
    declare(note_at("* * * * *", overlap="queue"))
    for minute in (1, 2):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))
    services.cancel([Job.objects.get().id])
    JobSchedule.objects.update(actor="tests.gone")

    assert services.fire_due_schedules(now=MONDAY + timedelta(minutes=2, seconds=30)) == []
    assert firings()[-1] == (MONDAY + timedelta(minutes=2), "unsupported")
    assert JobSchedule.objects.get().waiting_due_at is None


def test_a_run_on_a_holiday_is_skipped_and_says_which(declare):
    declare(note_at("0 3 * * *", on_day_off="skip", country="CZ"), now=at("2026-12-24 00:00"))

    for now in minutes(at("2026-12-24 00:00"), hours=80)[::60]:
        services.fire_due_schedules(now=now)

    assert list(ScheduleFiring.objects.order_by("due_at").values_list("outcome", "reason")) == [
        ("holiday", "Christmas Eve."),
        ("holiday", "Christmas Day."),
        ("holiday", "Second Day of Christmas."),
        ("fired", ""),
    ]


@pytest.mark.slow
def test_a_run_is_moved_over_holidays_and_a_weekend_and_fires_once(declare):
    schedule = note_at("0 6 * * 4", on_day_off="move", country="CZ", are_weekends_off=True)
    declare(schedule, now=at("2026-12-24 00:00"))

    for now in minutes(at("2026-12-24 00:00"), hours=120)[::30]:
        services.fire_due_schedules(now=now)

    assert list(ScheduleFiring.objects.order_by("due_at").values_list("due_at", "outcome", "reason")) == [
        (at("2026-12-24 06:00"), "holiday", "Christmas Eve; moved to 2026-12-28 06:00."),
        (at("2026-12-28 06:00"), "fired", ""),
    ]
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("doubled_hour", "due"),
    [
        ("first", ["2026-10-25T00:30"]),
        ("second", ["2026-10-25T01:30"]),
        ("both", ["2026-10-25T00:30", "2026-10-25T01:30"]),
    ],
)
@pytest.mark.slow
def test_a_run_in_the_doubled_hour_follows_its_policy(declare, doubled_hour, due):
    evening = at("2026-10-24 20:00")
    declare(note_at("30 2 * * *", doubled_hour=doubled_hour, overlap="allow"), now=evening)

    for now in minutes(evening, hours=12):
        services.fire_due_schedules(now=now)

    assert [f"{due_at:%Y-%m-%dT%H:%M}" for due_at, _ in firings()] == due


def test_a_change_inside_the_doubled_hour_never_fires_for_the_first_one(declare):
    declare(note_at("0 3 1 1 *"))
    schedule = JobSchedule.objects.get()
    schedule.cron = "30 2 * * *"
    now = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)  # 2:15 for the second time
    services.change_schedule(schedule, now=now)

    assert services.fire_due_schedules(now=now + timedelta(minutes=30)) == []


def test_an_unknown_country_is_a_problem_of_its_field():
    table = Timetable(cron="0 3 * * *", on_day_off="skip", country="XX")
    problems = services.schedule_problems(actor="tests.note", timetable=table, options={"word": "x"})

    assert problems == {"country": "The holidays of 'XX' are not known; write a country's two letters like CZ."}


def test_a_problem_is_told_in_the_readers_language():
    with translation.override("cs"):
        problems = services.timetable_problems(Timetable(cron="0 3 * * *", on_day_off="skip", country="XX"))

    assert problems == {"country": "Svátky země 'XX' nejsou známy; napište dvě písmena země, například CZ."}
