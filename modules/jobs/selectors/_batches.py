"""Batches and how far they are."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from django.db.models import Count

from modules.jobs.domain import State, Tally
from modules.jobs.models import Batch, Job


def newest_batches(*, limit: int) -> list[Batch]:
    """Return the newest batches, newest first."""
    return list(Batch.objects.order_by("-id")[:limit])


def get_batch(batch_id: UUID) -> Batch:
    """Return the batch; raises Batch.DoesNotExist."""
    return Batch.objects.get(id=batch_id)


def batch_tallies(batches: Iterable[Batch]) -> dict[UUID, Tally]:
    """Return how far each batch is, by its id, from one query for all of them."""
    found = {batch.id: batch for batch in batches}
    counts: dict[UUID, Counter[str]] = {batch_id: Counter() for batch_id in found}
    rows = Job.objects.filter(batch_id__in=found).order_by().values_list("batch_id", "state")
    for batch_id, state, count in rows.annotate(count=Count("*")):
        if batch_id is not None:
            counts[batch_id][state] = count
    return {batch_id: _tally(counts[batch_id], batch) for batch_id, batch in found.items()}


def _tally(members: Counter[str], batch: Batch) -> Tally:
    return Tally(
        waiting=members[State.SCHEDULED] + members[State.QUEUED] + members[State.RETRYING],
        running=members[State.RUNNING],
        succeeded=members[State.SUCCEEDED] + batch.pruned_succeeded,
        failed=members[State.FAILED] + members[State.QUARANTINED] + batch.pruned_failed,
        cancelled=members[State.CANCELLED] + batch.pruned_cancelled,
    )


def batch_members(batch_id: UUID, *, limit: int) -> list[Job]:
    """Return the newest members, newest first, without their payloads."""
    found = Job.objects.filter(batch_id=batch_id).order_by("-id")
    return list(found.defer("arguments", "result", "checkpoint", "chain")[:limit])
