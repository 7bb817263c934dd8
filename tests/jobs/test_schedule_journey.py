"""A run that waits for the last one's end, while what it waits for and what it waits in is killed."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from modules.jobs import registry, services
from modules.jobs.domain import Schedule
from modules.jobs.models import Job, JobSchedule, ScheduleFiring
from tests.support.processes import ROOT, WorkerProcess, surroundings, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey, pytest.mark.timeout(300)]

MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FIRE = """
import sys
from datetime import datetime
import django
django.setup()
import tests.support.actors
from modules.jobs import services
services.fire_due_schedules(now=datetime.fromisoformat(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def waiting(monkeypatch):
    """A run each minute, of which the first has been sent and the second waits for its end."""
    monkeypatch.setattr(registry, "_schedules", {})
    options = {"word": "tick", "seconds": 2}
    registry.declare([Schedule("tests.note", actor="tests.note", cron="* * * * *", options=options, overlap="queue")])
    services.sync_schedules(now=MONDAY)
    for minute in (1, 2):
        services.fire_due_schedules(now=MONDAY + timedelta(minutes=minute))


def waits():
    return JobSchedule.objects.get().waiting_due_at is not None


def fire_at(seconds):
    return len(services.fire_due_schedules(now=MONDAY + timedelta(minutes=2, seconds=seconds)))


def test_it_waits_until_a_run_whose_worker_was_killed_has_come_back_and_ended():
    with WorkerProcess() as first:
        wait_until(lambda: Job.objects.filter(state="running").exists())
        first.kill_child()
        first.process.wait(timeout=20)
    after_the_kill = fire_at(10), waits()
    with WorkerProcess():
        wait_until(lambda: Job.objects.filter(fence=2, state="running").exists())
        in_the_second_start = fire_at(20), waits()
        wait_until(lambda: Job.objects.filter(state="succeeded").exists())
    after_the_end = fire_at(30), waits()

    assert (after_the_kill, in_the_second_start, after_the_end) == ((0, True), (0, True), (1, False))


def test_a_scheduler_killed_while_it_sends_the_waiting_run_leaves_it_to_the_next():
    services.cancel([Job.objects.get().id])
    now = MONDAY + timedelta(minutes=2, seconds=10)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE jobs_job IN EXCLUSIVE MODE")  # it reads, and stops where it inserts the job
        scheduler = subprocess.Popen([sys.executable, "-c", FIRE, now.isoformat()], cwd=ROOT, env=surroundings())
        wait_until(lambda: inserts_wait(cursor))
        scheduler.kill()
        scheduler.wait(timeout=20)
    wait_until(lambda: (fire_at(20), Job.objects.count())[1] == 2)  # as soon as the dead one's lock is gone

    assert not waits()
    assert list(ScheduleFiring.objects.order_by("due_at").values_list("outcome", flat=True)) == ["fired", "fired"]
    assert fire_at(30) == 0


def inserts_wait(cursor):
    cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'jobs_job'::regclass")
    return cursor.fetchone()[0] == 1
