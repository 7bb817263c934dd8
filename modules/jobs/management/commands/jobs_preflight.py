"""`manage.py jobs_preflight`: do the waiting jobs fit this version of the code?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors


class Command(BaseCommand):
    help = "Before a deploy, with the new code: find unfinished jobs that its actors would refuse. Exit 1 when any."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=50, help="lines at most (default: 50)")

    def handle(self, *_args: Any, **options: Any) -> None:
        checked = unfit = 0
        for job, problem in selectors.check_unfinished():
            checked += 1
            if problem:
                unfit += 1
                if unfit <= options["limit"]:
                    self.stdout.write(f"{job.id} {job.state} {problem}")
        self.stdout.write(f"{checked:,} unfinished jobs checked, {unfit:,} do not fit.")
        if unfit:
            raise CommandError("Keep accepting their arguments, or cancel them with `manage.py job_cancel ID`.")
