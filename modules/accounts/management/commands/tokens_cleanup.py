"""`manage.py tokens_cleanup`: what the schedule tokens.cleanup does, here and now."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from modules.accounts import selectors, services
from modules.accounts.management.cleanups import CleanupCommand
from modules.kernel import clock


class Command(CleanupCommand):
    help = "Delete refresh tokens that open nothing any more, here, or as a job with --queue."
    actor = "accounts.clean_tokens"
    numbers = {
        "revoked_days": (7, "delete what was revoked so long ago"),
        "limit": (500, "rows in a transaction"),
    }

    def count(self, chosen: Mapping[str, int]) -> Iterable[tuple[str, selectors.Tally]]:
        """Return what would go, by rule."""
        now = clock.now()
        return selectors.tally_tokens(now=now, revoked_before=now - timedelta(days=chosen["revoked_days"])).items()

    def delete(self, run: UUID, chosen: Mapping[str, int]) -> Mapping[str, int]:
        """Delete it, like the job."""
        return services.clean_tokens(run=run, now=clock.now(), report=lambda _done: None, **chosen)
