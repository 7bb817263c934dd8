"""Firings are kept for as long as they can fire twice or somebody wants to see them."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.jobs import actors, services
from modules.jobs.models import JobSchedule, ScheduleFiring
from modules.kernel import clock

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def make_schedule(key):
    return JobSchedule.objects.create(
        key=key, actor="tests.note", default_cron="0 * * * *", default_timezone="UTC", evaluated_until=NOW
    )


def fired(schedule, *, hours, now=NOW):
    """Let it have fired once in each of so many hours until now."""
    ScheduleFiring.objects.bulk_create(
        ScheduleFiring(schedule=schedule, due_at=due_at, fired_at=due_at, outcome="fired")
        for due_at in (now - timedelta(hours=back) for back in range(hours))
    )


def oldest(schedule):
    return ScheduleFiring.objects.filter(schedule=schedule).order_by("due_at").values_list("due_at", flat=True)[0]


def prune(**options):
    return services.prune_firings(**{"due_before": NOW, "now": NOW, **options})


def test_a_month_is_kept_whatever_was_asked_for():
    hourly = make_schedule("hourly")
    fired(hourly, hours=40 * 24)

    assert (prune(), oldest(hourly)) == (10 * 24 - 1, NOW - timedelta(days=30))
    assert prune() == 0


def test_more_is_kept_where_it_is_asked_for():
    hourly = make_schedule("hourly")
    fired(hourly, hours=40 * 24)

    assert (prune(due_before=NOW - timedelta(days=35)), oldest(hourly)) == (119, NOW - timedelta(days=35))


@pytest.mark.parametrize(("count", "gone"), [(49, 0), (50, 0), (51, 1)])
def test_the_newest_of_each_schedule_stay_however_old(count, gone):
    rare, hourly = make_schedule("rare"), make_schedule("hourly")
    fired(rare, hours=count, now=NOW - timedelta(days=365))
    fired(hourly, hours=3)

    assert (prune(), ScheduleFiring.objects.filter(schedule=rare).count()) == (gone, count - gone)
    assert ScheduleFiring.objects.filter(schedule=hourly).count() == 3


def test_chunks_take_the_same_rows_as_one_statement():
    for key in ("one", "two"):
        fired(make_schedule(key), hours=60, now=NOW - timedelta(days=31))

    assert [prune(limit=8) for _ in range(4)] == [8, 8, 4, 0]
    left = ScheduleFiring.objects.values_list("schedule__key", flat=True)
    assert sorted(left) == ["one"] * 50 + ["two"] * 50


def test_the_number_of_statements_does_not_grow_with_the_schedules():
    for key in ("one", "two", "three"):
        fired(make_schedule(key), hours=60, now=NOW - timedelta(days=31))

    with CaptureQueriesContext(connection) as queries:
        assert prune() == 30
    assert len(queries) == 1


def test_the_nightly_job_and_the_command_prune_firings():
    for key in ("one", "two"):
        fired(make_schedule(key), hours=60, now=clock.now() - timedelta(days=31))
    actors.prune_jobs.fn()
    assert ScheduleFiring.objects.count() == 100

    fired(make_schedule("three"), hours=70, now=clock.now() - timedelta(days=31))
    out = StringIO()
    call_command("queue_prune", hours=1, chunk=7, stdout=out, stderr=StringIO())
    assert out.getvalue() == "0 jobs deleted, 0 batches without any left, 20 firings.\n"
