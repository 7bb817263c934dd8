"""What is done to all jobs that match a search: counted first, then chunk by chunk, each a transaction of its own."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from modules.jobs import selectors
from modules.jobs.domain import ALIVE, DEAD_LETTERS, Known, State, Term, parse_search, write_search
from modules.jobs.models import BulkOperation, Job
from modules.jobs.services._control import cancel, discard, replay
from modules.jobs.services._enqueue import enqueue
from modules.kernel import clock
from modules.kernel.ids import uuid7

log = logging.getLogger("backroom.jobs")

CHUNK = 500
MAX_TEXT = 300  # characters of what people write
CHUNKS_OF_A_RUN = 20  # then the job sends itself anew, so that none is long

Verb = BulkOperation.Verb
_SOURCES: Mapping[str, Sequence[State]] = {
    Verb.CANCEL: ALIVE,
    Verb.REPLAY: DEAD_LETTERS,
    Verb.DISCARD: DEAD_LETTERS,
}
_ACTS: Mapping[str, Callable[[Sequence[UUID]], int]] = {
    Verb.CANCEL: cancel,
    Verb.REPLAY: replay,
    Verb.DISCARD: discard,
}


class NothingMatches(Exception):
    """No job in a state that allows it matches."""


def bulk_jobs(
    verb: str, terms: Sequence[Term], *, tenant_ids: Sequence[int] | None, upto: UUID, now: datetime
) -> "QuerySet[Job]":
    """Return the jobs that match and are in a state that allows it, of these tenants or, for None, of all."""
    jobs = Job.objects.filter(id__lte=upto)
    if tenant_ids is not None:
        jobs = jobs.filter(tenant_id__in=list(tenant_ids))
    found = selectors.search_jobs(jobs, terms, now=now).filter(state__in=_SOURCES[verb])
    # One that was asked to stop already needs no second word.
    return found.filter(cancel_requested_at__isnull=True) if verb == Verb.CANCEL else found


def start_bulk(
    verb: str, terms: Sequence[Term], *, tenant_ids: Sequence[int] | None, by: str, reason: str
) -> BulkOperation:
    """Begin, and return the operation as it then is: done, where one chunk is all, else a job goes on with it.

    Jobs sent from now on are not caught. Raises NothingMatches.
    """
    now, upto = clock.now(), uuid7()
    total = bulk_jobs(verb, terms, tenant_ids=tenant_ids, upto=upto, now=now).count()
    if not total:
        raise NothingMatches
    with transaction.atomic():
        begun = BulkOperation.objects.create(
            verb=verb,
            search=write_search(list(terms)),
            tenant_ids=None if tenant_ids is None else list(tenant_ids),
            upto=upto,
            reason=reason[:MAX_TEXT],
            started_by=by,
            started_at=now,
            total=total,
        )
        log.info("bulk=%s %s of %d jobs begins by %s: %s", begun.pk, verb, total, by, begun.search or "all")
        if total > CHUNK or continue_bulk(begun.pk, chunks=1):
            _send(begun)
    begun.refresh_from_db()
    return begun


def _send(operation: BulkOperation) -> None:
    enqueue("jobs.run_bulk", kwargs={"operation_id": operation.pk}, queue="high", tags=[f"bulk:{operation.pk}"])


def continue_bulk(operation_id: int, *, chunks: int = CHUNKS_OF_A_RUN) -> bool:
    """Do at most so many chunks; return whether more is to be done. Safe to repeat, and to run twice at once."""
    return all(_do_chunk(operation_id) for _ in range(chunks))


@transaction.atomic
def _do_chunk(operation_id: int) -> bool:
    operation = BulkOperation.objects.select_for_update().filter(pk=operation_id).first()
    if operation is None or operation.state != BulkOperation.State.RUNNING:
        return False
    if operation.paced_at is None:
        operation.paced_at, operation.paced_from = clock.now(), operation.handled
    ids = _next_ids(operation)
    count = _ACTS[operation.verb](ids) if ids else 0
    operation.done += count
    operation.passed_over += len(ids) - count
    if len(ids) == CHUNK:
        operation.after = ids[-1]
    else:
        operation.state, operation.ended_at = BulkOperation.State.DONE, clock.now()
        log.info("bulk=%s done: %d, passed over: %d", operation.pk, operation.done, operation.passed_over)
    operation.save()
    return operation.state == BulkOperation.State.RUNNING


def _next_ids(operation: BulkOperation) -> list[UUID]:
    jobs = bulk_jobs(
        operation.verb,
        parse_search(operation.search, Known()),
        tenant_ids=operation.tenant_ids,
        upto=operation.upto,
        now=operation.started_at,
    )
    if operation.after:
        jobs = jobs.filter(id__gt=operation.after)
    return list(jobs.order_by("id").values_list("id", flat=True)[:CHUNK])


def pause_bulk(operation_id: int) -> bool:
    """Stop after the present chunk, until somebody resumes it; return whether it ran."""
    running = BulkOperation.objects.filter(pk=operation_id, state=BulkOperation.State.RUNNING)
    return bool(running.update(state=BulkOperation.State.PAUSED, ended_at=clock.now()))


def resume_bulk(operation_id: int) -> bool:
    """Go on where it stopped; return whether it had been paused."""
    with transaction.atomic():
        paused = BulkOperation.objects.select_for_update().filter(pk=operation_id, state=BulkOperation.State.PAUSED)
        if (operation := paused.first()) is None:
            return False
        paused.update(state=BulkOperation.State.RUNNING, ended_at=None, paced_at=None)
        _send(operation)
    return True


def stop_bulk(operation_id: int) -> bool:
    """End it for good; what is done stays done. Return whether it had not ended."""
    open_ones = BulkOperation.objects.filter(
        pk=operation_id, state__in=[BulkOperation.State.RUNNING, BulkOperation.State.PAUSED]
    )
    return bool(open_ones.update(state=BulkOperation.State.STOPPED, ended_at=clock.now()))


def prune_bulk(*, ended_before: datetime, limit: int = 10_000) -> int:
    """Delete operations that ended, or were paused, before then; return how many rows went."""
    old = BulkOperation.objects.filter(ended_at__lt=ended_before).order_by("id").values_list("id", flat=True)
    gone, _ = BulkOperation.objects.filter(pk__in=list(old[:limit])).delete()
    return gone
