"""When a worker is replaced by a fresh one; with real processes, that no job is lost by it."""

import os
import signal
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from modules.jobs import services
from modules.jobs.engine import context, runner
from modules.jobs.engine.replacement import MIB, Limits, Replacement, StopSignals, can_start_again
from modules.jobs.models import Attempt, Job, Worker
from tests.support.actors import note, step, write
from tests.support.processes import WorkerProcess, wait_until


@pytest.mark.parametrize(
    ("limits", "seconds", "size", "reason"),
    [
        (Limits(), 10**9, 10**12, ""),
        (Limits(max_seconds=60), 60, 0, ""),
        (Limits(max_seconds=60), 61, 0, "it is 61 s old"),
        (Limits(max_memory_mb=100), 0, 100 * MIB, ""),
        (Limits(max_memory_mb=100), 0, 101 * MIB, "it holds 101 MiB of memory"),
    ],
)
def test_a_process_is_over_a_limit_only_when_there_is_one(limits, seconds, size, reason):
    assert limits.exceeded(seconds=seconds, memory_bytes=size) == reason


def test_the_greatest_age_is_spread_and_zero_stays_never(settings):
    settings.JOBS = {**settings.JOBS, "WORKER_MAX_SECONDS": 1000}
    ages = {Limits.of_settings().max_seconds for _ in range(20)}
    settings.JOBS = {**settings.JOBS, "WORKER_MAX_SECONDS": 0}

    assert len(ages) > 1
    assert all(1000 <= age <= 1100 for age in ages)
    assert Limits.of_settings().max_seconds == 0


@pytest.mark.django_db(transaction=True)
def test_a_restart_counts_for_the_workers_that_were_there(worker):
    assert services.is_restart_asked(worker_id=runner.worker_id) is False

    assert services.ask_restart() == 1

    assert services.is_restart_asked(worker_id=runner.worker_id) is True
    assert services.count_old_workers() == 1
    call_command("queue_work")  # a worker that comes later
    assert services.count_old_workers() == 1


@pytest.mark.django_db(transaction=True)
def test_queue_restart_says_when_old_workers_stay(worker, capsys):
    with pytest.raises(CommandError, match="1 workers have not left within 0 s"):
        call_command("queue_restart", "--wait", "0")
    services.retire_worker(worker_id=runner.worker_id)
    call_command("queue_restart", "--wait", "0")

    assert "The old ones are gone." in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_a_worker_asks_its_master_once_and_only_its_own(worker, monkeypatch):
    heard = []
    before = signal.signal(signal.SIGHUP, lambda *_: heard.append("SIGHUP"))
    monkeypatch.setattr(os, "getppid", os.getpid)  # this process is its own master, so that it hears what it asks
    services.ask_restart()
    try:
        stranger, own = Replacement(), Replacement()
        stranger.look(worker_id=runner.worker_id, master=None)
        stranger.look(worker_id=runner.worker_id, master=os.getpid() + 1)
        assert heard == []
        for _ in range(3):
            own.look(worker_id=runner.worker_id, master=os.getpid())
            own._next = 0.0
        assert heard == ["SIGHUP"]
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("signals", "passed_on"),
    [
        (["SIGTERM"], ["SIGTERM"]),
        (["SIGHUP", "SIGHUP"], ["SIGHUP"]),
        (["SIGHUP", "SIGTERM"], ["SIGHUP"]),
        (["SIGTERM", "SIGHUP"], ["SIGTERM"]),
        (["SIGTERM", "SIGTERM"], ["SIGTERM", "SIGTERM"]),
        (["SIGHUP", "SIGTERM", "SIGTERM"], ["SIGHUP", "SIGTERM"]),
    ],
)
def test_only_a_second_sigterm_means_at_once(signals, passed_on):
    heard = []
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda n, _: heard.append(signal.Signals(n).name)) for number in numbers}
    try:
        stops = StopSignals()
        stops.install()
        assert stops.is_stopping is False
        for name in signals:
            signal.raise_signal(signal.Signals[name])
        assert (heard, stops.is_stopping) == (passed_on, True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("program", "path", "can"),
    [
        ("/venv/bin/dramatiq", "/nowhere", True),
        ("/lib/dramatiq/__main__.py", str(Path(sys.executable).parent), True),
        ("/lib/dramatiq/__main__.py", "/nowhere", False),
    ],
)
def test_a_master_that_cannot_start_again_is_known(monkeypatch, program, path, can):
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setenv("PATH", path)

    assert can_start_again() is can


@pytest.mark.django_db(transaction=True)
def test_a_job_stops_at_its_checkpoint_when_the_worker_leaves_and_goes_on_from_there(drain):
    step.send(steps=3)
    context.is_leaving.set()
    try:
        drain(limit=1)
    finally:
        context.is_leaving.clear()
    job = Job.objects.get()
    assert (job.state, job.checkpoint, job.attempt, job.crashes) == ("queued", 1, 0, 0)
    drain()

    assert (Job.objects.get().state, Job.objects.get().result) == ("succeeded", 2)
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == ["released", "succeeded"]


@pytest.mark.django_db(transaction=True)
def test_the_foreground_begins_no_job_over_its_limits(effects, capsys):
    for word in "abc":
        note.send(word=word, seconds=0.3)
    call_command("queue_work", "--memory", "1")
    call_command("queue_work", "--max-time", "0.25")
    call_command("queue_work", "--max-jobs", "1")

    assert capsys.readouterr().out.split("\n")[:3] == ["0 jobs were run.", "1 jobs were run.", "1 jobs were run."]


@pytest.fixture
def rows():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tests_effect (word text, pid int)")
    yield read_rows
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE tests_effect")


def read_rows():
    with connection.cursor() as cursor:
        cursor.execute("SELECT word, pid FROM tests_effect ORDER BY word")
        return cursor.fetchall()


def count(state):
    return Job.objects.filter(state=state).count()


@pytest.mark.journey
@pytest.mark.django_db(transaction=True)
def test_a_restart_under_load_runs_every_job_once_in_fresh_processes(rows):
    words = [f"{number:03}" for number in range(200)]
    for word in words:
        write.send(word=word, seconds=0.05)
    with WorkerProcess(processes=2) as first, WorkerProcess(processes=1) as second:
        wait_until(lambda: Worker.objects.filter(stopped_at=None).count() == 3)
        wait_until(lambda: count("succeeded") > 30)
        before = {child.pid for worker in (first, second) for child in worker.children()}
        call_command("queue_restart", "--wait", "20")
        wait_until(lambda: count("succeeded") == 200)
        wait_until(lambda: Worker.objects.filter(stopped_at=None).count() == 3)
        after = {child.pid for worker in (first, second) for child in worker.children()}
        assert (first.stop(), second.stop()) == (0, 0)

    assert [word for word, _ in rows()] == words
    assert (len(before), len(after), before & after) == (3, 3, set())
    assert {pid for _, pid in rows()} & after
    assert set(Attempt.objects.values_list("outcome", flat=True)) <= {"succeeded", "released"}
    assert set(Job.objects.values_list("crashes", flat=True)) == {0}


@pytest.mark.journey
@pytest.mark.django_db(transaction=True)
def test_workers_that_grow_old_are_replaced_and_lose_nothing(rows):
    words = [f"{number:03}" for number in range(150)]
    for word in words:
        write.send(word=word, seconds=0.1)
    with WorkerProcess(env={"JOBS_WORKER_MAX_SECONDS": "2"}):
        wait_until(lambda: count("succeeded") == 150)

    assert [word for word, _ in rows()] == words
    assert len({pid for _, pid in rows()}) > 1
    assert set(Job.objects.values_list("crashes", flat=True)) == {0}
