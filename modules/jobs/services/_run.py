"""A start of a job from claim to end. Every write carries the fence: a worker that was given up changes nothing."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from modules.jobs import domain
from modules.jobs.clients import Bell
from modules.jobs.domain import Failure, Outcome, RunningJob, State
from modules.jobs.services._ledger import Ending, MovedJob, move

DEADLINE_GRACE = timedelta(seconds=30)  # for Dramatiq's own time limit to interrupt the code first


class LostFence(Exception):
    """The job was taken from this worker, or ended meanwhile: what it did in its transaction is rolled back."""


def claim(bell: Bell, *, worker_id: UUID, time_limit: timedelta) -> RunningJob | None:
    """Start the job that the bell names and return it; None when somebody else has, or when it is not due."""
    moved = move(
        domain.CLAIM,
        where="id = %(id)s AND fence = %(fence)s",
        params={
            "id": bell.job_id,
            "fence": bell.fence,
            "worker_id": worker_id,
            "time_limit": time_limit + DEADLINE_GRACE,
        },
        returning=("arguments::text", "checkpoint::text"),
    )
    return _running(moved[0]) if moved else None


def _running(job: MovedJob) -> RunningJob:
    checkpoint = job.extra["checkpoint::text"]
    return RunningJob(
        id=job.id,
        actor=job.actor,
        queue=job.queue,
        fence=job.fence,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        tenant_id=job.tenant_id,
        arguments=json.loads(job.extra["arguments::text"]),
        checkpoint=None if checkpoint is None else json.loads(checkpoint),
    )


def succeed(job: RunningJob, *, result: Any = None, log: str = "") -> None:
    """Record the end; raises LostFence. In an atomic job's transaction this commits with its effects."""
    _end(job, domain.SUCCEED, Ending(Outcome.SUCCEEDED, log=log), result=None if result is None else json.dumps(result))


def retry(job: RunningJob, failure: Failure, *, delay: timedelta, outcome: Outcome, log: str = "") -> None:
    """Record the failure and let the job rest for `delay`; raises LostFence."""
    _end(job, domain.RETRY, Ending(outcome, failure, log), delay=delay)


def fail(job: RunningJob, failure: Failure, *, outcome: Outcome = Outcome.FAILED, log: str = "") -> None:
    """Send the job to the dead letters; raises LostFence."""
    _end(job, domain.FAIL, Ending(outcome, failure, log))


def snooze(job: RunningJob, failure: Failure, *, delay: timedelta, log: str = "") -> None:
    """Let the job wait without using up an attempt; the attempt's row keeps the reason. Raises LostFence."""
    _end(job, domain.SNOOZE, Ending(Outcome.SNOOZED, failure, log), delay=delay)


def release(job: RunningJob, *, log: str = "") -> None:
    """Give the job back unharmed, as a worker does that is told to stop; raises LostFence."""
    _end(job, domain.RELEASE, Ending(Outcome.RELEASED, log=log))


def stop(job: RunningJob, *, log: str = "") -> None:
    """Record that a running job obeyed its cancellation; raises LostFence."""
    _end(job, domain.STOP, Ending(Outcome.CANCELLED, log=log))


def _end(job: RunningJob, kind: domain.Move, ending: Ending, **params: Any) -> None:
    moved = move(
        kind,
        where="id = %(id)s AND fence = %(fence)s",
        params={"id": job.id, "fence": job.fence, **params},
        ending=ending,
    )
    if not moved:
        raise LostFence(f"{job.actor} {job.id}: start {job.fence} is no longer the one that counts.")


def report_progress(job: RunningJob, *, done: int | None, total: int | None, message: str) -> bool:
    """Show how far a running job is; return False when it was cancelled or taken away and should stop."""
    return _touch(
        job,
        "progress_done = %(done)s, progress_total = %(total)s, progress_message = %(message)s",
        done=done,
        total=total,
        message=message[:500],
    )


def save_checkpoint(job: RunningJob, cursor: Any) -> bool:
    """Keep where a running job is, for its next start; return False when it should stop."""
    return _touch(job, "checkpoint = %(cursor)s", cursor=json.dumps(cursor))


def may_go_on(job: RunningJob) -> bool:
    """Return False when a running job was cancelled or taken away."""
    return _touch(job, "fence = fence")


def _touch(job: RunningJob, assignments: str, **params: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE jobs_job SET {assignments} "
            f"WHERE id = %(id)s AND fence = %(fence)s AND state = '{State.RUNNING}' "
            "RETURNING cancel_requested_at IS NULL",
            {"id": job.id, "fence": job.fence, **params},
        )
        row = cursor.fetchone()
    return bool(row and row[0])
