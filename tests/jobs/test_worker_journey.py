"""Real worker processes: what they are told, what kills them, what comes back."""

import os
import signal
import subprocess
from contextlib import suppress
from datetime import timedelta
from statistics import median

import psutil
import pytest
from django.db import connection
from django.utils import timezone

from modules.jobs.models import Attempt, Job, Worker
from modules.jobs.services import batch
from tests.support import lanes, tasks
from tests.support.actors import die, step, write, write_atomically
from tests.support.processes import WorkerProcess, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey, pytest.mark.timeout(300)]

LEASE = 3  # seconds, as the test settings say


@pytest.fixture
def rows():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tests_effect (word text, pid int)")
    yield read_rows
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE tests_effect")


def read_rows():
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM tests_effect ORDER BY word")
        return [row[0] for row in cursor.fetchall()]


def count(state):
    return Job.objects.filter(state=state).count()


def alive():
    return Worker.objects.filter(stopped_at=None, lease_until__gt=timezone.now()).count()


def test_a_worker_runs_what_is_sent(rows):
    with WorkerProcess() as worker:
        for number in range(100):
            write.send(word=f"{number:03}")
        wait_until(lambda: count("succeeded") == 100)
        assert worker.stop() == 0

    assert read_rows() == [f"{number:03}" for number in range(100)]
    assert Worker.objects.get().stopped_at is not None


def test_the_job_of_a_killed_worker_runs_again_within_seconds(rows):
    write.send(word="survivor", seconds=2)
    with WorkerProcess() as first:
        wait_until(lambda: count("running") == 1)
        first.kill_child()
        first.process.wait(timeout=20)
    with WorkerProcess():
        seconds = wait_until(lambda: Job.objects.filter(fence=2, state="running").exists())
        wait_until(lambda: count("succeeded") == 1)

    assert rows() == ["survivor"]
    assert seconds < LEASE + 3
    assert list(Attempt.objects.order_by("number").values_list("outcome", flat=True)) == ["crashed", "succeeded"]


def test_a_task_of_a_killed_worker_runs_again_though_it_is_tried_once(rows):
    result = tasks.write.enqueue("survivor", seconds=2)
    with WorkerProcess() as first:
        wait_until(lambda: count("running") == 1)
        first.kill_child()
        first.process.wait(timeout=20)
    with WorkerProcess():
        wait_until(lambda: count("succeeded") == 1)

    result.refresh()
    assert rows() == ["survivor"]
    assert (result.status, result.attempts, len(set(result.worker_ids)), result.errors) == ("SUCCESSFUL", 2, 2, [])


def test_queue_consume_becomes_a_worker_of_the_queues_that_it_names(rows):
    there, elsewhere = (tasks.write.using(queue_name=queue).enqueue(queue, 0) for queue in ("low", "import"))
    with WorkerProcess(command=["manage.py", "queue_consume", "low,high", "--max-time", "3600"]) as worker:
        wait_until(lambda: count("succeeded") == 1)
        (lease,) = Worker.objects.all()
        assert (lease.queues, lease.threads) == (["high", "low"], 8)
        assert worker.stop() == 0

    assert rows() == ["low"]
    assert [result.task.get_result(result.id).status for result in (there, elsewhere)] == ["SUCCESSFUL", "READY"]


def test_an_atomic_job_killed_half_way_has_one_effect(rows):
    write_atomically.send(word="once", seconds=2)
    with WorkerProcess() as first:
        wait_until(lambda: count("running") == 1)
        first.kill_child()
        first.process.wait(timeout=20)
    with WorkerProcess():
        wait_until(lambda: count("succeeded") == 1)

    assert rows() == ["once"]


def test_a_job_that_kills_its_worker_ends_in_quarantine_and_others_are_run(rows):
    die.send()
    for number in range(5):
        write.send(word=str(number))
    for _ in range(6):
        with WorkerProcess(threads=1) as worker:
            wait_until(lambda: worker.process.poll() is not None or count("quarantined") == 1, seconds=15)
        if count("quarantined"):
            break
    with WorkerProcess():
        wait_until(lambda: count("succeeded") == 5)

    assert (count("quarantined"), rows()) == (1, ["0", "1", "2", "3", "4"])


def test_a_flushed_redis_loses_no_job(rows):
    for number in range(300):
        write.send(word=f"{number:03}")
    lanes.empty()
    with WorkerProcess():
        wait_until(lambda: count("succeeded") == 300, seconds=30)

    assert rows() == [f"{number:03}" for number in range(300)]


def test_a_worker_told_to_stop_gives_back_what_it_cannot_finish(rows):
    write.send(word="long", seconds=30)
    write.send(word="short", seconds=1)
    with WorkerProcess() as worker:
        wait_until(lambda: count("running") == 2)
        worker.stop()

    assert rows() == ["short"]
    job = Job.objects.get(state="queued")
    assert (job.arguments["word"], job.attempt, job.crashes) == ("long", 0, 0)


def test_a_stopped_process_keeps_its_job_and_nobody_else_runs_it(rows):
    write.send(word="frozen", seconds=1)
    with WorkerProcess(threads=1) as first, WorkerProcess(threads=1):
        wait_until(lambda: count("running") == 1)
        owner = psutil.Process(Worker.objects.get(id=Job.objects.get().worker_id).pid)
        owner.suspend()
        wait_until(lambda: False if Job.objects.get().fence > 1 else owner.status() == psutil.STATUS_STOPPED)
        with pytest.raises(TimeoutError):
            wait_until(lambda: Job.objects.get().fence > 1, seconds=LEASE + 2)
        owner.resume()
        wait_until(lambda: count("succeeded") == 1)
        assert first.process.poll() is None

    assert rows() == ["frozen"]


def test_a_killed_master_takes_its_workers_with_it(rows):
    with WorkerProcess() as worker:
        wait_until(Worker.objects.exists)
        children = worker.children()
        os.kill(worker.process.pid, signal.SIGKILL)
        # Also when it was killed while they booted, which the moment of this kill often is.
        wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))


def test_a_running_job_is_cancelled_at_its_checkpoint():
    from modules.jobs import services

    job_id = step.send(steps=200, seconds=0.05).message_id
    with WorkerProcess():
        wait_until(lambda: (Job.objects.get().progress_done or 0) > 5)
        services.cancel([job_id])
        wait_until(lambda: count("cancelled") == 1)

    job = Job.objects.get()
    assert job.progress_total == 200
    assert 5 < job.checkpoint < 200


def test_a_batch_and_its_chains_end_once_although_a_worker_is_killed_in_the_middle(rows):
    def word(text):
        return write_atomically.request(word=text, seconds=0.02)

    with batch("import", on_success=word("success"), on_finish=word("finish")) as opened:
        for number in range(40):
            opened.chain(word(f"{number:02} a"), word(f"{number:02} b"))
    with WorkerProcess(processes=2, queues="default quarantine") as worker:
        wait_until(lambda: alive() == 2)
        wait_until(lambda: count("succeeded") >= 20, every=0.01)
        worker.kill_child()
        worker.process.wait(timeout=20)
    with WorkerProcess(processes=2, queues="default quarantine"):
        wait_until(lambda: count("succeeded") == 82)

    assert rows() == sorted([*(f"{number:02} {link}" for number in range(40) for link in "ab"), "success", "finish"])


def test_the_end_of_a_batch_is_told_at_once(rows):
    with WorkerProcess():
        wait_until(lambda: alive() == 1)
        for number in range(7):
            with batch("import", on_finish=write.request(word="finish")) as opened:
                opened.send(write.request(word="member"))
            wait_until(lambda: count("succeeded") == 2 * number + 2)  # noqa: B023 -- used within the round

    jobs = list(Job.objects.order_by("id"))
    waits = [callback.started_at - member.finished_at for member, callback in zip(jobs[::2], jobs[1::2], strict=True)]
    # The dispatcher asks twice a second: it alone would bring the middle one in after a quarter.
    assert median(waits) < timedelta(seconds=0.1)


def test_killing_workers_at_random_loses_nothing_doubles_no_atomic_effect_and_convicts_nobody(rows):
    words = [f"{number:03}" for number in range(400)]
    for word in words:
        write_atomically.send(word=word, seconds=0.02)
    # Whoever was hit once runs apart, or four kills could find the same innocent job at work three times.
    with WorkerProcess(queues="quarantine", threads=1):
        for target in (40, 100, 180, 260):
            with WorkerProcess(processes=2) as worker:
                wait_until(lambda: alive() == 3)
                wait_until(lambda: count("succeeded") >= target, every=0.01)  # noqa: B023 -- used within the round
                worker.kill_child()
                # Dramatiq's master stops them all, or waits for ever for one that still boots: then it is killed.
                with suppress(subprocess.TimeoutExpired):
                    worker.process.wait(timeout=10)
        with WorkerProcess(processes=2):
            wait_until(lambda: count("succeeded") == 400, seconds=90)

    assert rows() == words
    assert Attempt.objects.filter(outcome="crashed").count() > 0
