"""What offline clients ask for later: done exactly once, tried again by a table, and conflicts are no failures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from modules.drafts import selectors
from modules.drafts.domain import Operation, RetryTable, Right, check_operation
from modules.drafts.models import Record, SyncItem
from modules.drafts.services import _records
from modules.kernel.secrets import mask_text
from modules.kernel.tenancy import tenant_scope
from modules.notifications import services as notification_services
from modules.notifications.domain import Kind
from modules.notifications.services import Live, Notice

Report = Callable[[int], None]
Status = SyncItem.Status
APPLIED = "applied"
MAX_ERROR = 500


class NotPossibleNow(Exception):
    """The operation cannot be done at this moment; what it needs may come."""


class NotAllowed(Exception):
    """Who asks may see this, and may not write there; that may change, so it is tried again like any other failure."""


@dataclass(frozen=True)
class Change:
    """What a client asks for, under a number of its own that makes asking again harmless."""

    client_id: UUID
    operation: str
    payload: Mapping[str, Any]


@dataclass
class Retried:
    """What became of a run's items."""

    applied: int = 0
    failed: int = 0
    conflicts: int = 0
    given_up: int = 0


def submit_changes(
    *, tenant_id: int, user_id: int, changes: Sequence[Change], now: datetime, table: RetryTable | None = None
) -> dict[UUID, str]:
    """Do what an offline client asks for, in its order; return "applied", "failed" or "conflict" by its number.

    What failed is kept and tried again, the first time after the table's first delay. Each change is a transaction
    of its own. Raises InvalidOperation for any of them before anything is done.
    """
    for change in changes:
        check_operation(change.operation, change.payload)
    with tenant_scope(tenant_id):
        kept = selectors.sync_items(user_id=user_id, client_ids=[change.client_id for change in changes])
        outcomes = {number: str(item.status) for number, item in kept.items()}
        for change in changes:
            if change.client_id not in outcomes:
                item = _new_item(tenant_id, user_id, change, now)
                outcomes[change.client_id] = _first_try(item, table or RetryTable(), now)
    return outcomes


def retry_sync(*, table: RetryTable, limit: int, now: datetime, report: Report) -> Retried:
    """Try again what is due in scope, `limit` items in a transaction, until nothing is due.

    What works is removed. What fails waits for the table's next delay; after its last retry it has failed for good,
    and its user is told, as of a conflict. Two at once take different items.
    """
    total = Retried()
    while found := _retry_batch(table, limit=limit, now=now, total=total):
        report(found)
    return total


def try_again(*, item_id: int, now: datetime) -> bool:
    """Let an item in scope that was given up or is in conflict have all its retries anew; False when it is neither."""
    ended = SyncItem.objects.filter(pk=item_id).exclude(status=Status.FAILED)
    return ended.update(status=Status.FAILED, retry_count=0, next_retry_at=now) == 1


def _new_item(tenant_id: int, user_id: int, change: Change, now: datetime) -> SyncItem:
    return SyncItem(
        tenant_id=tenant_id,
        user_id=user_id,
        client_id=change.client_id,
        operation=change.operation,
        payload=dict(change.payload),
        created_at=now,
    )


@transaction.atomic
def _first_try(item: SyncItem, table: RetryTable, now: datetime) -> str:
    """Do it, or keep it with what went wrong; return what became of it."""
    outcome = _attempt(item, now)
    if outcome == Status.FAILED:
        item.next_retry_at = table.next_at(retries=0, now=now)
    if outcome != APPLIED:
        item.status = outcome
        item.save(force_insert=True)
        _tell([item] if outcome == Status.CONFLICT else [], now=now)
    return outcome


@transaction.atomic
def _retry_batch(table: RetryTable, *, limit: int, now: datetime, total: Retried) -> int:
    items = list(selectors.due_sync_items(now=now).select_for_update(skip_locked=True)[:limit])
    outcomes = {item.pk: _attempt(item, now) for item in items}
    left = [item for item in items if outcomes[item.pk] != APPLIED]
    for item in left:
        _put_off(item, outcomes[item.pk], table, now)
    SyncItem.objects.filter(pk__in=[pk for pk, outcome in outcomes.items() if outcome == APPLIED]).delete()
    SyncItem.objects.bulk_update(left, ["status", "retry_count", "next_retry_at", "last_error"])
    _tell([item for item in left if item.status != Status.FAILED], now=now)
    _announce(items, left, now=now)
    _count(total, items, left)
    return len(items)


def _put_off(item: SyncItem, outcome: str, table: RetryTable, now: datetime) -> None:
    item.retry_count += 1
    item.status = outcome
    item.next_retry_at = None
    if outcome == Status.FAILED:
        item.next_retry_at = table.next_at(retries=item.retry_count, now=now)
        item.status = Status.FAILED if item.next_retry_at else Status.PERMANENTLY_FAILED


def _count(total: Retried, items: list[SyncItem], left: list[SyncItem]) -> None:
    total.applied += len(items) - len(left)
    total.failed += sum(item.status == Status.FAILED for item in left)
    total.conflicts += sum(item.status == Status.CONFLICT for item in left)
    total.given_up += sum(item.status == Status.PERMANENTLY_FAILED for item in left)


def _attempt(item: SyncItem, now: datetime) -> str:
    """Do what the item asks for, all of it or nothing; return what became of it and note the error."""
    try:
        with tenant_scope(item.tenant_id), transaction.atomic():
            _check_member(item)
            _DOERS[Operation(item.operation)](item, now)
    except _records.RecordChanged as error:
        item.last_error = str(error)
        return Status.CONFLICT
    except Exception as error:  # noqa: BLE001 -- whatever is wrong with one, the others have their turn
        item.last_error = mask_text(f"{type(error).__name__}: {error}")[:MAX_ERROR]
        return Status.FAILED
    return APPLIED


def _check_member(item: SyncItem) -> None:
    if not selectors.members_of([(item.tenant_id, item.user_id)]):
        raise NotPossibleNow("The user is no active member.")


def _tell(items: list[SyncItem], *, now: datetime) -> None:
    """Tell users who are still there that their change will not happen by itself any more, and why."""
    there = selectors.members_of([(item.tenant_id, item.user_id) for item in items])
    for item in items:
        if (item.tenant_id, item.user_id) in there:
            notice = Notice(item.user_id, Kind.SYNC_FAILED, _payload(item))
            notification_services.notify_many(tenant_id=item.tenant_id, notices=[notice], now=now)


def _announce(items: list[SyncItem], left: list[SyncItem], *, now: datetime) -> None:
    """Tell clients that are there what became of their changes; those that wait for another try are no news."""
    waiting = {item.pk for item in left if item.status == Status.FAILED}
    ended = {item.pk: item.status for item in left}
    news: dict[int, list[Live]] = {}
    for item in items:
        if item.pk not in waiting:
            told = {"clientId": str(item.client_id), "outcome": ended.get(item.pk, APPLIED)}
            news.setdefault(item.tenant_id, []).append(Live(item.user_id, "sync", told))
    for tenant_id, events in news.items():
        notification_services.announce(tenant_id=tenant_id, events=events, now=now)


def _payload(item: SyncItem) -> dict[str, Any]:
    return {
        "clientId": str(item.client_id),
        "operation": item.operation,
        "reason": "conflict" if item.status == Status.CONFLICT else "failed",
        "retryCount": item.retry_count,
    }


def _create(item: SyncItem, now: datetime) -> None:
    payload = item.payload
    _check_place(item)
    known = selectors.find_record(payload["recordId"])
    if known is not None:
        if known.author_id != item.user_id:
            raise _records.RecordChanged("Somebody else's record has this number.")
        return  # the answer to an earlier request was lost on its way
    _records.create_record(
        property_id=payload["propertyId"],
        unit_id=payload.get("unitId"),
        title=payload["title"],
        body=payload.get("body", ""),
        author_id=item.user_id,
        public_id=payload["recordId"],
        now=now,
        by_id=item.user_id,
    )


def _update(item: SyncItem, now: datetime) -> None:
    record = _record(item)
    texts = {name: item.payload[name] for name in ("title", "body") if name in item.payload}
    if all(getattr(record, name) == text for name, text in texts.items()):
        return  # done before, or by somebody of the same mind
    base_version = item.payload["baseVersion"]
    _records.edit_record(record_id=record.pk, base_version=base_version, now=now, by_id=item.user_id, **texts)


def _publish(item: SyncItem, now: datetime) -> None:
    base_version = item.payload["baseVersion"]
    _records.publish_record(record_id=_record(item).pk, base_version=base_version, now=now, by_id=item.user_id)


def _comment(item: SyncItem, now: datetime) -> None:
    if selectors.find_comment(item.payload["commentId"]) is None:
        _records.add_comment(
            record_id=_record(item).pk,
            author_id=item.user_id,
            text=item.payload["text"],
            public_id=item.payload["commentId"],
            now=now,
            by_id=item.user_id,
        )


def _record(item: SyncItem) -> Record:
    """Return the record in which the person may write; raises RecordGone where they see none, and NotAllowed."""
    number = item.payload["recordId"]
    if not selectors.records(to=item.user_id).filter(public_id=number).exists():
        raise _records.RecordGone(f"There is no record {number}.")
    record = selectors.records(to=item.user_id, right=Right.WRITE).filter(public_id=number).first()
    if record is None:
        raise NotAllowed(f"The record {number} is shared for reading.")
    return record


def _check_place(item: SyncItem) -> None:
    """Let through who may write about the property, or about its unit; raises NoSuchPlace, NotAllowed."""
    property_id, unit_id = item.payload["propertyId"], item.payload.get("unitId")
    may = partial(selectors.may_in, to=item.user_id, property_id=property_id, unit_id=unit_id)
    if not may(right=Right.READ):
        raise _records.NoSuchPlace(f"There is no property {property_id}.")
    if not may(right=Right.WRITE):
        raise NotAllowed(f"The property {property_id} is shared for reading.")


_DOERS: dict[Operation, Callable[[SyncItem, datetime], None]] = {
    Operation.CREATE_RECORD: _create,
    Operation.UPDATE_RECORD: _update,
    Operation.PUBLISH_RECORD: _publish,
    Operation.ADD_COMMENT: _comment,
}
