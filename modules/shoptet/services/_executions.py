from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from modules.notifications.services import announce_to_members
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution

Status = SnapshotExecution.Status


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record to set aside; `code` is "" where even that could not be read."""

    code: str
    raw: str
    reason: str


def begin_execution(
    *, shop: Shop, kind: str, trigger: str, job_id: UUID | None, started_at: datetime
) -> SnapshotExecution:
    """Return the shop's open log entry of this kind, which this run goes on with, or a new one.

    Only the holder of the shop's cursor may call this: whoever left the entry open is gone.
    """
    entry: SnapshotExecution | None = SnapshotExecution.objects.filter(shop=shop, kind=kind, finished_at=None).last()
    if entry is None:
        entry = SnapshotExecution(
            tenant_id=shop.tenant_id, shop=shop, kind=kind, trigger=trigger, started_at=started_at
        )
    entry.status, entry.job_id = Status.REQUESTED, job_id
    entry.save()
    return entry


def note_progress(execution: SnapshotExecution, **added: int) -> None:
    """Add to the counts of a log entry."""
    counts = {name: F(name) + count for name, count in added.items() if count}
    SnapshotExecution.objects.filter(id=execution.pk).update(status=Status.PROCESSING, **counts)


def close_execution(
    execution: SnapshotExecution, *, status: str, finished_at: datetime | None, error: str = ""
) -> None:
    """Say how a run ended; `finished_at` is None for one that only waits."""
    SnapshotExecution.objects.filter(id=execution.pk).update(status=status, finished_at=finished_at, error=error)


def announce_completed(execution: SnapshotExecution, *, now: datetime) -> None:
    """Tell members who are there that a shop's data were read, in the caller's transaction; nothing new is no news."""
    entry = SnapshotExecution.objects.get(id=execution.pk)
    told = {name: getattr(entry, name) for name in ("created", "updated", "deleted")}
    if "snapshot" in entry.kind or any(told.values()):
        payload = {"executionId": entry.pk, "shopId": entry.shop_id, "kind": entry.kind, **told}
        announce_to_members(tenant_id=entry.tenant_id, type="import", payload=payload, now=now)


def tell_shop(shop: Shop, *, kind: str, error: str, paused_until: datetime | None) -> None:
    """Show at the shop how its last run of `kind` went. One transaction; safe to repeat.

    What is wrong with orders stays until orders can be read again, whatever becomes of products: `last_error` says
    everything that is wrong, each sentence once.
    """
    topic = kind.partition("-")[0]
    with transaction.atomic():
        errors = Shop.objects.select_for_update().values_list("errors", flat=True).get(id=shop.pk)
        shop.errors = {name: text for name, text in {**errors, topic: error}.items() if text}
        shop.last_error, shop.paused_until = " ".join(dict.fromkeys(shop.errors.values())), paused_until
        shop.save(update_fields=["errors", "last_error", "paused_until"])


def park_records(*, shop: Shop, kind: str, records: Iterable[Unreadable], at: datetime) -> int:
    """Set records aside, one open entry per code; return how many. Two or three queries."""
    by_code = {record.code: record for record in records}
    parked = {
        entry.code: entry
        for entry in ParkedRecord.objects.filter(shop=shop, kind=kind, code__in=by_code, resolved_at=None)
    }
    for entry in parked.values():
        entry.raw, entry.reason = by_code[entry.code].raw, by_code[entry.code].reason
        entry.attempts, entry.attempted_at = entry.attempts + 1, at
    ParkedRecord.objects.bulk_update(parked.values(), ["raw", "reason", "attempts", "attempted_at"])
    ParkedRecord.objects.bulk_create(
        ParkedRecord(
            tenant_id=shop.tenant_id,
            shop=shop,
            kind=kind,
            code=record.code,
            raw=record.raw,
            reason=record.reason,
            parked_at=at,
            attempted_at=at,
        )
        for record in by_code.values()
        if record.code not in parked
    )
    return len(by_code)


def resolve_parked(*, shop: Shop, kind: str, codes: Iterable[str], at: datetime) -> None:
    """Close the entries of records that could be read, or are gone. Safe to repeat."""
    ParkedRecord.objects.filter(shop=shop, kind=kind, code__in=list(codes), resolved_at=None).update(resolved_at=at)
