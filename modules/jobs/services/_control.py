"""What operators do to jobs: cancel, replay, discard, prune."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from modules.jobs import domain
from modules.jobs.domain import DEAD_LETTERS, State
from modules.jobs.models import Job
from modules.jobs.services._batches import reopen_batches
from modules.jobs.services._ledger import MovedJob, move

CHUNK = 1_000


JobIds = Sequence[UUID | str]


def cancel(job_ids: JobIds) -> int:
    """Cancel jobs that have not started and ask running ones to stop at their next checkpoint; return how many."""
    ids = _uuids(job_ids)
    cancelled = move(domain.CANCEL, where="id = ANY(%(ids)s)", params={"ids": ids})
    running = Job.objects.filter(id__in=ids, state=State.RUNNING, cancel_requested_at__isnull=True)
    return len(cancelled) + running.update(cancel_requested_at=timezone.now())


def replay(job_ids: JobIds) -> int:
    """Run dead letters again from their first attempt; return how many there were. Others are left alone.

    A chain goes on where it stopped; a batch that had ended waits for them again.
    """
    return len(release_dead_letters(job_ids))


def release_dead_letters(job_ids: JobIds) -> list[MovedJob]:
    """Do as `replay` and return the jobs."""
    with transaction.atomic():
        moved = move(domain.REPLAY, where="id = ANY(%(ids)s)", params={"ids": _uuids(job_ids)})
        reopen_batches([job.batch_id for job in moved if job.batch_id])
    return moved


def discard(job_ids: JobIds) -> int:
    """Take dead letters off the list without running them; their history stays. Return how many there were."""
    return len(move(domain.DISCARD, where="id = ANY(%(ids)s)", params={"ids": _uuids(job_ids)}))


def _uuids(job_ids: JobIds) -> list[UUID]:
    return [UUID(str(job_id)) for job_id in job_ids]


def replay_matching(jobs: "QuerySet[Job]") -> int:
    """Run again every dead letter of a query, in chunks; return how many."""
    return _in_chunks(jobs, replay)


def discard_matching(jobs: "QuerySet[Job]") -> int:
    """Discard every dead letter of a query, in chunks; return how many."""
    return _in_chunks(jobs, discard)


def _in_chunks(jobs: "QuerySet[Job]", act: Any) -> int:
    total = 0
    dead = jobs.filter(state__in=DEAD_LETTERS).order_by("id").values_list("id", flat=True)
    while ids := list(dead[:CHUNK]):
        total += act(ids)
        dead = dead.filter(id__gt=ids[-1])
    return total


def prune(*, ended_before: datetime, states: Sequence[State], limit: int = 10_000) -> int:
    """Delete at most `limit` jobs of these ended states that ended before then; return how many went.

    Jobs that hold a unique key for a period stay until it is over. Batches keep count of the members that went.
    Safe to repeat: call again until it returns less than `limit`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH old AS MATERIALIZED (
                SELECT id FROM jobs_job WHERE state = ANY(%s) AND finished_at < %s
                    AND (unique_key IS NULL OR unique_expires_at < clock_timestamp())
                ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED),
            history AS (DELETE FROM jobs_attempt WHERE job_id IN (SELECT id FROM old)),
            changes AS (DELETE FROM jobs_jobchange WHERE job_id IN (SELECT id FROM old)),
            gone AS (DELETE FROM jobs_job WHERE id IN (SELECT id FROM old) RETURNING batch_id, state),
            counted AS (
                UPDATE jobs_batch SET pruned_succeeded = pruned_succeeded + members.succeeded,
                    pruned_failed = pruned_failed + members.failed,
                    pruned_cancelled = pruned_cancelled + members.cancelled
                FROM (
                    SELECT batch_id, count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
                        count(*) FILTER (WHERE state IN ('failed', 'quarantined')) AS failed,
                        count(*) FILTER (WHERE state = 'cancelled') AS cancelled
                    FROM gone WHERE batch_id IS NOT NULL GROUP BY batch_id) members
                WHERE jobs_batch.id = members.batch_id)
            SELECT count(*) FROM gone""",
            [[str(state) for state in states], ended_before, limit],
        )
        return int(cursor.fetchone()[0])
