"""What is old goes, a batch in one statement with the receipt that counts it: a kill leaves both or neither."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from modules.accounts.models import CleanupReceipt

Rule = CleanupReceipt.Rule
Report = Callable[[int], None]
"""Told after each batch how many the run has deleted so far; may raise to stop there."""


def clean_activity(
    *, run: UUID, days: int, limit: int, pause_seconds: float, now: datetime, report: Report
) -> dict[str, int]:
    """Delete what was done more than `days` ago, of all tenants; return how many by rule, of the whole run.

    `limit` rows in a statement, `pause_seconds` between two. Called again with the same `run` it goes on, with the
    age it began with; two runs at once delete each row once.
    """
    receipt = _open_receipt(run=run, rule=Rule.ACTIVITY, before=now - timedelta(days=days), now=now)
    return {Rule.ACTIVITY: _sweep(receipt, limit=limit, pause_seconds=pause_seconds, report=report)}


def clean_tokens(*, run: UUID, revoked_days: int, limit: int, now: datetime, report: Report) -> dict[str, int]:
    """Delete refresh tokens that expired or were revoked `revoked_days` ago, then logins that have none left.

    A login with a good token stays. `limit`, `run` and what is returned: see `clean_activity`.
    """
    borders = {Rule.EXPIRED: now, Rule.REVOKED: now - timedelta(days=revoked_days), Rule.LOGINS: now}
    counts: dict[str, int] = {}
    for rule, before in borders.items():
        receipt = _open_receipt(run=run, rule=rule, before=before, now=now)
        counts[rule] = _sweep(receipt, limit=limit, pause_seconds=0, report=report)
    return counts


def _open_receipt(*, run: UUID, rule: str, before: datetime, now: datetime) -> CleanupReceipt:
    return CleanupReceipt.objects.get_or_create(run=run, rule=rule, defaults={"before": before, "started_at": now})[0]


def _sweep(receipt: CleanupReceipt, *, limit: int, pause_seconds: float, report: Report) -> int:
    """Delete what the receipt's rule calls old, batch by batch; return how many went in the whole run."""
    gone, done = _delete_batch(receipt, limit=limit)
    while gone:  # a short batch may be one of which another run took some
        report(done)
        time.sleep(pause_seconds)  # others get their turn at the disk
        gone, done = _delete_batch(receipt, limit=limit)
    CleanupReceipt.objects.filter(pk=receipt.pk, finished_at=None).update(finished_at=Now())
    return done


# By place and not by key: the rows need no second look-up. From where the batch before ended, or each would walk again
# over what is gone: what comes in meanwhile with an older moment goes in the next run.
# No batch waits for the disk: one that a crash of the server loses was never counted either, and goes again.
_DELETE = """
    WITH gone AS (
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE {moment} < %(before)s AND {moment} >= coalesce(
                (SELECT newest_at FROM accounts_cleanupreceipt WHERE id = %(receipt_id)s), '-infinity') {unless}
            ORDER BY {moment} LIMIT %(limit)s
        )) RETURNING {moment} AS moment),
    told AS (SELECT count(*) AS count, min(moment) AS oldest, max(moment) AS newest,
        set_config('synchronous_commit', 'off', true) FROM gone)
    UPDATE accounts_cleanupreceipt AS receipt
    SET count = receipt.count + told.count,
        oldest_at = least(oldest_at, oldest), newest_at = greatest(newest_at, newest)
    FROM told WHERE receipt.id = %(receipt_id)s RETURNING told.count, receipt.count"""

_HAS_TOKENS = "EXISTS (SELECT FROM accounts_refreshtoken token WHERE token.login_id = accounts_login.id)"
_OLD = {
    Rule.ACTIVITY: {"table": "accounts_activityentry", "moment": "at", "unless": ""},
    Rule.EXPIRED: {"table": "accounts_refreshtoken", "moment": "expires_at", "unless": ""},
    Rule.REVOKED: {"table": "accounts_refreshtoken", "moment": "revoked_at", "unless": ""},
    Rule.LOGINS: {"table": "accounts_login", "moment": "opened_at", "unless": f"AND NOT {_HAS_TOKENS}"},
}
"""Where the rows of a rule are, which moment makes them old, and what keeps them all the same."""


def _delete_batch(receipt: CleanupReceipt, *, limit: int) -> tuple[int, int]:
    """Delete and count in one statement; return how many went, now and in the whole run."""
    with connection.cursor() as cursor:
        cursor.execute(
            _DELETE.format(**_OLD[Rule(receipt.rule)]),
            {"before": receipt.before, "limit": limit, "receipt_id": receipt.pk},
        )
        gone, done = cursor.fetchone()
        return gone, done
