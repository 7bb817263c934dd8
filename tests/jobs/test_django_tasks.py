"""What a reusable app that knows only `django.tasks` may rely on."""

import asyncio
import re
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import override_settings
from django.utils import timezone
from django_tasks import TaskResultStatus, task_backends
from django_tasks.exceptions import TaskException, TaskResultDoesNotExist, TaskResultMismatch
from django_tasks.signals import task_enqueued, task_finished, task_started

from modules.jobs import services
from modules.jobs.domain import JobCancelled
from modules.jobs.engine.django_tasks import LedgerBackend
from modules.jobs.models import Job
from modules.jobs.registry import InvalidArguments, open_specs
from modules.kernel.tenancy import tenant_scope
from tests.support import tasks

pytestmark = pytest.mark.django_db(transaction=True)

BACKEND = "modules.jobs.engine.django_tasks.LedgerBackend"


@pytest.fixture(autouse=True)
def done():
    tasks.done.clear()
    return tasks.done


@pytest.fixture
def heard():
    """The signals that were sent, in order: which, and in what status the task was."""
    found = []
    listeners = {
        signal: lambda task_result, name=name, **_: found.append((name, task_result.id, task_result.status.value))
        for name, signal in (("enqueued", task_enqueued), ("started", task_started), ("finished", task_finished))
    }
    for signal, listener in listeners.items():
        signal.connect(listener)
    yield found
    for signal, listener in listeners.items():
        signal.disconnect(listener)


def forge(path, *args, backend="default", **kwargs):
    """Leave a row of the generic actor as an older version of the code, or a forger, would."""
    result = tasks.add.enqueue(1)
    asked = {"task": path, "args": list(args), "kwargs": kwargs, "backend": backend}
    Job.objects.filter(id=result.id).update(arguments=asked)
    return asked


def test_a_task_is_a_job_that_runs_and_its_result_says_so(drain, done):
    result = tasks.add.enqueue(2, right=3)

    assert (result.status, result.is_finished, result.attempts, done) == (TaskResultStatus.READY, False, 0, [])
    with pytest.raises(ValueError, match="not finished"):
        _ = result.return_value
    assert drain() == 1
    result.refresh()

    assert (result.status, result.return_value, result.errors, done) == ("SUCCESSFUL", 5, [], [(2, 3)])
    assert (result.attempts, len(result.worker_ids), result.args, result.kwargs) == (1, 1, [2], {"right": 3})
    assert result.enqueued_at < result.started_at == result.last_attempted_at < result.finished_at
    assert tasks.add.get_result(result.id) == result
    job = Job.objects.get()
    assert (str(job.id), job.actor, job.queue, job.tags) == (
        result.id,
        "jobs.run_task",
        "default",
        ["task:tests.support.tasks.add"],
    )


def test_a_task_of_a_transaction_that_is_rolled_back_never_was(drain, heard):
    def send_and_fail():
        with transaction.atomic():
            result = tasks.add.enqueue(1)
            assert (Job.objects.count(), heard) == (1, [])
            raise KeyError(result.id)

    with pytest.raises(KeyError) as error:
        send_and_fail()

    assert (drain(), heard) == (0, [])
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(error.value.args[0])


def test_a_deferred_task_waits_for_its_time(drain, done):
    at = timezone.now() + timedelta(hours=1)
    result = tasks.add.using(run_after=at).enqueue(1)

    services.dispatch()
    assert (drain(), done, tasks.add.get_result(result.id).task.run_after) == (0, [], at)
    Job.objects.update(run_at=timezone.now())
    services.dispatch()
    assert (drain(), done) == (1, [(1, 1)])


def test_higher_priorities_run_first_and_all_of_them_stay_apart(drain, done):
    for priority in (0, -100, 100, 1, -1):
        tasks.shout.using(priority=priority, queue_name="default").enqueue(str(priority))
    tasks.shout.using(queue_name="default").enqueue("its own 7")

    assert drain() == 6
    assert done == ["100", "its own 7", "1", "0", "-1", "-100"]
    assert [tasks.shout.get_result(str(job.id)).task.priority for job in Job.objects.order_by("id")] == [
        *(0, -100, 100, 1, -1),
        7,
    ]


def test_a_task_waits_in_its_queue(drain):
    tasks.shout.enqueue("low")
    tasks.shout.using(queue_name="import").enqueue("import")

    assert sorted(Job.objects.values_list("queue", flat=True)) == ["import", "low"]
    assert drain(queues=["import"]) == 1


def test_an_async_task_runs_and_an_async_view_sends_and_asks(drain):
    result = _wait_for(tasks.add_later.aenqueue(20, right=22))

    assert drain() == 1
    _wait_for(result.arefresh())
    assert _wait_for(tasks.add_later.aget_result(result.id)).return_value == result.return_value == 42


def _wait_for(coroutine):
    """Run it, and close the connection of the thread in which Django asks the database for it."""

    async def run():
        try:
            return await coroutine
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(run())


def test_a_failing_task_is_a_dead_letter_and_its_result_holds_the_error(drain, done, heard):
    result = tasks.fail.enqueue("no luck")

    assert drain() == 1
    result.refresh()
    assert (result.status, result.is_finished, result.attempts, done) == ("FAILED", True, 1, ["no luck"])
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value
    (error,) = result.errors
    assert (error.exception_class, "no luck" in error.traceback) == (tasks.Unlucky, True)
    assert heard == [(word, result.id, status) for word, status in [*STEPS, ("finished", "FAILED")]]
    assert Job.objects.get().state == "failed"

    assert services.replay([result.id]) == 1
    assert (drain(), len(tasks.fail.get_result(result.id).errors)) == (1, 2)


STEPS = [("enqueued", "READY"), ("started", "RUNNING")]


def test_signals_tell_of_a_task_when_it_is_true(drain, heard):
    with transaction.atomic():
        result = tasks.add.enqueue(1)
        assert heard == []
    drain()

    assert heard == [(word, result.id, status) for word, status in [*STEPS, ("finished", "SUCCESSFUL")]]


def test_a_receiver_that_fails_breaks_no_task(drain):
    def fail(**_):
        raise RuntimeError("a receiver's own fault")

    for signal in (task_enqueued, task_started, task_finished):
        signal.connect(fail)
    try:
        result = tasks.add.enqueue(1)
        assert drain() == 1
    finally:
        for signal in (task_enqueued, task_started, task_finished):
            signal.disconnect(fail)

    assert tasks.add.get_result(result.id).return_value == 2


def test_a_cancelled_task_is_finished_and_says_by_what(heard):
    result = tasks.add.enqueue(1)

    services.cancel([result.id])
    result.refresh()
    assert (result.status, [error.exception_class for error in result.errors]) == ("FAILED", [JobCancelled])
    assert heard[-1] == ("finished", result.id, "FAILED")


def test_a_task_may_ask_for_its_context(drain):
    result = tasks.tell.enqueue(word="hello")

    assert drain() == 1
    result.refresh()
    assert result.return_value == {"attempt": 1, "id": result.id, "status": "RUNNING", "word": "hello"}


def test_an_alias_may_try_more_than_once(drain, done):
    patient = {"BACKEND": BACKEND, "OPTIONS": {"max_attempts": 2}}
    with override_settings(TASKS={"default": {"BACKEND": BACKEND}, "patient": patient}):
        result = tasks.fail.using(backend="patient").enqueue("again")
        drain()
        result.refresh()
        assert (result.status, result.attempts, len(result.errors)) == ("READY", 1, 1)
        Job.objects.update(run_at=timezone.now())
        services.dispatch()
        assert drain() == 1
        result.refresh()
        assert (result.status, result.attempts, done) == ("FAILED", 2, ["again"] * 2)
        with pytest.raises(TaskResultDoesNotExist):
            tasks.fail.get_result(result.id)  # the other alias sent it


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("tests.support.tasks.no_task", "'tests.support.tasks.no_task' is no task: only functions with the decorator"),
        ("os.system", "'os.system' is no task"),
        ("tests.support.tasks.Unlucky", "is no task"),
        ("tests.support.tasks.removed", "'tests.support.tasks.removed' cannot be found"),
        ("no.such.module.task", "cannot be found: No module named 'no'"),
        ("", "cannot be found"),
    ],
)
def test_a_path_that_leads_to_no_task_runs_nothing_and_is_a_readable_dead_letter(drain, done, path, reason):
    asked = forge(path, "touch /tmp/never")
    out = StringIO()
    with pytest.raises(CommandError, match="Keep accepting"):
        call_command("jobs_preflight", stdout=out)
    assert reason in out.getvalue()

    assert drain() == 1
    job = Job.objects.get()
    assert (job.state, job.error_type, done) == ("failed", "PermanentError", [])
    assert reason in job.error_message
    with pytest.raises(TaskResultDoesNotExist):
        task_backends["default"].get_result(str(job.id))
    with pytest.raises(InvalidArguments, match=re.escape(reason)):
        services.enqueue("jobs.run_task", kwargs=asked)
    assert Job.objects.count() == 1


@pytest.mark.parametrize("alias", ["elsewhere", "removed"])
def test_a_task_of_another_backend_is_not_run_from_the_ledger(drain, done, alias):
    elsewhere = {"BACKEND": "django_tasks.backends.dummy.DummyBackend"}
    with override_settings(TASKS={"default": {"BACKEND": BACKEND}, "elsewhere": elsewhere}):
        forge("tests.support.tasks.add", 1, backend=alias)
        drain()

    assert (Job.objects.get().state, done) == ("failed", [])
    assert f"TASKS['{alias}'] is not in the ledger" in Job.objects.get().error_message


def test_arguments_that_do_not_fit_are_refused_at_the_call_and_after_a_deploy(drain, done):
    for args, kwargs in [((), {}), ((1, 2, 3), {}), ((1,), {"wrong": 1}), ((object(),), {})]:
        with pytest.raises(TypeError):
            tasks.add.enqueue(*args, **kwargs)
    with pytest.raises(InvalidArguments, match="at most"):
        tasks.add.enqueue("x" * 300_000)
    assert not Job.objects.exists()

    forge("tests.support.tasks.add", 1, gone=2)
    drain()
    job = Job.objects.get()
    assert (job.state, job.error_type, done) == ("failed", "PermanentError", [])
    assert "unexpected keyword argument 'gone'" in job.error_message


@pytest.mark.parametrize(
    ("value", "state"), [("tuple", "succeeded"), ("date", "failed"), ("nan", "failed"), ("nul", "failed")]
)
def test_a_result_is_json_or_the_task_has_failed(drain, value, state):
    result = tasks.ends_well.enqueue(value)

    drain()
    job = Job.objects.get()
    assert (job.state, job.result) == (state, [1, 2] if state == "succeeded" else None)
    errors = tasks.ends_well.get_result(result.id).errors
    wanted = TypeError if value == "date" else ValueError
    assert [error.exception_class for error in errors] == ([] if state == "succeeded" else [wanted])


@pytest.mark.parametrize(
    "options", [{"queue_name": "nowhere"}, {"queue_name": "quarantine"}, {"priority": 101}, {"priority": -101}]
)
def test_what_the_backend_cannot_do_is_refused_when_it_is_asked_for(options):
    with pytest.raises(TaskException):
        tasks.add.using(**options)


def test_the_settings_are_checked():
    assert [error for error in run_checks() if error.id == "jobs.E001"] == []
    backend = LedgerBackend("x", {"QUEUES": ["low", "nowhere"]})
    assert ["'nowhere'" in error.msg for error in backend.check()] == [True]
    for options in ({"max_attempts": 0}, {"max_attempts": "3"}, {"retries": 3}):
        with pytest.raises(ImproperlyConfigured):
            LedgerBackend("x", {"OPTIONS": options})


def test_a_task_runs_for_the_tenant_that_sent_it_and_is_no_strangers(drain):
    with tenant_scope(7):
        result = tasks.whose.enqueue()
    assert drain() == 1

    assert tasks.whose.get_result(result.id).return_value == [7]
    with tenant_scope(7):
        assert tasks.whose.get_result(result.id).return_value == [7]
    for scope in (8, [8, 9], []):
        with tenant_scope(scope), pytest.raises(TaskResultDoesNotExist):
            tasks.whose.get_result(result.id)
    assert Job.objects.get().tenant_id == 7


def test_what_was_sent_for_nobody_is_no_tenants_to_read():
    with tenant_scope([7, 8]):
        result = tasks.add.enqueue(1)
        assert tasks.add.get_result(result.id).status == "READY"
    with tenant_scope(7), pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(result.id)


def test_a_result_is_found_by_the_id_of_a_task_alone(drain):
    other = services.enqueue("tests.note", kwargs={"word": "no task"})

    for wrong in ("", "1", "not an id", str(uuid4()), str(other), None):
        with pytest.raises(TaskResultDoesNotExist):
            tasks.add.get_result(wrong)
    with pytest.raises(TaskResultMismatch):
        tasks.add.get_result(tasks.shout.enqueue("x").id)


def test_tasks_cannot_be_sent_through_the_api():
    assert "jobs.run_task" not in {spec.name for spec in open_specs()}


def test_a_result_costs_two_queries_however_often_it_ran(drain, django_assert_num_queries):
    result = tasks.fail.enqueue("x")
    drain()
    for _ in range(2):
        services.replay([result.id])
        drain()

    with django_assert_num_queries(2):
        found = tasks.fail.get_result(result.id)
    assert (found.attempts, len(found.errors)) == (3, 3)
