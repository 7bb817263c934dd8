"""Old drafts go: their documents from the storage first, then the row. One that fails does not hold up the others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Least

from modules.drafts import clients, selectors
from modules.drafts.domain import Retention
from modules.drafts.models import CleanupReceipt, Document, Record

Report = Callable[[int], None]
Rule = CleanupReceipt.Rule


@dataclass(frozen=True)
class Failure:
    """A draft that is left because the storage failed."""

    record_id: UUID
    reason: str


@dataclass(frozen=True)
class Cleaned:
    """What a run deleted, its earlier starts included, and what it left."""

    count: int
    failures: list[Failure]


def clean_up(*, run: UUID, retention: Retention, limit: int, now: datetime, report: Report) -> Cleaned:
    """Delete drafts in scope that are old enough and were warned of; `limit` are looked up at a time, until none.

    Not one transaction: each draft is taken out of its editors' hands, its documents are deleted from the storage,
    and then row and receipt change together. Killed in between, it is finished by the next run. A draft that was
    edited or published after it was looked up survives. With the same `run` it goes on as it began. `report` is
    told how many of each batch are dealt with.
    """
    receipt = _open_receipt(run, retention, now)
    failures: list[Failure] = []
    last_id = 0
    while batch := _look_up(retention, now=receipt.started_at, after=last_id, limit=limit):
        found = [_delete(record, retention, receipt=receipt, now=now) for record in batch]
        failures += [failure for failure in found if failure]
        last_id = batch[-1].pk
        report(len(batch))
    return _close_receipt(receipt, failures, now)


def _open_receipt(run: UUID, retention: Retention, now: datetime) -> CleanupReceipt:
    rule = Rule.EDITED if retention.from_edit else Rule.CREATED
    defaults = {"before": retention.stale_before(now), "started_at": now}
    return CleanupReceipt.objects.get_or_create(run=run, rule=rule, defaults=defaults)[0]


def _close_receipt(receipt: CleanupReceipt, failures: list[Failure], now: datetime) -> Cleaned:
    CleanupReceipt.objects.filter(pk=receipt.pk).update(failed=len(failures), finished_at=None if failures else now)
    receipt.refresh_from_db()
    return Cleaned(receipt.count, failures)


def _look_up(retention: Retention, *, now: datetime, after: int, limit: int) -> list[Record]:
    found = selectors.deletable_drafts(retention=retention, now=now).filter(pk__gt=after)
    return list(found.only("public_id", "version", "deletion_started_at")[:limit])


def _delete(record: Record, retention: Retention, *, receipt: CleanupReceipt, now: datetime) -> Failure | None:
    """Delete one draft, unless it changed meanwhile; return why it is left, if the storage failed."""
    if not _take(record, retention, receipt=receipt, now=now):
        return None
    deleted = 0
    try:
        for key in selectors.storage_keys(record.pk):
            clients.delete_object(key)
            deleted += 1
    except clients.StorageFailed as error:
        if deleted == 0 and record.deletion_started_at is None:
            _give_back(record, taken_at=now)
        return Failure(record.public_id, str(error))
    _bury(record, receipt=receipt, now=now)
    return None


def _take(record: Record, retention: Retention, *, receipt: CleanupReceipt, now: datetime) -> bool:
    """Take the draft out of its editors' hands, or over from a run that left it, if it is what was looked up."""
    there = selectors.deletable_drafts(retention=retention, now=receipt.started_at)
    same = there.filter(pk=record.pk, version=record.version, deletion_started_at=record.deletion_started_at)
    return same.order_by().update(deletion_started_at=now) == 1


def _give_back(record: Record, *, taken_at: datetime) -> None:
    """Let the draft be edited again: it is whole, unless another run has taken it over and deleted something."""
    mine = selectors.half_deleted_drafts().filter(pk=record.pk, deletion_started_at=taken_at)
    mine.update(deletion_started_at=None)


@transaction.atomic
def _bury(record: Record, *, receipt: CleanupReceipt, now: datetime) -> None:
    """Mark the draft and its documents as deleted and count them; of two at once, one does."""
    left = selectors.half_deleted_drafts().filter(pk=record.pk)
    created_at = left.values_list("created_at", flat=True).first()
    if created_at is None or not left.update(deleted_at=now, deletion_started_at=None):
        return
    documents = Document.objects.filter(record_id=record.pk, deleted_at=None).update(deleted_at=now)
    CleanupReceipt.objects.filter(pk=receipt.pk).update(
        count=F("count") + 1,
        documents=F("documents") + documents,
        oldest_at=Least("oldest_at", created_at),
        newest_at=Greatest("newest_at", created_at),
    )
