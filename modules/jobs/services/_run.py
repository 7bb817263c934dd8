"""A start of a job from claim to end. Every write carries the fence: a worker that was given up changes nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from modules.jobs import domain
from modules.jobs.clients import Bell
from modules.jobs.domain import ALIVE, Failure, Outcome, RunningJob, State
from modules.jobs.selectors import PAUSED
from modules.jobs.services._enqueue import insert
from modules.jobs.services._ledger import Ending, MovedJob, move, move_back, move_batch
from modules.jobs.services._members import hold_open
from modules.jobs.services._requests import Row, row_of

DEADLINE_GRACE = timedelta(seconds=30)  # for Dramatiq's own time limit to interrupt the code first


class LostFence(Exception):
    """The job was taken from this worker, or ended meanwhile: what it did in its transaction is rolled back."""

    @classmethod
    def of(cls, job: RunningJob) -> "LostFence":
        """Return the error for this start of the job."""
        return cls(f"{job.actor} {job.id}: start {job.fence} is no longer the one that counts.")


@dataclass(frozen=True)
class Claim:
    """A worker's wish to start the job of a bell, for so long at most."""

    bell: Bell
    worker_id: UUID
    time_limit: timedelta


@dataclass(frozen=True)
class Success:
    """The good end of a start, with what the actor returned and what it logged."""

    job: RunningJob
    result: Any = None
    log: str = ""


def claim(bell: Bell, *, worker_id: UUID, time_limit: timedelta) -> RunningJob | None:
    """Start the job that the bell names and return it; None when somebody else has, or when it is not due."""
    return claim_many([Claim(bell, worker_id, time_limit)])[0]


def claim_many(claims: Sequence[Claim]) -> list[RunningJob | None]:
    """Start many jobs in one statement; return each one, or None, in the order of the claims."""
    batch = [
        {
            "job_id": claim.bell.job_id,
            "start": claim.bell.fence,
            "worker_id": claim.worker_id,
            "time_limit": (claim.time_limit + DEADLINE_GRACE).total_seconds(),
        }
        for claim in claims
    ]
    # A bell may have rung just before its gate was closed, and a job that is not rung for has still to pass its gates.
    unless = f"(dispatched_at IS NULL OR {PAUSED})"
    # What the job does is written after its claim, so that a crash which takes the claim takes that, too.
    kept = ("arguments", "checkpoint", "chain")
    moved = move_batch(domain.CLAIM, batch, unless=unless, returning=kept, is_lasting=False)
    started = {job.id: job for job in moved}
    # Popped, because a bell that is here twice starts one run.
    return [_running(job) if (job := started.pop(claim.bell.job_id, None)) else None for claim in claims]


def _running(job: MovedJob) -> RunningJob:
    return RunningJob(
        id=job.id,
        actor=job.actor,
        queue=job.queue,
        fence=job.fence,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        tenant_id=job.tenant_id,
        arguments=json.loads(job.extra["arguments"]),
        checkpoint=None if job.extra["checkpoint"] is None else json.loads(job.extra["checkpoint"]),
        batch_id=job.batch_id,
        chain=() if job.extra["chain"] is None else tuple(json.loads(job.extra["chain"])),
    )


def rehearse(*, worker_id: UUID) -> None:
    """Take a job through its life on this thread's connection and take all of it back.

    PostgreSQL loads what it knows of tables, indexes and triggers for each connection anew: the first real job
    would else wait for that, which is as long as it takes otherwise.
    """
    stored = {"actor": "jobs.rehearsal", "queue": "default", "arguments": {}, "priority": 0, "max_attempts": 1}
    stored |= {"unique_until": "finish", "tenant_id": None, "tags": [], "resource": ""}
    with transaction.atomic():
        [job_id] = insert([row_of(stored, batch_id=None, cause_id=None)])
        bell = Bell(job_id, 0, "jobs.rehearsal", "default")
        if job := claim(bell, worker_id=worker_id, time_limit=timedelta(seconds=1)):
            succeed(job)
        transaction.set_rollback(True)


def succeed(job: RunningJob, *, result: Any = None, log: str = "") -> None:
    """Record the end; raises LostFence. In an atomic job's transaction this commits with its effects."""
    if succeed_many([Success(job, result, log)]) == [False]:
        raise LostFence.of(job)


def succeed_many(successes: Sequence[Success]) -> list[bool]:
    """Record many ends in one statement; return for each whether its start was still the one that counts."""
    if any(end.job.chain for end in successes):
        return _succeed_and_go_on(successes)
    moved = _succeed(successes)
    return [end.job.id in moved for end in successes]


def _succeed(successes: Sequence[Success], *returning: str) -> dict[UUID, MovedJob]:
    batch = [{"job_id": end.job.id, "start": end.job.fence, "result": end.result, "log": end.log} for end in successes]
    moved = move_batch(domain.SUCCEED, batch, outcome=Outcome.SUCCEEDED, returning=returning)
    return {job.id: job for job in moved}


def _succeed_and_go_on(successes: Sequence[Success]) -> list[bool]:
    """Record the ends and send what follows them in one transaction: no kill comes between."""
    chained = [end.job for end in successes if end.job.chain]
    with transaction.atomic():
        # First the batches, then the jobs: as everybody locks them who cancels a batch.
        open_batches = hold_open(job.batch_id for job in chained if job.batch_id)
        moved = _succeed(successes, "cancel_requested_at")
        going = [
            job
            for job in chained
            if job.id in moved
            and moved[job.id].extra["cancel_requested_at"] is None
            and (job.batch_id is None or job.batch_id in open_batches)
        ]
        insert([_next_row(job) for job in going])
    return [end.job.id in moved for end in successes]


def _next_row(job: RunningJob) -> Row:
    following, *rest = job.chain
    return row_of(following, links=rest, batch_id=job.batch_id, cause_id=job.id)


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
    write = move_back if kind.target in ALIVE else move
    params = {"id": job.id, "fence": job.fence, **params}
    if not write(kind, where="id = %(id)s AND fence = %(fence)s", params=params, ending=ending):
        raise LostFence.of(job)


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
    """Keep where a running job is, for its next start; return False when it should stop.

    Crashes before a step that was made are forgiven: a job that gets on is not the one that kills its worker.
    """
    forgive = "CASE WHEN checkpoint IS DISTINCT FROM %(cursor)s::jsonb THEN 0 ELSE crashes END"
    return _touch(job, f"checkpoint = %(cursor)s, crashes = {forgive}", cursor=json.dumps(cursor))


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
