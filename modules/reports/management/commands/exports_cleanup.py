"""`manage.py exports_cleanup`: what the schedule exports.cleanup does, here and now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.jobs import services as job_services
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.reports import selectors, services


class Command(BaseCommand):
    help = "Delete the files of exports that nobody may fetch any more, here, or as a job with --queue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")
        parser.add_argument("--queue", action="store_true", help="send the job instead")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["queue"]:
            self.stdout.write(_("Job %s") % job_services.enqueue("reports.clean_exports"))
            return
        with all_tenants():
            if options["dry_run"]:
                count = selectors.left_exports(now=clock.now()).count()
                self.stdout.write(_("would delete %s") % f"{count:,}")
                return
            gone, failures = services.clean_exports(now=clock.now(), report=lambda _count: None)
        self.stdout.write(_("deleted %(gone)s, left %(left)s") % {"gone": f"{gone:,}", "left": f"{len(failures):,}"})
        if failures:
            raise CommandError(failures[0])
