"""Worker processes: each holds one lease, renewed from outside of it, that covers all the jobs it runs."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from modules.jobs import domain
from modules.jobs.domain import Outcome
from modules.jobs.services._ledger import Ending, move_back


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


def ask_restart() -> int:
    """Let every worker of every host be replaced as soon as it notices; return how many there are."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO jobs_bookmark (id, counted_id, next_id, writers, restart_asked_at)
            VALUES (1, 0, 0, '{}', clock_timestamp())
            ON CONFLICT (id) DO UPDATE SET restart_asked_at = EXCLUDED.restart_asked_at"""
        )
        cursor.execute(f"SELECT count(*) FROM jobs_worker WHERE {_ALIVE}")
        return int(cursor.fetchone()[0])


def count_old_workers() -> int:
    """Return how many workers still live that were there when the last restart was asked for."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM jobs_worker, jobs_bookmark WHERE {_ALIVE} AND {_IS_OLD}")
        return int(cursor.fetchone()[0])


def is_restart_asked(*, worker_id: UUID) -> bool:
    """Return whether somebody asked after the worker's start that all be replaced."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT 1 FROM jobs_worker, jobs_bookmark WHERE jobs_worker.id = %s AND {_IS_OLD})",
            [worker_id],
        )
        return bool(cursor.fetchone()[0])


_ALIVE = "stopped_at IS NULL AND lease_until > clock_timestamp()"
_IS_OLD = "started_at <= restart_asked_at"  # both by PostgreSQL's clock


def _give_back(where: str, *, worker_id: UUID, note: str, **params: Any) -> int:
    moved = move_back(
        domain.RELEASE,
        where=f"worker_id = %(worker_id)s AND {where}",
        params={"worker_id": worker_id, **params},
        ending=Ending(Outcome.RELEASED, log=note),
    )
    return len(moved)
