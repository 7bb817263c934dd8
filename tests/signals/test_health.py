import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from modules.jobs import clients, health, services
from modules.jobs.models import Bookmark, Job, Worker
from tests.support.actors import note

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def everybody_works(settings):
    now = timezone.now()
    for pid, queues in enumerate(settings.JOBS["POOLS"].values()):
        Worker.objects.create(
            hostname="h", pid=pid, queues=queues, started_at=now, seen_at=now, lease_until=now + timedelta(minutes=1)
        )


def limit(settings, **limits):
    settings.JOBS = {**settings.JOBS, "HEALTH": {**settings.JOBS["HEALTH"], **limits}}


def ask(client, path="/health/jobs"):
    health._verdict.cache_clear()
    return client.get(path)


def reasons(client, path="/health/jobs"):
    answer = ask(client, path)
    found = {name: check["reasons"] for name, check in answer.json()["checks"].items() if not check["ok"]}
    assert (answer.status_code, answer.json()["status"]) == ((503, "unwell") if found else (200, "ok"))
    return found


def test_a_process_that_answers_is_alive_and_asks_nobody(client):
    with CaptureQueriesContext(connection) as queries:
        answer = client.get("/health/live")

    assert (answer.status_code, answer.json(), len(queries)) == (200, {"status": "ok"}, 0)


def test_ready_means_that_database_broker_and_migrations_are(client):
    assert reasons(client, "/health/ready") == {}


def test_a_missing_migration_is_not_ready(client, monkeypatch):
    monkeypatch.setattr(health, "_is_migrated", threading.Event())
    newest = MigrationRecorder.Migration.objects.filter(app="notifications").order_by("name").last()
    missing = {"app": newest.app, "name": newest.name}
    newest.delete()
    try:
        told = reasons(client, "/health/ready")["migrations"][0]
        assert told.startswith("1 migrations are not applied, first notifications.")
    finally:
        MigrationRecorder.Migration.objects.create(**missing)


def test_a_broker_that_is_away_is_said_and_the_database_is_still_well(client, monkeypatch):
    class Away:
        def lane(self, queue):
            raise ConnectionRefusedError("no Redis at redis://:password@host")

    monkeypatch.setattr(clients, "_broker", Away)

    assert reasons(client, "/health/ready") == {
        "broker": ["The broker does not answer; jobs are kept and run when it does."]
    }


def test_a_check_that_hangs_is_given_up_and_the_others_are_heard():
    let_go = threading.Event()
    started = time.monotonic()

    found = health.run_checks({"slow": lambda: [str(let_go.wait(20))], "quick": list}, seconds=0.2)
    took = time.monotonic() - started
    let_go.set()

    assert found == {"slow": ["No answer in time."], "quick": []}
    assert took < 2


def test_the_database_itself_ends_a_check_that_nobody_waits_for(monkeypatch):
    def sleep():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        return []

    monkeypatch.setattr(health, "CHECK_SECONDS", 0.2)
    assert health.run_checks({"slow": health._with_patience(sleep)}, seconds=5) == {"slow": ["OperationalError."]}


def test_an_error_is_a_reason_without_its_words():
    def leak():
        raise RuntimeError("postgres://user:password@host")

    assert health.run_checks({"leak": leak}) == {"leak": ["RuntimeError."]}


def test_a_platform_at_rest_is_well(client, everybody_works):
    assert reasons(client) == {}


def test_each_queue_that_nobody_serves_is_named(client, everybody_works):
    Worker.objects.filter(queues=["customers"]).update(lease_until=timezone.now())

    assert reasons(client) == {"workers": ["No living worker serves customers."]}


def test_a_scheduler_that_stopped_is_noticed(client, everybody_works):
    Bookmark.objects.create(id=1, ticked_at=timezone.now() - timedelta(minutes=4, seconds=1))

    found = reasons(client)
    assert list(found) == ["schedules"]
    assert found["schedules"][0].startswith("jobs.tick is 18")


def test_a_job_that_waits_too_long_is_a_reason(client, everybody_works, settings):
    limit(settings, WAIT_SECONDS=60)
    note.send(word="a")
    assert reasons(client) == {}
    Job.objects.update(run_at=timezone.now() - timedelta(seconds=61))

    assert list(reasons(client)) == ["queues"]


def test_a_long_queue_is_a_reason(client, everybody_works, settings):
    limit(settings, QUEUE_LENGTH=2)
    for word in "ab":
        note.send(word=word)
    assert reasons(client) == {}
    note.send(word="c")

    assert reasons(client) == {"queues": ["default: 3 jobs are ready, at most 2."]}


def test_dead_letters_of_the_last_hour_are_a_reason_and_older_ones_are_not(client, everybody_works, settings, drain):
    limit(settings, DEAD_LETTERS_PER_HOUR=1)
    jobs = [note.send(word=word).message_id for word in "abc"]
    Job.objects.update(arguments={})
    drain()
    Job.objects.filter(id=jobs[0]).update(finished_at=timezone.now() - timedelta(hours=2))
    assert Job.objects.filter(state="failed").count() == 3

    assert reasons(client) == {"dead_letters": ["2 jobs failed for good within an hour, at most 1."]}
    services.discard([jobs[1]])
    assert reasons(client) == {}


def test_a_stranger_learns_that_something_is_wrong_and_not_what(client):
    answer = ask(client)
    health._verdict.cache_clear()
    stranger = client.get("/health/jobs", REMOTE_ADDR="192.0.2.7")

    assert "checks" in answer.json()
    assert (stranger.status_code, stranger.json()) == (503, {"status": "unwell"})
