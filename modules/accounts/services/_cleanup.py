"""What people did long ago, and tokens that open nothing any more, go; see `kernel.cleanups`."""

from datetime import datetime, timedelta
from uuid import UUID

from modules.accounts.models import CleanupReceipt
from modules.kernel.cleanups import Old, Report, sweep

Rule = CleanupReceipt.Rule


def clean_activity(
    *, run: UUID, days: int, limit: int, pause_seconds: float, now: datetime, report: Report
) -> dict[str, int]:
    """Delete what was done more than `days` ago, of all tenants; return how many by rule, of the whole run.

    `limit` rows in a statement, `pause_seconds` between two. Called again with the same `run` it goes on, with the
    age it began with; two runs at once delete each row once.
    """
    receipt = CleanupReceipt.open(run=run, rule=Rule.ACTIVITY, before=now - timedelta(days=days), now=now)
    done = sweep(receipt, _OLD[Rule.ACTIVITY], limit=limit, pause_seconds=pause_seconds, report=report)
    return {Rule.ACTIVITY: done}


def clean_tokens(*, run: UUID, revoked_days: int, limit: int, now: datetime, report: Report) -> dict[str, int]:
    """Delete refresh tokens that expired or were revoked `revoked_days` ago, then logins that have none left.

    A login with a good token stays. `limit`, `run` and what is returned: see `clean_activity`.
    """
    borders = {Rule.EXPIRED: now, Rule.REVOKED: now - timedelta(days=revoked_days), Rule.LOGINS: now}
    counts: dict[str, int] = {}
    for rule, before in borders.items():
        receipt = CleanupReceipt.open(run=run, rule=rule, before=before, now=now)
        counts[rule] = sweep(receipt, _OLD[rule], limit=limit, report=report)
    return counts


_HAS_TOKENS = "EXISTS (SELECT FROM accounts_refreshtoken token WHERE token.login_id = accounts_login.id)"
_OLD = {
    Rule.ACTIVITY: Old("accounts_activityentry", "at"),
    Rule.EXPIRED: Old("accounts_refreshtoken", "expires_at"),
    Rule.REVOKED: Old("accounts_refreshtoken", "revoked_at"),
    Rule.LOGINS: Old("accounts_login", "opened_at", f"NOT {_HAS_TOKENS}"),
}
