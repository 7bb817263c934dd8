"""`manage.py drafts_cleanup`: what the schedule of this name does, here and now."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.drafts import selectors, services
from modules.drafts.domain import Retention
from modules.drafts.management.commands._command import DraftsCommand
from modules.kernel import clock
from modules.kernel.bar import ProgressBar
from modules.kernel.ids import uuid7


class Command(DraftsCommand):
    help = "Delete drafts of long ago that were warned of, with their documents, here, or as a job with --queue."
    actor = "drafts.cleanup"
    numbers = {"delete_after_days": (30, "delete what is so old"), "limit": (100, "drafts that are looked up at once")}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--from-edit", action="store_true", help="count from the last edit, not the creation")

    def chosen(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**super().chosen(options), "from_edit": options["from_edit"]}

    def count(self, chosen: dict[str, Any]) -> None:
        found = selectors.deletable_drafts(retention=_retention(chosen), now=clock.now())
        count, oldest, newest = selectors.tally(found)
        self.stdout.write(
            _("would delete %(count)s, the oldest of %(oldest)s, the newest of %(newest)s")
            % {"count": f"{count:,}", "oldest": oldest or "–", "newest": newest or "–"}
        )

    def act(self, chosen: dict[str, Any]) -> None:
        now, retention = clock.now(), _retention(chosen)
        total = selectors.deletable_drafts(retention=retention, now=now).count()
        bar, done = ProgressBar(self.stdout), 0

        def report(count: int) -> None:
            nonlocal done
            done += count
            bar.draw(done, total)

        cleaned = services.clean_up(run=uuid7(), retention=retention, limit=chosen["limit"], now=now, report=report)
        bar.end()
        self.stdout.write(_("deleted %s") % f"{cleaned.count:,}")
        if cleaned.failures:
            for failure in cleaned.failures[:10]:
                self.stderr.write(f"{failure.record_id}: {failure.reason}")
            raise CommandError(_("%s left: the storage failed") % f"{len(cleaned.failures):,}")


def _retention(chosen: dict[str, Any]) -> Retention:
    return Retention(chosen["delete_after_days"], warn_days=1, from_edit=chosen["from_edit"])
