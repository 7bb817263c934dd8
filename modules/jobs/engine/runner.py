"""One start of a job: claim, run the actor's code, write the end. Nothing here trusts the broker."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from dramatiq.middleware import Shutdown, TimeLimitExceeded

from modules.jobs import services
from modules.jobs.clients import Bell
from modules.jobs.domain import Failure, JobCancelled, Outcome, PermanentError, RunningJob, Snooze, running_job
from modules.jobs.engine import context, reports
from modules.jobs.engine.combiner import Combiner
from modules.jobs.registry import ActorSpec, InvalidArguments, get_spec, to_json
from modules.jobs.services import Claim, LostFence, Success
from modules.kernel.tenancy import tenant_scope

log = logging.getLogger("backroom.jobs")

DATABASE_TRIES = 60  # with rests of up to a second: longer than PostgreSQL needs to recover from a crash

_claims: Combiner[Claim, RunningJob | None] = Combiner(services.claim_many)
_successes: Combiner[Success, bool] = Combiner(services.succeed_many)

worker_id: UUID | None = None
"""This process as the ledger knows it; set when the worker has its lease."""

in_hand: set[UUID] = set()
"""The jobs that some thread of this process is claiming, running or ending."""


def run(spec: ActorSpec, bell: Bell) -> None:
    """Run the job that the bell names, if it is still there to be run; never raises for the job's own errors."""
    if worker_id is None:
        raise RuntimeError("A job can run only in a worker that holds a lease.")
    in_hand.add(bell.job_id)
    try:
        job = _claim(spec, bell, worker_id=worker_id)
        if job is not None:
            with _in_job(job):
                # The ledger knows whose job it is; a bell may say anything.
                _run_claimed(spec if job.actor == spec.name else get_spec(job.actor), job)
    except LostFence as error:
        log.warning("%s", error)
    finally:
        in_hand.discard(bell.job_id)


def _claim(spec: ActorSpec, bell: Bell, *, worker_id: UUID) -> RunningJob | None:
    """Claim the job, on a new connection if the old one has died; an unanswered bell is rung again later."""
    for _ in range(2):
        try:
            return _claims(Claim(bell, worker_id, spec.time_limit))
        except (OperationalError, InterfaceError) as error:
            log.warning("bell=%s not answered, the database is away: %s", bell.key, error)
            connection.close()
    return None


@contextmanager
def _in_job(job: RunningJob) -> Iterator[None]:
    token = running_job.set(job)
    try:
        with nullcontext() if job.tenant_id is None else tenant_scope(job.tenant_id):
            yield
    finally:
        running_job.reset(token)


def _run_claimed(spec: ActorSpec, job: RunningJob) -> None:
    try:
        result = _call(spec, job)
    except LostFence:
        raise
    except BaseException as error:  # noqa: BLE001 -- whatever a job raises is the job's end, not the worker's
        notes, caught = context.take_log(job), error
        _write(lambda: _record_error(spec, job, caught, notes))
        return
    if not spec.is_atomic:
        notes = context.take_log(job)
        _write(lambda: _succeed(Success(job, result, notes)))


def _call(spec: ActorSpec, job: RunningJob) -> Any:
    arguments = _fit(spec, job)
    if not spec.is_atomic:
        return _as_result(spec.fn(**arguments))
    with transaction.atomic():
        result = _as_result(spec.fn(**arguments))
        services.succeed(job, result=result, log=context.take_log(job))
    return result


def _fit(spec: ActorSpec, job: RunningJob) -> dict[str, Any]:
    """Return the arguments; a row from another version of the code that does not fit is a permanent error."""
    try:
        return spec.bind((), job.arguments)
    except InvalidArguments as error:
        raise PermanentError(str(error)) from None


def _as_result(value: Any) -> Any:
    """Return what an actor returned, if it is plain data; an actor that returns anything else returns nothing.

    What PostgreSQL cannot keep is nothing, too: ends are written together, and it would spoil those of its neighbors.
    """
    if not isinstance(value, str | int | float | bool | list | dict):
        return None
    try:
        return json.loads(to_json(value, default=str))
    except (TypeError, ValueError) as error:
        context.log(f"The result cannot be kept: {error}.")
        return None


def _record_error(spec: ActorSpec, job: RunningJob, error: BaseException, notes: str) -> None:
    failure = Failure.of(error)
    match error:
        case Snooze():
            services.snooze(job, failure, delay=timedelta(seconds=error.seconds), log=notes)
        case JobCancelled():
            services.stop(job, log=notes)
        case Shutdown():
            services.release(job, log=notes)
        case _:
            _record_failure(spec, job, error, notes)


def _record_failure(spec: ActorSpec, job: RunningJob, error: BaseException, notes: str) -> None:
    failure = Failure.of(error)
    outcome = Outcome.TIMED_OUT if isinstance(error, TimeLimitExceeded) else Outcome.FAILED
    is_foreseen = isinstance(error, (PermanentError, *spec.throws))
    if is_foreseen or job.attempt >= job.max_attempts:
        services.fail(job, failure, outcome=outcome, log=notes)
        if not is_foreseen:
            reports.report_failure(job, error, failure)
    else:
        services.retry(job, failure, delay=spec.backoff.delay(job.attempt), outcome=outcome, log=notes)


def _succeed(success: Success) -> None:
    if not _successes(success):
        raise LostFence.of(success.job)


def _write(record: Callable[[], None]) -> None:
    """Write a job's end, over a restart of the database if need be; the fence makes a second try harmless."""
    for tried in range(DATABASE_TRIES):
        try:
            record()
        except (OperationalError, InterfaceError) as error:
            log.warning("the end of a job could not be written, trying again: %s", error)
            connection.close()
            time.sleep(min(0.05 * 2**tried, 1.0))
        else:
            return
    log.error("the end of a job could not be written; its deadline or this worker's lease brings it back")
