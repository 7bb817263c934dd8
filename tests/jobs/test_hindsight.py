"""Looking back: when each kind of rule would have told of something, to the second or to the minute."""

from datetime import timedelta

import pytest

from modules.jobs import selectors
from modules.jobs.domain import AlertKind, rule_params
from modules.jobs.models import RunMinute
from modules.kernel import clock
from tests.admin.factories import make_attempt, make_firing, make_job, make_replay, make_schedule, make_worker

NOW = clock.now().replace(second=0, microsecond=0)
WEEK = NOW - timedelta(days=7)

pytestmark = pytest.mark.django_db


def ago(minutes):
    return NOW - timedelta(minutes=minutes)


def found(kind, **limits):
    incidents = selectors.past_incidents(kind, rule_params(kind, limits), since=WEEK, now=NOW)
    return [(one.subject, one.opened_at, one.closed_at) for one in incidents]


def waited(queue, since, until, **fields):
    return make_job(queue=queue, created_at=ago(since), run_at=ago(since), started_at=ago(until), **fields)


def minute(back, outcome, count, actor="tests.note"):
    row = {"queue": "default", "seconds": 1.0, "buckets": []}
    RunMinute.objects.create(minute_at=ago(back), actor=actor, outcome=outcome, count=count, **row)


def test_a_queue_that_waited_is_one_incident_however_many_jobs_waited():
    waited("low", 100, 60), waited("low", 90, 50), waited("low", 40, 39), waited("high", 30, 29)
    make_job("queued", queue="high", run_at=ago(12))

    assert found(AlertKind.QUEUE_WAIT, seconds=600) == [("high", ago(2), None), ("low", ago(90), ago(50))]
    assert found(AlertKind.QUEUE_WAIT, seconds=600, only=["low"]) == [("low", ago(90), ago(50))]
    assert found(AlertKind.QUEUE_WAIT, seconds=3_000) == []


def test_what_was_short_is_found_among_the_newest_jobs_and_the_rest_is_told(monkeypatch):
    monkeypatch.setattr("modules.jobs.selectors._hindsight.LOOKED_AT", 1)
    old, new = ago(40), ago(20)
    for since in (old, new):
        job = make_job(queue="low", run_at=since, started_at=since + timedelta(seconds=8))
        make_attempt(job, started_at=since, ended_at=since + timedelta(seconds=7))
    waited("low", 100, 99)
    waited("high", 9, 9)  # the newest one, in place of which the others are not looked at

    long_ago = ("low", ago(100) + timedelta(seconds=3), ago(99))
    assert found(AlertKind.QUEUE_WAIT, seconds=3) == [long_ago]
    assert found(AlertKind.JOB_RUNS_LONG, seconds=3) == []
    monkeypatch.setattr("modules.jobs.selectors._hindsight.LOOKED_AT", 9)
    assert found(AlertKind.QUEUE_WAIT, seconds=3) == [
        *(("low", at + timedelta(seconds=3), at + timedelta(seconds=8)) for at in (new, old)),
        long_ago,
    ]
    assert [one[1:] for one in found(AlertKind.JOB_RUNS_LONG, seconds=3)] == [
        (at + timedelta(seconds=3), at + timedelta(seconds=7)) for at in (new, old)
    ]


@pytest.mark.parametrize(
    ("kind", "seconds", "told"),
    [
        (AlertKind.QUEUE_WAIT, 9, "sampled"),
        (AlertKind.JOB_RUNS_LONG, 9, "sampled"),
        (AlertKind.QUEUE_WAIT, 10, None),
        (AlertKind.JOB_WAITS_LONG, 9, None),
    ],
)
def test_what_is_not_told_of_is_said(kind, seconds, told):
    assert selectors.blind_spot(kind, rule_params(kind, {"seconds": seconds})) == told


def test_a_job_that_had_to_try_again_is_told_of_until_it_ended():
    make_job(created_at=ago(90), attempt=2, finished_at=ago(20))
    make_job(created_at=ago(90), attempt=1, finished_at=ago(20))

    assert found(AlertKind.JOB_WAITS_LONG, seconds=3_600) == [("tests.note", ago(30), ago(20))]


def test_a_job_that_was_cancelled_had_waited_until_then_and_one_for_later_has_not():
    make_job("cancelled", queue="low", run_at=ago(100), started_at=None, finished_at=ago(70))
    make_job("scheduled", queue="low", run_at=ago(500))

    assert found(AlertKind.QUEUE_WAIT, seconds=600) == [("low", ago(90), ago(70))]


def test_what_was_over_a_week_ago_is_not_told_and_what_began_before_is_cut():
    waited("low", 20_000, 15_000)
    waited("high", 11_000, 10_000)

    assert found(AlertKind.QUEUE_WAIT, seconds=60) == [("high", WEEK, ago(10_000))]


def test_a_long_queue():
    for since, until in [(60, 40), (50, 30), (45, 20), (10, 10)]:
        waited("low", since, until)

    assert found(AlertKind.QUEUE_LENGTH, over=2) == [("low", ago(45), ago(40))]
    assert found(AlertKind.QUEUE_LENGTH, over=1) == [("low", ago(50), ago(30))]
    assert found(AlertKind.QUEUE_LENGTH, over=3) == []


def test_a_queue_without_a_worker_until_one_came():
    make_worker(queues=["low"], started_at=ago(300), stopped_at=ago(200))
    make_worker(queues=["low", "high"], started_at=ago(100), lease_until=NOW + timedelta(minutes=1))
    waited("low", 220, 99), waited("high", 90, 80)

    assert found(AlertKind.NO_WORKER, seconds=60) == [("low", ago(200), ago(100))]


def test_failures_in_a_row_end_with_a_success():
    minute(60, "succeeded", 5)
    minute(50, "failed", 2), minute(49, "timed_out", 2)
    minute(40, "succeeded", 1)
    minute(40, "failed", 9)  # perhaps before the success
    minute(30, "failed", 2)
    minute(45, "crashed", 3, actor="tests.fail")

    assert found(AlertKind.FAILURES_IN_ROW, times=3) == [
        ("tests.fail", ago(45), None),
        ("tests.note", ago(49), ago(40)),
    ]


def test_long_runs_ended_or_going_on():
    make_attempt(make_job(actor="tests.say"), started_at=ago(60), ended_at=ago(40))
    make_attempt(make_job(), started_at=ago(60), ended_at=ago(51))
    running = make_job("running", started_at=ago(30))

    told = [(subject.split(" ")[0], *times) for subject, *times in found(AlertKind.JOB_RUNS_LONG, seconds=600)]

    assert told == [("tests.note", ago(20), None), ("tests.say", ago(50), ago(40))]
    assert found(AlertKind.JOB_RUNS_LONG, seconds=600, only=["tests.note"])[0][0] == f"tests.note {running.pk}"


def test_schedules_that_were_late_or_missed():
    schedule = make_schedule("tests.nightly")
    make_firing(schedule, due_at=ago(60), fired_at=ago(50))
    make_firing(schedule, due_at=ago(40), fired_at=ago(39))
    make_firing(schedule, due_at=ago(30), fired_at=ago(10), outcome="missed")
    make_firing(schedule, due_at=ago(20), fired_at=ago(10), outcome="holiday")

    assert found(AlertKind.SCHEDULE_MISSED, seconds=300) == [
        ("tests.nightly", ago(25), ago(10)),
        ("tests.nightly", ago(55), ago(50)),
    ]


def test_jobs_in_quarantine_stopped_replays_and_jobs_without_end():
    make_job("quarantined", finished_at=ago(50)), make_job("quarantined", finished_at=ago(40))
    replay = make_replay(state="stopped", stopped_for="same_cause", failed=2, total=2, in_flight=0, ended_at=ago(30))
    make_job("retrying", actor="tests.say", created_at=ago(90), attempt=4, fence=4)
    make_job("scheduled", created_at=ago(90))

    assert found(AlertKind.QUARANTINED, over=1) == [("tests.note", ago(40), None)]
    assert found(AlertKind.REPLAY_STOPPED) == [(str(replay), ago(30), None)]
    assert found(AlertKind.JOB_WAITS_LONG, seconds=3_600) == [("tests.say", ago(30), None)]


def test_what_a_command_tells_of_has_no_past():
    assert selectors.past_incidents(AlertKind.QUEUE_MONITOR, {}, since=WEEK, now=NOW) is None


def test_hours_count_what_was_open_in_them():
    start = NOW.replace(minute=0)
    one = selectors.PastIncident("low", start - timedelta(minutes=70), start - timedelta(minutes=30))
    on = selectors.PastIncident("high", start - timedelta(minutes=10), None)

    assert [count for _at, count in selectors.per_hour([one, on], now=NOW, hours=4)] == [0, 1, 2, 1]
