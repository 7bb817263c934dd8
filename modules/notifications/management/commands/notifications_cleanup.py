"""`manage.py notifications_cleanup`: what the schedule of this name does, here and now."""

from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.formats import number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from modules.jobs import services as job_services
from modules.kernel import clock
from modules.kernel.ids import uuid7
from modules.kernel.tenancy import all_tenants
from modules.notifications import selectors, services
from modules.notifications.models import CleanupReceipt


class Command(BaseCommand):
    help = "Delete notices that were read long ago or never, here, or as a job with --queue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--read-days", type=int, default=30, help="delete what was read so long ago (default: 30)")
        parser.add_argument("--unread-days", type=int, default=90, help="delete what is so old (default: 90)")
        parser.add_argument("--limit", type=int, default=1_000, help="rows in a transaction (default: 1000)")
        parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")
        parser.add_argument("--queue", action="store_true", help="send the job instead")

    def handle(self, *_args: Any, **options: Any) -> None:
        chosen = {name: options[name] for name in ("read_days", "unread_days", "limit")}
        if min(chosen.values()) < 1:
            raise CommandError(_("--read-days, --unread-days and --limit are 1 or more."))
        if options["queue"]:
            self.stdout.write(_("Job %s") % job_services.enqueue("notifications.cleanup", kwargs=chosen))
            return
        with all_tenants():
            if options["dry_run"]:
                self._count(chosen)
            else:
                self._delete(chosen)

    def _count(self, chosen: dict[str, int]) -> None:
        now = clock.now()
        for rule, name in ((CleanupReceipt.Rule.READ, "read_days"), (CleanupReceipt.Rule.UNREAD, "unread_days")):
            count, oldest, newest = selectors.tally(rule=rule, before=now - timedelta(days=chosen[name]))
            self.stdout.write(
                _("%(rule)s: would delete %(count)s, the oldest of %(oldest)s, the newest of %(newest)s")
                % {"rule": rule.label, "count": _spelled(count), "oldest": _day(oldest), "newest": _day(newest)}
            )

    def _delete(self, chosen: dict[str, int]) -> None:
        counts = services.clean_up(run=uuid7(), now=clock.now(), report=lambda _count: None, **chosen)
        for rule, count in counts.items():
            label = CleanupReceipt.Rule(rule).label
            self.stdout.write(_("%(rule)s: deleted %(count)s") % {"rule": label, "count": _spelled(count)})


def _spelled(count: int) -> str:
    return number_format(count, force_grouping=True)


def _day(moment: datetime | None) -> str:
    return f"{localtime(moment):%Y-%m-%d %H:%M}" if moment else "–"
