"""`manage.py summary_weekly`: what the schedule summary.weekly does, here and now."""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import is_naive, make_aware
from django.utils.translation import gettext as _

from modules.jobs import services as job_services
from modules.jobs.registry import InvalidArguments, get_spec
from modules.kernel import clock
from modules.kernel.ids import uuid7
from modules.kernel.tenancy import all_tenants
from modules.reports import services

ACTOR = "reports.send_summaries"
NAMES = "cron", "late_hours", "limit"


class Command(BaseCommand):
    help = "Mail their last week to those whose clock has come to it, here, or as a job with --queue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cron", default="0 9 * * 1", help="when, by each reader's clock (default: 0 9 * * 1)")
        parser.add_argument("--late-hours", type=int, default=48, help="how long after it, at most (default: 48)")
        parser.add_argument("--limit", type=int, default=100, help="people in a transaction (default: 100)")
        parser.add_argument("--dry-run", action="store_true", help="count, mail nothing")
        parser.add_argument("--at", type=_moment, help="with --dry-run: as if it were 2026-11-30T09:00")
        parser.add_argument("--queue", action="store_true", help="send the job instead")

    def handle(self, *_args: Any, **options: Any) -> None:
        chosen = {name: options[name] for name in NAMES}
        if options["at"] and not options["dry_run"]:
            raise CommandError(_("--at goes with --dry-run."))
        try:
            get_spec(ACTOR).bind((), chosen)
            self.stdout.write(self._act(chosen, options))
        except (InvalidArguments, services.NoAddresses) as error:
            raise CommandError(str(error)) from None

    def _act(self, chosen: dict[str, Any], options: dict[str, Any]) -> str:
        if options["queue"]:
            return _("Job %s") % job_services.enqueue(ACTOR, kwargs=chosen)
        now = options["at"] or clock.now()
        with all_tenants():
            if options["dry_run"]:
                return _("would send %s") % f"{services.count_summaries(**chosen, now=now):,}"
            sent = services.send_summaries(run=uuid7(), **chosen, now=now, report=lambda _count: None)
        values = {name: f"{count:,}" for name, count in vars(sent).items()}
        return _("sent %(mailed)s; nothing to tell %(empty)s, no address %(unreachable)s") % values


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return make_aware(moment) if is_naive(moment) else moment
