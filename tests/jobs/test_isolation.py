"""Real child processes: what they give back, what they die of, what stays unharmed."""

import os
import time

import psutil
import pytest
from django.db.models import F

from modules.jobs import services
from modules.jobs.domain import PermanentError
from modules.jobs.engine import actor, run_isolated
from modules.jobs.engine.isolation import (
    ChildCrashed,
    ChildFailed,
    ChildOutOfMemory,
    ChildOutputTooBig,
    ChildRefused,
    ChildTimedOut,
)
from modules.jobs.models import Attempt, Job, Worker
from tests.support import isolated
from tests.support.actors import isolate
from tests.support.processes import WorkerProcess, wait_until

pytestmark = pytest.mark.slow


def is_running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_function_runs_elsewhere_and_its_result_comes_back():
    answer = run_isolated(isolated.double, 21, note="now")

    assert answer["number"] == 42
    assert answer["pid"] != os.getpid()


def test_an_error_comes_back_with_its_type_message_and_traceback():
    with pytest.raises(ChildFailed, match="KeyError: 'corner'") as caught:
        run_isolated(isolated.fall)

    assert "in fall" in caught.value.__notes__[0]
    assert not isinstance(caught.value, PermanentError)


def test_a_permanent_error_stays_permanent():
    with pytest.raises(ChildRefused, match="PermanentError: no such shape") as caught:
        run_isolated(isolated.refuse)

    assert isinstance(caught.value, PermanentError)


def test_a_segmentation_fault_is_named():
    with pytest.raises(ChildCrashed, match="SIGSEGV"):
        run_isolated(isolated.crash)


def test_a_child_that_leaves_without_an_answer_has_crashed():
    with pytest.raises(ChildCrashed, match="exit code 3") as caught:
        run_isolated(isolated.leave)

    assert caught.value.signal is None


def test_memory_has_a_limit():
    with pytest.raises(ChildOutOfMemory):
        run_isolated(isolated.eat, memory_mb=128)


def test_processor_time_has_a_limit():
    with pytest.raises(ChildTimedOut, match="processor"):
        run_isolated(isolated.spin, cpu_seconds=1, seconds=60)


def test_time_has_a_limit_even_while_the_gil_is_held():
    began = time.monotonic()
    with pytest.raises(ChildTimedOut, match="clock"):
        run_isolated(isolated.hold, seconds=4)

    assert time.monotonic() - began < 8


@pytest.mark.parametrize("function", [isolated.flood, isolated.grow])
def test_output_and_result_have_limits(function):
    with pytest.raises(ChildOutputTooBig):
        run_isolated(function)


def test_the_grandchildren_die_with_the_child(tmp_path):
    with pytest.raises(ChildTimedOut):
        run_isolated(isolated.bear, str(tmp_path / "pids"), seconds=6)

    child, grandchild = map(int, (tmp_path / "pids").read_text().split())
    wait_until(lambda: not is_running(child) and not is_running(grandchild), seconds=5)


@pytest.mark.parametrize(
    ("function", "arguments", "says"),
    [
        (lambda: None, (), "cannot be found by its name"),
        (isolated.double, (object(),), "JSON"),
        (isolated.double, ("x" * 2**20,), "at most"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(function, arguments, says):
    with pytest.raises(ChildRefused, match=says):
        run_isolated(function, *arguments)


@pytest.mark.django_db(transaction=True)
def test_progress_log_and_output_reach_the_job(drain):
    @actor(actor_name="tests.speak_isolated", max_retries=0)
    def speak_isolated() -> None:
        run_isolated(isolated.speak)
        run_isolated(isolated.speak_with_django, with_django=True)
        run_isolated(isolated.double, 1, note="loudly")

    speak_isolated.send()
    drain()

    job, attempt = Job.objects.get(), Attempt.objects.get()
    assert (job.state, job.progress_done, job.progress_message) == ("succeeded", 7, "all done")
    assert "half-way" in attempt.log
    assert "from Django" in attempt.log
    assert "child: doubling loudly" in attempt.log


@pytest.mark.journey
@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_no_child_harms_the_worker_or_its_neighbors():
    evil = ["crash", "eat", "spin", "hold", "flood"]
    with WorkerProcess(threads=4) as worker:
        # What boots on a busy machine may beat late; what is tested is a heart that beats already.
        wait_until(lambda: Worker.objects.filter(seen_at__gt=F("started_at")).exists())
        for name in evil:
            isolate.send(name=name)
        for _ in range(5):
            isolate.send(name="double")
        wait_until(lambda: Job.objects.filter(state__in=["succeeded", "failed"]).count() == 10, seconds=90)
        assert worker.process.poll() is None

    errors = dict(Job.objects.filter(state="failed").values_list("arguments__name", "error_type"))
    assert errors == {
        "crash": "ChildCrashed",
        "eat": "ChildOutOfMemory",
        "spin": "ChildTimedOut",
        "hold": "ChildTimedOut",
        "flood": "ChildOutputTooBig",
    }
    assert Job.objects.filter(state="succeeded").count() == 5
    assert list(Attempt.objects.filter(outcome="crashed")) == []


@pytest.mark.journey
@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_child_dies_with_its_worker(tmp_path):
    path = tmp_path / "pids"
    with WorkerProcess() as worker:
        isolate.send(name="bear", path=str(path))
        wait_until(lambda: path.exists() and len(path.read_text().split()) == 2, seconds=30)
        child, grandchild = map(int, path.read_text().split())
        worker.kill_child()
        wait_until(lambda: not is_running(child), seconds=10)
    if is_running(grandchild):  # nobody promised to kill it: only the child is told of the worker's death
        psutil.Process(grandchild).kill()


@pytest.mark.journey
@pytest.mark.timeout(300)
@pytest.mark.django_db(transaction=True)
def test_a_child_dies_when_its_job_is_cancelled(tmp_path):
    path = tmp_path / "pids"
    with WorkerProcess():
        job_id = isolate.send(name="bear", path=str(path)).message_id
        wait_until(lambda: path.exists() and len(path.read_text().split()) == 2, seconds=30)
        services.cancel([job_id])
        wait_until(lambda: Job.objects.get().state == "cancelled", seconds=10)

        assert [is_running(int(pid)) for pid in path.read_text().split()] == [False, False]
