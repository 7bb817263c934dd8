"""`manage.py activity_cleanup`: what the schedule activity.cleanup does, here and now."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from modules.accounts import selectors, services
from modules.accounts.management.cleanups import CleanupCommand
from modules.accounts.models import CleanupReceipt
from modules.kernel import clock


class Command(CleanupCommand):
    help = "Delete what people did long ago from the log, here, or as a job with --queue."
    actor = "accounts.clean_activity"
    numbers = {
        "days": (90, "delete what is older"),
        "limit": (1_000, "rows in a transaction"),
        "pause_ms": (100, "milliseconds between two batches"),
    }

    def count(self, chosen: Mapping[str, int]) -> Iterable[tuple[str, selectors.Tally]]:
        """Return what would go."""
        before = clock.now() - timedelta(days=chosen["days"])
        return [(CleanupReceipt.Rule.ACTIVITY, selectors.tally_activity(before=before))]

    def delete(self, run: UUID, chosen: Mapping[str, int]) -> Mapping[str, int]:
        """Delete it, like the job."""
        return services.clean_activity(
            run=run,
            days=chosen["days"],
            limit=chosen["limit"],
            pause_seconds=chosen["pause_ms"] / 1_000,
            now=clock.now(),
            report=lambda _done: None,
        )
