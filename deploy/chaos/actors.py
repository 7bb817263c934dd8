"""The jobs of a run; workers load them with `dramatiq config.workers deploy.chaos.actors`."""

import os
import signal
import time

from deploy.chaos import tables
from deploy.chaos.plan import MAX_ATTEMPTS, Kind
from modules.jobs.domain import TableBackoff
from modules.jobs.engine import actor, context

QUEUE = "default"
SOON = TableBackoff([1])  # a run has no hours for the usual rests


class UnluckyOnce(Exception):
    """The first attempt of some jobs fails."""


class Hopeless(Exception):
    """Every attempt of some jobs fails."""


@actor(actor_name=f"chaos.{Kind.EFFECT}", queue_name=QUEUE, max_retries=10, backoff=SOON, atomic=True)
def effect(*, number: int) -> None:
    """Leave a row that commits with the job's end."""
    _leave_row(number)


@actor(actor_name=f"chaos.{Kind.SCHEDULED}", queue_name=QUEUE, max_retries=10, backoff=SOON, atomic=True)
def scheduled(*, number: int) -> None:
    """Leave a row; it is sent ahead of its time."""
    _leave_row(number)


@actor(actor_name=f"chaos.{Kind.SLOW}", queue_name=QUEUE, max_retries=10, backoff=SOON, atomic=True)
def slow(*, number: int, seconds: float) -> None:
    """Leave a row, and keep the transaction open for a while."""
    _leave_row(number)
    time.sleep(seconds)


@actor(actor_name=f"chaos.{Kind.FAIL_ONCE}", queue_name=QUEUE, max_retries=10, backoff=SOON, atomic=True)
def fail_once(*, number: int) -> None:
    """Leave a row and fail on the first attempt, which takes the row back."""
    _leave_row(number)
    if context.job().attempt == 1:
        raise UnluckyOnce(f"number {number}")


@actor(actor_name=f"chaos.{Kind.EXTERNAL}", queue_name=QUEUE, max_retries=10, backoff=SOON)
def external(*, number: int) -> None:
    """Do something that no transaction can take back."""
    tables.write_line(number=number, job_id=context.job().id)


@actor(actor_name=f"chaos.{Kind.ALWAYS_FAIL}", queue_name=QUEUE, max_retries=MAX_ATTEMPTS - 1, backoff=SOON)
def always_fail(*, number: int) -> None:
    """Fail."""
    raise Hopeless(f"number {number}")


@actor(actor_name=f"chaos.{Kind.POISON}", queue_name=QUEUE, max_retries=10, backoff=SOON)
def poison(*, number: int) -> None:  # noqa: ARG001 -- which one it was is in the ledger
    """Kill the worker, as a fault in native code would."""
    os.kill(os.getpid(), signal.SIGKILL)


@actor(actor_name="chaos.minute", queue_name=QUEUE, max_retries=10, backoff=SOON)
def minute() -> None:
    """Do nothing, once a minute."""


def _leave_row(number: int) -> None:
    job = context.job()
    tables.write_effect(number=number, job_id=job.id, start=job.fence)
