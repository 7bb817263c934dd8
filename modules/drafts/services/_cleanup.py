"""Old drafts go: their documents from the storage first, then the row. One that fails does not hold up the others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest, Least

from modules.drafts import clients, selectors
from modules.drafts.domain import Retention
from modules.drafts.models import CleanupReceipt, Document, Record

Report = Callable[[int], None]
Rule = CleanupReceipt.Rule
_STAMP = "version", "edited_at", "deletion_started_at"


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

    Not one transaction: a draft with documents is taken out of its editors' hands, they are deleted from the storage,
    and then row and receipt change together. Killed in between, it is finished by the next run. A draft that was
    edited or published after it was looked up survives. With the same `run` it goes on as it began. `report` is
    told how many of each batch are dealt with.
    """
    receipt = _open_receipt(run, retention, now)
    failures: list[Failure] = []
    last_id = 0
    while batch := _look_up(retention, now=receipt.started_at, after=last_id, limit=limit):
        failures += _delete_batch(batch, retention, receipt=receipt, now=now)
        last_id = batch[-1].pk
        report(len(batch))
    return _close_receipt(receipt, failures, now)


def _open_receipt(run: UUID, retention: Retention, now: datetime) -> CleanupReceipt:
    rule = Rule.EDITED if retention.from_edit else Rule.CREATED
    return CleanupReceipt.open(run=run, rule=rule, before=retention.stale_before(now), now=now)


def _close_receipt(receipt: CleanupReceipt, failures: list[Failure], now: datetime) -> Cleaned:
    CleanupReceipt.objects.filter(pk=receipt.pk).update(failed=len(failures), finished_at=None if failures else now)
    receipt.refresh_from_db()
    return Cleaned(receipt.count, failures)


def _look_up(retention: Retention, *, now: datetime, after: int, limit: int) -> list[Record]:
    found = selectors.deletable_drafts(retention=retention, now=now).filter(pk__gt=after)
    return list(found.only("public_id", *_STAMP)[:limit])


def _delete_batch(
    batch: list[Record], retention: Retention, *, receipt: CleanupReceipt, now: datetime
) -> list[Failure]:
    """Delete those with documents one by one, the others in one transaction; return which are left and why."""
    keys = selectors.storage_keys([record.pk for record in batch])
    found = [
        _delete(record, keys[record.pk], retention, receipt=receipt, now=now) for record in batch if record.pk in keys
    ]
    _bury_bare([record for record in batch if record.pk not in keys], retention, receipt=receipt, now=now)
    return [failure for failure in found if failure]


@transaction.atomic
def _bury_bare(records: list[Record], retention: Retention, *, receipt: CleanupReceipt, now: datetime) -> None:
    """Delete drafts without documents: those that are what was looked up, and that nobody has in hand."""
    seen = {record.pk: _stamp(record) for record in records}
    there = selectors.deletable_drafts(retention=retention, now=receipt.started_at).filter(pk__in=seen)
    locked = there.select_for_update(skip_locked=True)
    _bury([record for record in locked if _stamp(record) == seen[record.pk]], receipt=receipt, now=now)


def _delete(
    record: Record, keys: list[str], retention: Retention, *, receipt: CleanupReceipt, now: datetime
) -> Failure | None:
    """Delete one draft, unless it changed meanwhile; return why it is left, if the storage failed."""
    if not _take(record, retention, receipt=receipt, now=now):
        return None
    deleted = 0
    try:
        for key in keys:
            clients.delete_object(key)
            deleted += 1
    except clients.StorageFailed as error:
        if deleted == 0 and record.deletion_started_at is None:
            _give_back(record, taken_at=now)
        return Failure(record.public_id, str(error))
    with transaction.atomic():
        left = selectors.half_deleted_drafts().filter(pk=record.pk)
        _bury(list(left.select_for_update()), receipt=receipt, now=now)
    return None


def _take(record: Record, retention: Retention, *, receipt: CleanupReceipt, now: datetime) -> bool:
    """Take the draft out of its editors' hands, or over from a run that left it, if it is what was looked up."""
    there = selectors.deletable_drafts(retention=retention, now=receipt.started_at)
    same = there.filter(pk=record.pk, **dict(zip(_STAMP, _stamp(record), strict=True)))
    return same.order_by().update(deletion_started_at=now) == 1


def _stamp(record: Record) -> tuple[Any, ...]:
    """Return what changes with each change of the draft."""
    return tuple(getattr(record, name) for name in _STAMP)


def _give_back(record: Record, *, taken_at: datetime) -> None:
    """Let the draft be edited again: it is whole, unless another run has taken it over and deleted something."""
    mine = selectors.half_deleted_drafts().filter(pk=record.pk, deletion_started_at=taken_at)
    mine.update(deletion_started_at=None)


def _bury(records: list[Record], *, receipt: CleanupReceipt, now: datetime) -> None:
    """Mark locked drafts and their documents as deleted and count them."""
    if not records:
        return
    numbers, times = [record.pk for record in records], [record.created_at for record in records]
    Record.objects.filter(pk__in=numbers).update(deleted_at=now, deletion_started_at=None)
    documents = Document.objects.filter(record__in=numbers, deleted_at=None).update(
        deleted_at=now, content_deleted_at=now
    )
    CleanupReceipt.objects.filter(pk=receipt.pk).update(
        count=F("count") + len(records),
        documents=F("documents") + documents,
        oldest_at=Least("oldest_at", min(times)),
        newest_at=Greatest("newest_at", max(times)),
    )
