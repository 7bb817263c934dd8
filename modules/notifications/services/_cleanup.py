"""Old notices go, a batch in one statement with the receipt that counts it: a kill leaves both or neither."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from modules.notifications.models import CleanupReceipt

Rule = CleanupReceipt.Rule
Report = Callable[[int], None]


def clean_up(
    *, run: UUID, read_days: int, unread_days: int, limit: int, now: datetime, report: Report
) -> dict[str, int]:
    """Delete notices read `read_days` ago or never read in `unread_days`; return how many by rule, of the whole run.

    `limit` rows in a statement; `report` is told after each how many are gone. Called again with the same `run`
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


_OLD = {
    Rule.READ: "read_at < %(before)s ORDER BY read_at",
    Rule.UNREAD: "read_at IS NULL AND created_at < %(before)s ORDER BY created_at",
}
_DELETE = """
    WITH old AS (SELECT id FROM notifications_notification WHERE {old} LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM notifications_notification WHERE id IN (SELECT id FROM old) RETURNING created_at),
    told AS (SELECT count(*) AS count, min(created_at) AS oldest, max(created_at) AS newest FROM gone)
    UPDATE notifications_cleanupreceipt AS receipt
    SET count = receipt.count + told.count,
        oldest_at = least(oldest_at, oldest), newest_at = greatest(newest_at, newest)
    FROM told WHERE receipt.id = %(receipt_id)s RETURNING told.count"""


def _delete_batch(receipt: CleanupReceipt, *, limit: int) -> int:
    """Delete and count in one statement, of all tenants; return how many went."""
    with connection.cursor() as cursor:
        cursor.execute(
            _DELETE.format(old=_OLD[Rule(receipt.rule)]),
            {"before": receipt.before, "limit": limit, "receipt_id": receipt.pk},
        )
        return int(cursor.fetchone()[0])
