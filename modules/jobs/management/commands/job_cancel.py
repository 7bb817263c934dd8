"""`manage.py job_cancel`: stop a job."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import services


class Command(BaseCommand):
    help = "Cancel jobs that wait; ask running ones to stop at their next checkpoint."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("jobs", nargs="+", type=UUID, metavar="ID")

    def handle(self, *_args: Any, **options: Any) -> None:
        cancelled = services.cancel(options["jobs"])
        self.stdout.write(f"{cancelled:,} cancelled or asked to stop.")
        if cancelled < len(options["jobs"]):
            raise CommandError(f"{len(options['jobs']) - cancelled} had ended already or are unknown.")
