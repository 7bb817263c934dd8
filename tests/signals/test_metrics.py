import os
import re
import subprocess
import sys
from datetime import timedelta

import dramatiq
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from modules.jobs import metrics, services
from modules.jobs.clients import Bell
from modules.jobs.engine import runner
from modules.jobs.models import Attempt, Bookmark, Job, JobSchedule, RunTotal, Worker
from modules.jobs.selectors import _counts
from tests.support import lanes
from tests.support.actors import fail, note
from tests.support.processes import ROOT, _test_database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def read(client, **headers):
    """Return every sample as {(name, labels): value}, by Prometheus' own reader."""
    metrics._gauges.cache_clear()
    return parse(client.get("/metrics", headers=headers).content.decode())


def parse(text):
    families = text_string_to_metric_families(text)
    return {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}


def run_to_the_end(drain):
    while drain():
        services.dispatch()


def test_runs_and_failures_are_counted_by_actor_queue_and_outcome(client, drain):
    note.send(word="a")
    fail.send()
    run_to_the_end(drain)
    services.count_runs()

    found = read(client)
    assert found["job_execution_total", "default", "succeeded", "tests.note"] == 1
    assert found["job_execution_total", "default", "failed", "tests.fail"] == 3
    failures = {key: value for key, value in found.items() if key[0] == "job_failures_total"}
    assert failures == {("job_failures_total", "default", "failed", "tests.fail"): 3}


def test_durations_are_a_histogram_whose_buckets_sum_and_count_agree(client, drain):
    for word in "abc":
        note.send(word=word)
    drain()
    for attempt, seconds in zip(Attempt.objects.order_by("id"), (0.25, 3, 7200), strict=True):
        Attempt.objects.filter(id=attempt.id).update(started_at=F("ended_at") - timedelta(seconds=seconds))
    services.count_runs()

    found = read(client)
    name, labels = "job_execution_duration_seconds", ("default", "succeeded", "tests.note")
    buckets = {key[1:]: value for key, value in found.items() if key[0] == f"{name}_bucket"}
    assert [buckets[tuple(sorted((bound, *labels)))] for bound in ("0.1", "0.25", "2.5", "5.0", "3600.0", "+Inf")] == [
        *(0, 1, 1, 2, 2, 3)
    ]
    assert (found[f"{name}_count", *labels], found[f"{name}_sum", *labels]) == (3, 7203.25)


@pytest.mark.slow
def test_another_process_gives_the_same_counters_and_a_restart_changes_none(client, drain):
    note.send(word="a")
    drain()
    services.count_runs()
    code = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "print(Client().get('/metrics', headers={'host': 'testserver'}).content.decode())"
    )
    env = {"DJANGO_SETTINGS_MODULE": "config.settings.test", "DATABASE_URL": _test_database_url()}
    output = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, cwd=ROOT, capture_output=True, check=True
    )

    there = {key: value for key, value in parse(output.stdout.decode()).items() if key[0].startswith("job_execution")}
    here = {key: value for key, value in read(client).items() if key[0].startswith("job_execution")}
    assert there == here
    assert there["job_execution_total", "default", "succeeded", "tests.note"] == 1


def test_queues_have_lengths_by_state_and_an_explicit_zero(client):
    note.send(word="a")
    note.send(word="b")
    note.send_with_options(kwargs={"word": "c"}, delay=timedelta(hours=1))
    Job.objects.filter(arguments__word="a").update(dispatched_at=None)

    found = read(client)
    lengths = [found["job_queue_length", "default", state] for state in ("queued", "scheduled")]
    assert [*lengths, found["job_queue_length", "default", "running"]] == [2, 1, 0]
    assert found["job_queue_length", "import", "queued"] == 0


def test_latency_is_how_long_the_oldest_ready_job_waits(client):
    note.send(word="old")
    note.send(word="young")
    Job.objects.filter(arguments__word="old").update(run_at=timezone.now() - timedelta(seconds=90))

    found = read(client)
    assert 90 <= found["job_queue_latency_seconds", "default"] < 100
    assert found["job_queue_latency_seconds", "import"] == 0


def test_workers_are_counted_by_pool_while_their_lease_lasts(client):
    now, minute = timezone.now(), timedelta(minutes=1)
    for queues, lease in ((["high", "low"], minute), (["high"], minute), (["high"], -minute), (["customers"], minute)):
        Worker.objects.create(hostname="h", pid=1, queues=queues, started_at=now, seen_at=now, lease_until=now + lease)

    found = read(client)
    assert [found["job_workers", pool] for pool in ("normal", "customers", "imports")] == [2, 1, 0]


def test_a_schedule_lags_when_its_time_passed_without_the_scheduler(client):
    now = timezone.now()
    due = (now - timedelta(minutes=10)).replace(second=0, microsecond=0)
    JobSchedule.objects.create(
        key="tests.late",
        actor="tests.note",
        default_cron=f"{due.minute} * * * *",
        default_timezone="UTC",
        default_options={"word": "x"},
        evaluated_until=due - timedelta(minutes=1),
    )
    Bookmark.objects.create(id=1, ticked_at=now - timedelta(minutes=3))

    found = read(client)
    assert found["job_schedule_lag_seconds", "tests.late"] == pytest.approx((now - due).total_seconds(), abs=5)
    assert found["job_schedule_lag_seconds", "jobs.tick"] == pytest.approx(120, abs=5)


def test_a_schedule_that_is_on_time_or_switched_off_does_not_lag(client):
    now = timezone.now()
    common = {"actor": "tests.note", "default_cron": "* * * * *", "default_timezone": "UTC"}
    JobSchedule.objects.create(key="tests.on_time", evaluated_until=now, **common)
    JobSchedule.objects.create(key="tests.off", evaluated_until=now - timedelta(days=1), is_enabled=False, **common)

    found = {key: value for key, value in read(client).items() if key[0] == "job_schedule_lag_seconds"}
    assert found == {("job_schedule_lag_seconds", "tests.on_time"): 0}


def imbalance(client):
    return {key[1]: value for key, value in read(client).items() if key[0] == "job_ledger_imbalance"}


def test_a_ledger_in_order_has_no_imbalance(client, worker):
    note.send(word="queued")
    note.send_with_options(kwargs={"word": "later"}, delay=timedelta(hours=1))

    assert imbalance(client) == {"abandoned": 0, "asleep": 0, "overdue": 0, "unheard": 0}


def test_jobs_that_nobody_moves_are_an_imbalance_by_reason(client, worker):
    past, later = timezone.now() - timedelta(minutes=5), timezone.now() + timedelta(hours=1)
    for word in ("unheard", "overdue", "abandoned"):
        note.send(word=word)
    note.send_with_options(kwargs={"word": "asleep"}, run_at=later)
    gone = Worker.objects.create(hostname="h", pid=1, started_at=past, seen_at=past, lease_until=past)
    running = {"state": "running", "attempt": 1, "started_at": past, "worker_id": runner.worker_id}
    changes = {
        "unheard": {"dispatched_at": past},
        "overdue": {**running, "deadline_at": past},
        "abandoned": {**running, "deadline_at": later, "worker_id": gone.id},
        "asleep": {"run_at": past},
    }
    for word, fields in changes.items():
        Job.objects.filter(arguments__word=word).update(**fields)
    lanes.empty()

    assert imbalance(client) == {"abandoned": 1, "asleep": 1, "overdue": 1, "unheard": 1}


def test_a_bell_that_waits_in_its_lane_is_heard(client):
    note.send(word="a")
    Job.objects.update(dispatched_at=timezone.now() - timedelta(minutes=5))

    assert imbalance(client)["unheard"] == 0


def test_a_bell_of_a_job_that_is_run_apart_is_heard_in_that_lane(client):
    note.send(word="a")
    job = Job.objects.get()
    Job.objects.update(dispatched_at=timezone.now() - timedelta(minutes=5), crashes=1)
    lanes.empty()
    dramatiq.get_broker().ring([Bell(job.id, job.fence, job.actor, "quarantine")])

    assert imbalance(client)["unheard"] == 0


def test_a_queues_length_has_each_ready_job_once(client):
    for word in ("rung", "not rung", "crashed and rung", "crashed"):
        note.send(word=word)
    Job.objects.filter(arguments__word__startswith="crashed").update(crashes=1)
    Job.objects.filter(arguments__word__in=["not rung", "crashed"]).update(dispatched_at=None)

    assert read(client)["job_queue_length", "default", "queued"] == 4


def test_unfinished_jobs_are_found_by_partial_indexes_however_many_have_ended():
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {_counts._QUEUE_STATES}", {"tenants": None})
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert ("Seq Scan" in plan, set(re.findall(r"jobs_job_\w*[a-z]\b", plan))) == (
        False,
        {"jobs_job_by_turn", "jobs_job_bell_rung", "jobs_job_crashed", "jobs_job_due", "jobs_job_running"},
    )


def test_gauges_ask_the_ledger_once_in_a_few_seconds(client):
    client.get("/metrics")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/metrics")

    assert [query["sql"] for query in queries if "jobs_job" in query["sql"]] == []


def test_the_number_of_queries_does_not_grow_with_actors_and_jobs(client, drain):
    def queries():
        metrics._gauges.cache_clear()
        with CaptureQueriesContext(connection) as found:
            client.get("/metrics")
        return len(found)

    note.send(word="a")
    one = queries()
    for number in range(3):
        note.send(word=str(number))
        RunTotal.objects.create(
            actor=f"tests.{number}", queue="default", outcome="succeeded", count=1, seconds=1, buckets=[1] * 18
        )

    assert queries() == one


def test_without_a_token_only_this_machine_may_read(client):
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200
    for address in ("192.0.2.7", "10.0.0.1", "", "localhost"):
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == 401


def test_whoever_comes_through_a_proxy_on_this_machine_is_a_stranger(client):
    answer = client.get("/metrics", REMOTE_ADDR="127.0.0.1", headers={"X-Forwarded-For": "192.0.2.7"})

    assert (answer.status_code, b"job_" in answer.content) == (401, False)


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer right", 200), ("bearer right", 200), ("Bearer wrong", 401), ("right", 401), ("", 401), ("Bearer ", 401)],
)
def test_with_a_token_everybody_needs_it(client, settings, given, status):
    settings.JOBS = {**settings.JOBS, "METRICS_TOKEN": "right"}

    assert client.get("/metrics", headers={"Authorization": given}).status_code == status


def test_metrics_are_read_only(client):
    assert client.post("/metrics").status_code == 405
