"""Old notices go, a batch in a transaction with the receipt that counts it: a kill leaves both or neither."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Greatest, Least

from modules.notifications import selectors
from modules.notifications.models import CleanupReceipt, Notification

Rule = CleanupReceipt.Rule
Report = Callable[[int], None]


def clean_up(
    *, run: UUID, read_days: int, unread_days: int, limit: int, now: datetime, report: Report
) -> dict[str, int]:
    """Delete notices read `read_days` ago or never read in `unread_days`; return how many by rule, of the whole run.

    `limit` rows in a transaction; `report` is told after each how many are gone. Called again with the same `run`
    it goes on, with the ages it began with; another run at the same time takes other rows.
    """
    counts: dict[str, int] = {}
    for rule, days in ((Rule.READ, read_days), (Rule.UNREAD, unread_days)):
        before = now - timedelta(days=days)
        receipt, _ = CleanupReceipt.objects.get_or_create(
            run=run, rule=rule, defaults={"before": before, "started_at": now}
        )
        while _delete_batch(receipt, limit=limit) == limit:
            report(limit)
        CleanupReceipt.objects.filter(pk=receipt.pk, finished_at=None).update(finished_at=now)
        receipt.refresh_from_db()
        counts[rule] = receipt.count
    return counts


def _delete_batch(receipt: CleanupReceipt, *, limit: int) -> int:
    with transaction.atomic():
        old = selectors.old_notices(rule=receipt.rule, before=receipt.before)
        found = list(old.select_for_update(skip_locked=True).values_list("id", "created_at")[:limit])
        if not found:
            return 0
        Notification.objects.filter(id__in=[number for number, _ in found]).delete()
        times = [created_at for _, created_at in found]
        CleanupReceipt.objects.filter(pk=receipt.pk).update(
            count=F("count") + len(found),
            oldest_at=Least(Coalesce("oldest_at", Value(min(times))), Value(min(times))),
            newest_at=Greatest(Coalesce("newest_at", Value(max(times))), Value(max(times))),
        )
    return len(found)
