"""Old notices go; see `kernel.cleanups`."""

from datetime import datetime, timedelta
from uuid import UUID

from modules.kernel.cleanups import Old, Report, sweep
from modules.notifications.models import CleanupReceipt

Rule = CleanupReceipt.Rule
_OLD = {
    Rule.READ: Old("notifications_notification", "read_at"),
    Rule.UNREAD: Old("notifications_notification", "created_at", "read_at IS NULL"),
}


def clean_up(
    *, run: UUID, read_days: int, unread_days: int, limit: int, now: datetime, report: Report
) -> dict[str, int]:
    """Delete notices read `read_days` ago or never read in `unread_days`; return how many by rule, of the whole run.

    `limit` rows in a statement. Called again with the same `run` it goes on, with the ages it began with; two runs at
    once delete each notice once. The receipt's oldest and newest are moments of reading for those that were read.
    """
    counts: dict[str, int] = {}
    for rule, days in ((Rule.READ, read_days), (Rule.UNREAD, unread_days)):
        receipt = CleanupReceipt.open(run=run, rule=rule, before=now - timedelta(days=days), now=now)
        counts[rule] = sweep(receipt, _OLD[rule], limit=limit, report=report)
    return counts
