"""`manage.py queue_forget`: take dead letters off the list."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import services


class Command(BaseCommand):
    help = "Discard failed and quarantined jobs without running them; their history stays until it is pruned."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("jobs", nargs="+", type=UUID, metavar="ID")

    def handle(self, *_args: Any, **options: Any) -> None:
        jobs = set(options["jobs"])
        discarded = services.discard(list(jobs))
        self.stdout.write(f"{discarded:,} discarded.")
        if discarded < len(jobs):
            raise CommandError(f"{len(jobs) - discarded} of them are no dead letters and were left alone.")
