"""Worker processes: each holds one lease, renewed from outside of it, that covers all the jobs it runs."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from modules.jobs import domain
from modules.jobs.domain import Outcome
from modules.jobs.services._ledger import Ending, move


def register_worker(*, worker_id: UUID, hostname: str, pid: int, queues: list[str], threads: int) -> None:
    """Make a worker known with a fresh lease, before it claims anything; safe to repeat."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_worker (id, hostname, pid, queues, threads, started_at, seen_at, lease_until)
            VALUES (%s, %s, %s, %s, %s, now(), now(), now() + make_interval(secs => %s))
            ON CONFLICT (id) DO UPDATE SET seen_at = now(), lease_until = EXCLUDED.lease_until""",
            [worker_id, hostname, pid, queues, threads, settings.JOBS["LEASE_SECONDS"]],
        )


def retire_worker(*, worker_id: UUID) -> int:
    """End a worker's lease in good order; return how many unfinished jobs it gave back, none blamed."""
    released = _give_back("TRUE", worker_id=worker_id, note="The worker stopped before the job ended.")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_worker SET stopped_at = now(), lease_until = now() WHERE id = %s", [worker_id])
    return released


def release_strays(*, worker_id: UUID, in_hand: list[UUID]) -> int:
    """Give back jobs that are this worker's by the ledger and in no thread's hands; return how many.

    Such a job was claimed by a statement whose answer never arrived. The young ones may just be on their way.
    """
    return _give_back(
        "NOT id = ANY(%(in_hand)s) AND started_at < clock_timestamp() - interval '5 seconds'",
        worker_id=worker_id,
        note="The worker lost sight of the job.",
        in_hand=in_hand,
    )


def _give_back(where: str, *, worker_id: UUID, note: str, **params: Any) -> int:
    moved = move(
        domain.RELEASE,
        where=f"worker_id = %(worker_id)s AND {where}",
        params={"worker_id": worker_id, **params},
        ending=Ending(Outcome.RELEASED, log=note),
    )
    return len(moved)
