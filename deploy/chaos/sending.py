"""Sends a run's jobs, and keeps its own account of what was committed."""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection, transaction

from deploy.chaos import actors  # noqa: F401 -- makes them known
from deploy.chaos.plan import Batch, Kind, PlannedJob
from modules.jobs import services

log = logging.getLogger("backroom.chaos")


class RolledBack(Exception):
    """The transaction was there to be rolled back."""


class TakenTwice(Exception):
    """A unique key was given to a second job."""


def produce(batches: Sequence[Batch], *, account: Path) -> None:
    """Send the batches; one is in `account` only when its transaction is known to be committed."""
    started_at = time.monotonic()
    with account.open("a", encoding="ascii") as lines:
        for batch in batches:
            time.sleep(max(0.0, started_at + batch.at - time.monotonic()))
            if _send_surely(batch):
                lines.write(f"{batch.number}\n")
                lines.flush()


def _send_surely(batch: Batch) -> bool:
    """Send until it is certain how the transaction ended; return whether it was committed."""
    while True:
        try:
            # After an error in the commit itself only the database knows.
            if not _is_committed(batch):
                _send(batch)
        except RolledBack:
            return False
        except (DatabaseError, InterfaceError) as error:
            log.warning("batch %d waits for the database: %s", batch.number, error)
            connection.close()
            time.sleep(0.2)
        else:
            return True


def _is_committed(batch: Batch) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM chaos_batch WHERE number = %s", [batch.number])
        return cursor.fetchone() is not None


def _send(batch: Batch) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO chaos_batch VALUES (%s)", [batch.number])
        sent = dict(zip((job.number for job in batch.jobs), send(batch.jobs), strict=True))
        if send(batch.repeats) != [sent[job.number] for job in batch.repeats]:
            raise TakenTwice(f"batch {batch.number}")
        if batch.is_rolled_back:
            raise RolledBack


def send(jobs: Sequence[PlannedJob]) -> list[str]:
    """Send the jobs with one statement, each under its own key; return their ids in the same order."""
    return [str(job_id) for job_id in services.enqueue_many([_request(job) for job in jobs])]


def _request(job: PlannedJob) -> services.JobRequest:
    arguments = {"number": job.number} | ({"seconds": job.seconds} if job.kind is Kind.SLOW else {})
    delay = timedelta(seconds=job.seconds) if job.kind is Kind.SCHEDULED else None
    return services.JobRequest(
        actor=f"chaos.{job.kind}", kwargs=arguments, delay=delay, unique_key=f"chaos:{job.number}"
    )
