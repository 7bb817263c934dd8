"""Batches: jobs that belong together, and what is sent, once, when the first fails, all succeeded, all ended."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.dispatch import receiver
from django.utils import timezone

from modules.jobs import domain, selectors
from modules.jobs.domain import ENDED, Callback, State, due_callbacks, running_job
from modules.jobs.events import jobs_moved
from modules.jobs.models import Batch, Job
from modules.jobs.registry import InvalidArguments, get_spec
from modules.jobs.services._enqueue import enqueue_many, insert
from modules.jobs.services._ledger import MovedJob, move
from modules.jobs.services._requests import JobRequest, Stored, row_of, store
from modules.kernel.ids import uuid7

log = logging.getLogger("backroom.jobs")

CHUNK = 1_000  # members cancelled in one statement, batches looked at in one pass
MAX_NAME_LENGTH = 200


@dataclass(frozen=True)
class OpenBatch:
    """A batch that takes members: in its `with` block, and from its own running members (`context.batch()`)."""

    id: UUID

    def send(self, *requests: JobRequest) -> list[UUID]:
        """Send members with one INSERT and return their ids; raises BatchClosed. See `enqueue_many`.

        A request whose unique key is taken adds nothing: the job that holds the key is no member.
        """
        return enqueue_many([replace(request, batch_id=self.id) for request in requests])

    def chain(self, first: JobRequest, *links: JobRequest) -> UUID:
        """Send a chain whose every link is a member from when it is sent; return the first one's id."""
        return self.send(replace(first, chain=(*first.chain, *links)))[0]


@contextmanager
def batch(
    name: str,
    *,
    on_first_failure: JobRequest | None = None,
    on_success: JobRequest | None = None,
    on_finish: JobRequest | None = None,
    tenant_id: int | None = None,
) -> Iterator[OpenBatch]:
    """Open a batch; it and what the block sends by it are one transaction, which an error in the block rolls back.

    Callbacks are jobs, each sent once: `on_first_failure` when the first member ends other than well (cancelled
    counts), `on_success` when all have succeeded, `on_finish` when all have ended in whatever way. Without
    members, the last two are sent at once. A callback whose actor takes a `batch_id` is told it.
    The tenant is the sending job's unless given; members and callbacks are of the same. Raises InvalidArguments.
    """
    wanted = {
        Callback.FIRST_FAILURE: on_first_failure,
        Callback.SUCCESS: on_success,
        Callback.FINISH: on_finish,
    }
    with transaction.atomic():
        opened = _create(name, {key: request for key, request in wanted.items() if request}, tenant_id=tenant_id)
        yield opened
        transaction.on_commit(lambda: settle_batches([opened.id]), robust=True)


def _create(name: str, callbacks: dict[Callback, JobRequest], *, tenant_id: int | None) -> OpenBatch:
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise InvalidArguments(f"name: a batch's name has 1 to {MAX_NAME_LENGTH} characters.")
    sender = running_job.get()
    owner = sender.tenant_id if sender and tenant_id is None else tenant_id
    batch_id = uuid7()
    Batch.objects.create(
        id=batch_id,
        tenant_id=owner,
        name=name,
        callbacks={str(key): _callback(request, batch_id, owner) for key, request in callbacks.items()},
        created_at=timezone.now(),
    )
    return OpenBatch(batch_id)


def _callback(request: JobRequest, batch_id: UUID, tenant_id: int | None) -> Stored:
    """Return the callback as it is kept, with the batch's id for an actor that asks for it."""
    takes_id = "batch_id" in get_spec(request.actor).signature.parameters and not request.args
    told = {"batch_id": str(batch_id)} if takes_id else {}
    return store(
        replace(request, kwargs={**told, **request.kwargs}), tenant_id=tenant_id, what="the callback of a batch"
    )


@receiver(jobs_moved, dispatch_uid="jobs.batches")
def _notice(jobs: list[MovedJob], **_kwargs: Any) -> None:
    """Look at the batches whose members have just ended; should this process die first, the dispatcher looks."""
    ids = {job.batch_id for job in jobs if job.batch_id and job.state in ENDED}
    if ids:
        settle_batches(sorted(ids))


def settle_batches(batch_ids: Sequence[UUID] | None = None) -> int:
    """Send the callbacks that are due and close the batches (all when None) that have ended; return how many changed.

    Safe to repeat and to run in many processes: a batch's row is locked while its callbacks enter the ledger.
    """
    if batch_ids is None:
        _cancel_leftovers()
    return sum(_settle_safely(batch_id) for batch_id in _ripe(batch_ids))


# The newest member is asked for, not any: the oldest ended first, and their dead index entries would be read.
# With LIMIT, because an EXISTS may be turned into a list of all members of all batches, read from the whole ledger.
_HAS_ENDED = """(SELECT id FROM jobs_job WHERE batch_id = jobs_batch.id AND finished_at IS NULL
    ORDER BY id DESC LIMIT 1) IS NULL"""
_BAD = ", ".join(f"'{state}'" for state in ENDED if state is not State.SUCCEEDED)
_FIRST_FAILED = f"""callbacks ? '{Callback.FIRST_FAILURE}' AND NOT sent ? '{Callback.FIRST_FAILURE}'
    AND (SELECT id FROM jobs_job WHERE batch_id = jobs_batch.id AND state IN ({_BAD}) LIMIT 1) IS NOT NULL"""
_RIPE = f"""SELECT id FROM jobs_batch WHERE finished_at IS NULL AND {{which}}
    AND ({_HAS_ENDED} OR ({_FIRST_FAILED})) ORDER BY id LIMIT {CHUNK}"""


def _ripe(batch_ids: Sequence[UUID] | None) -> list[UUID]:
    """Return the batches that have something to send or to close, without a lock."""
    which = "TRUE" if batch_ids is None else "id = ANY(%(ids)s)"
    with connection.cursor() as cursor:
        cursor.execute(_RIPE.format(which=which), {"ids": list(batch_ids or ())})
        return [row[0] for row in cursor.fetchall()]


def _settle_safely(batch_id: UUID) -> bool:
    try:
        return _settle(batch_id)
    except (OperationalError, InterfaceError):
        raise  # the database is away: nothing that a single batch could have caused
    except Exception:
        log.exception("batch=%s cannot be settled now; the others go on", batch_id)
        return False


@transaction.atomic
def _settle(batch_id: UUID) -> bool:
    found = Batch.objects.select_for_update(skip_locked=True).filter(id=batch_id, finished_at=None).first()
    if found is None:
        return False  # somebody else is at it
    # Counted under the lock, in a statement that began after it: who added members has committed.
    tally = selectors.batch_tallies([found])[found.id]
    due = due_callbacks(tally, declared=found.callbacks, sent=found.sent)
    ids = insert([row_of(found.callbacks[callback], batch_id=None, cause_id=None) for callback in due])
    found.sent |= {str(callback): str(job_id) for callback, job_id in zip(due, ids, strict=True)}
    found.finished_at = None if tally.alive else timezone.now()
    found.save(update_fields=["sent", "finished_at"])
    told = ",".join(due) or "nothing"
    transaction.on_commit(lambda: log.info("batch=%s sent=%s ended=%s", batch_id, told, not tally.alive), robust=True)
    return bool(due) or not tally.alive


def reopen_batches(batch_ids: Sequence[UUID]) -> None:
    """Let batches end anew, in the transaction that replays members of theirs."""
    if batch_ids:
        Batch.objects.filter(id__in=batch_ids).update(finished_at=None, cancelled_at=None)


def cancel_batch(batch_id: UUID) -> int:
    """Cancel the waiting members, ask the running ones to stop, and take no more; return how many members it met.

    Its callbacks are sent as its members end. A batch that has ended is left alone. Raises Batch.DoesNotExist.
    """
    found = Batch.objects.get(id=batch_id)
    # Committed first, where no transaction is open: who adds members now is refused, and holds no lock of ours.
    if not Batch.objects.filter(id=found.id, finished_at=None).update(cancelled_at=timezone.now()):
        return 0
    return _cancel_members(found.id)


def _cancel_members(batch_id: UUID) -> int:
    where = "batch_id = %(batch_id)s AND finished_at IS NULL"
    total = 0
    while moved := move(domain.CANCEL, where=where, params={"batch_id": batch_id}, limit=CHUNK):
        total += len(moved)
    running = Job.objects.filter(batch_id=batch_id, state=State.RUNNING, finished_at=None, cancel_requested_at=None)
    return total + running.update(cancel_requested_at=timezone.now())


def _cancel_leftovers() -> None:
    """Cancel members of cancelled batches that were running and wait again, or whose canceller died halfway."""
    cancelled = Batch.objects.filter(finished_at=None, cancelled_at__isnull=False).values_list("id", flat=True)
    for batch_id in cancelled[:CHUNK]:
        _cancel_members(batch_id)


def prune_batches(*, ended_before: datetime, limit: int = 10_000) -> int:
    """Delete at most `limit` batches that ended before then and whose members are gone; return how many went."""
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM jobs_batch WHERE id = ANY(ARRAY(
                SELECT id FROM jobs_batch WHERE finished_at < %s
                    AND (SELECT id FROM jobs_job WHERE batch_id = jobs_batch.id LIMIT 1) IS NULL
                ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED))""",
            [ended_before, limit],
        )
        return int(cursor.rowcount)
