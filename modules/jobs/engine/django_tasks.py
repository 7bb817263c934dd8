"""`django.tasks` over the ledger: what a reusable app sends by `@task` is a job like any other.

To the backport `django-tasks` this is what `engine/actor.py` is to Dramatiq: how a send becomes a row, and how the
worker comes from the row back to the function. Both halves are here, because the row is their contract.
"""

import builtins
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone
from django.utils.module_loading import import_string
from django_tasks import TaskContext, TaskResult, TaskResultStatus, task_backends
from django_tasks.backends.base import BaseTaskBackend
from django_tasks.base import TASK_MAX_PRIORITY, TASK_MIN_PRIORITY, Task, TaskError
from django_tasks.exceptions import TaskResultDoesNotExist
from django_tasks.signals import task_enqueued, task_finished, task_started
from django_tasks.utils import get_module_path, normalize_json

from modules.jobs import domain, selectors, services
from modules.jobs.domain import JobCancelled, PermanentError, State
from modules.jobs.engine import context
from modules.jobs.events import jobs_moved
from modules.jobs.models import Attempt, Job
from modules.jobs.registry import to_json
from modules.jobs.services import MovedJob
from modules.kernel.tenancy import tenants_in_scope

RUN_TASK = "jobs.run_task"
"""The one actor that runs them all."""

RUNS_SHOWN = 100  # a result tells of so many starts, the newest
TAG_LENGTH = 200  # characters, of the ledger's column

_STATUS: dict[str, TaskResultStatus] = {
    State.SCHEDULED: TaskResultStatus.READY,
    State.QUEUED: TaskResultStatus.READY,
    State.RETRYING: TaskResultStatus.READY,
    State.RUNNING: TaskResultStatus.RUNNING,
    State.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    State.FAILED: TaskResultStatus.FAILED,
    State.QUARANTINED: TaskResultStatus.FAILED,
    State.CANCELLED: TaskResultStatus.FAILED,
}
_FINISHES = {move.name for move in (domain.SUCCEED, domain.FAIL, domain.QUARANTINE, domain.CANCEL, domain.STOP)}


class LedgerBackend(BaseTaskBackend):
    """The backend of TASKS. QUEUES: [] stands for every queue that a pool serves.

    OPTIONS: `max_attempts` (default 1), how often a task is tried whose function raises. A worker's death is no
    failure: the task runs again, as any job does.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.queues = self.queues or _served_queues()
        self.max_attempts = self.options.get("max_attempts", 1)
        if self.options.keys() - {"max_attempts"}:
            raise ImproperlyConfigured(f"TASKS[{alias!r}]: OPTIONS may have max_attempts and nothing else.")
        if not isinstance(self.max_attempts, int) or not 1 <= self.max_attempts <= 100:
            raise ImproperlyConfigured(f"TASKS[{alias!r}]: max_attempts is a whole number from 1 to 100.")

    def enqueue(self, task: Task[..., Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        """Send the task as a job in the caller's transaction, for the tenant in scope if it is one.

        Raises the backport's error for a task that the backend cannot run, TypeError for arguments that the function
        does not take or JSON cannot hold, InvalidArguments for those that are too big. `task_enqueued` is sent after
        the commit.
        """
        self.validate_task(task)
        args, kwargs = normalize_json(args), normalize_json(kwargs)
        _check_call(task, [None, *args] if task.takes_context else args, kwargs)
        job_id = services.enqueue(
            RUN_TASK,
            kwargs={"task": task.module_path, "args": args, "kwargs": kwargs, "backend": self.alias},
            queue=task.queue_name,
            priority=-task.priority,  # theirs: higher first; the ledger's: lower first
            run_at=task.run_after,
            max_attempts=self.max_attempts,
            tags=[f"task:{task.module_path}"[:TAG_LENGTH]],
            tenant_id=_tenant_in_scope(),
        )
        result = self._new_result(task, job_id, args, kwargs)
        transaction.on_commit(lambda: _tell(task_enqueued, result), robust=True)
        return result

    def _new_result(self, task: Task[..., Any], job_id: UUID, args: Any, kwargs: Any) -> TaskResult[Any]:
        return TaskResult(
            task=task,
            id=str(job_id),
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return what the ledger knows of a task that this backend sent; raises TaskResultDoesNotExist.

        Inside a tenant's scope, another one's task does not exist.
        """
        try:
            job = Job.objects.get(id=UUID(result_id), actor=RUN_TASK, arguments__backend=self.alias)
        except (ValueError, AttributeError, TypeError, Job.DoesNotExist):
            raise TaskResultDoesNotExist(result_id) from None
        if not _is_visible(job):
            raise TaskResultDoesNotExist(result_id)
        try:
            return _results([job])[0]
        except TaskIsGone as error:
            raise TaskResultDoesNotExist(f"{result_id}: {error}") from None

    def check(self, **_kwargs: Any) -> Iterable[checks.CheckMessage]:
        """Refuse a queue in which tasks would wait for ever."""
        for queue in sorted(self.queues - _served_queues()):
            yield checks.Error(
                f"TASKS[{self.alias!r}] names the queue {queue!r}, which no worker pool serves.",
                hint="Add it to a pool in JOBS['POOLS'], or take it out of QUEUES.",
                id="jobs.E001",
            )


class TaskIsGone(PermanentError, ValueError):
    """Where the path leads, there is no task that this backend may run."""


def check_arguments(arguments: dict[str, Any]) -> None:
    """Raise ValueError when no task is there, or it does not take this: at the call, before a deploy, at the start."""
    task = _find_task(arguments["task"], backend=arguments["backend"])
    args = arguments["args"]
    try:
        _check_call(task, [None, *args] if task.takes_context else args, arguments["kwargs"])
    except TypeError as error:
        raise ValueError(str(error)) from None


def run(path: str, args: list[Any], kwargs: dict[str, Any], *, backend: str) -> Any:
    """Run the task of the present job and return what it returned, as JSON; raises whatever it raises."""
    task = _find_task(path, backend=backend)
    result = _results([selectors.get_job(context.job().id)])[0]
    _tell(task_started, result)
    returned = normalize_json(
        task.call(*([TaskContext(task_result=result)] if task.takes_context else []), *args, **kwargs)
    )
    to_json(returned)  # unlike an actor's, its result is what the caller waits for: nothing would be a lie
    return returned


def _find_task(path: str, *, backend: str) -> Task[..., Any]:
    """Return the task at `path`: what is no `@task` there, or belongs to somebody else's backend, is never called."""
    if backend not in task_backends.settings or not isinstance(task_backends[backend], LedgerBackend):
        raise TaskIsGone(f"TASKS[{backend!r}] is not in the ledger: {path!r} is not run from here.")
    try:
        found = import_string(path)
    except ImportError as error:
        raise TaskIsGone(f"The task {path!r} cannot be found: {error}.") from error
    if not isinstance(found, Task):
        raise TaskIsGone(f"{path!r} is no task: only functions with the decorator @task are run.")
    return found.using(backend=backend)


def _check_call(task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise TypeError, as the call itself would, before anything is sent or done."""
    try:
        inspect.signature(task.func).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{task.module_path}: {error}.") from None


@receiver(jobs_moved, dispatch_uid="jobs.django_tasks")
def _tell_finished(move: str, jobs: list[MovedJob], **_kwargs: Any) -> None:
    ids = [job.id for job in jobs if job.actor == RUN_TASK] if move in _FINISHES else []
    for result in _results(list(Job.objects.filter(id__in=ids)), skip_lost=True) if ids else ():
        _tell(task_finished, result)


def _tell(signal: Any, result: TaskResult[Any]) -> None:
    # Robust: a receiver's failure is its own, not that of the task or of who sent it.
    signal.send_robust(sender=LedgerBackend, task_result=result)


def _results(jobs: Sequence[Job], *, skip_lost: bool = False) -> list[TaskResult[Any]]:
    """Return the jobs as results, with one query for all; raises TaskIsGone for one that is in no code."""
    runs = selectors.attempts_of([job.id for job in jobs], limit=RUNS_SHOWN)
    results = []
    for job in jobs:
        try:
            results.append(_result(job, runs[job.id]))
        except TaskIsGone:
            if not skip_lost:
                raise
    return results


def _result(job: Job, runs: list[Attempt]) -> TaskResult[Any]:
    asked, is_running = job.arguments, job.state == State.RUNNING
    result: TaskResult[Any] = TaskResult(
        task=_task_as_sent(job),
        id=str(job.id),
        status=_STATUS[job.state],
        enqueued_at=job.created_at,
        started_at=runs[0].started_at if runs else job.started_at,
        finished_at=job.finished_at,
        last_attempted_at=job.started_at,
        args=asked["args"],
        kwargs=asked["kwargs"],
        backend=asked["backend"],
        errors=list(_errors(job, runs)),
        worker_ids=[str(run.worker_id) for run in runs] + ([str(job.worker_id)] if is_running else []),
    )
    object.__setattr__(result, "_return_value", job.result)  # frozen, and no argument: every backend does it so
    return result


def _task_as_sent(job: Job) -> Task[..., Any]:
    task = _find_task(job.arguments["task"], backend=job.arguments["backend"])
    priority = max(TASK_MIN_PRIORITY, min(TASK_MAX_PRIORITY, -job.priority))
    run_after = job.run_at if job.run_at > job.created_at else None
    return task.using(priority=priority, queue_name=job.queue, run_after=run_after)


def _errors(job: Job, runs: Iterable[Attempt]) -> Iterator[TaskError]:
    for run in runs:
        if run.error_type:
            yield TaskError(exception_class_path=_class_path(run), traceback=run.traceback or run.error_message)
    if job.state == State.CANCELLED:
        yield TaskError(exception_class_path=get_module_path(JobCancelled), traceback="")


def _class_path(run: Attempt) -> str:
    """Return the dotted path of a run's error: its class by the row, its module by the traceback's last words."""
    name = re.escape(run.error_type)
    said = re.findall(rf"^((?:\w+\.)*{name})(?=:|$)", run.traceback, flags=re.MULTILINE)
    path = said[-1] if said else run.error_type
    if "." not in path and hasattr(builtins, path):
        return f"builtins.{path}"
    return path if "." in path else f"{domain.__name__}.{path}"  # the platform's own have no traceback


def _is_visible(job: Job) -> bool:
    tenants = tenants_in_scope()
    if tenants is None or job.tenant_id in tenants:
        return True
    return job.tenant_id is None and len(tenants) != 1  # sent from such a scope, it belongs to none of them


def _tenant_in_scope() -> int | None:
    tenants = tenants_in_scope() or frozenset()
    return next(iter(tenants)) if len(tenants) == 1 else None


def _served_queues() -> set[str]:
    pools: dict[str, list[str]] = settings.JOBS["POOLS"]
    return {queue for name, pool in pools.items() if name != services.QUARANTINE for queue in pool}
