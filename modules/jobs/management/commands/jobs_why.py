"""`manage.py jobs_why`: why isn't it running?"""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import services
from modules.jobs.models import Job


class Command(BaseCommand):
    help = "Walk every gate between a job and a worker: which one holds it, and what would release it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=UUID, metavar="ID")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            reasons = services.why(options["job"])
        except Job.DoesNotExist:
            raise CommandError("There is no such job; it may have been pruned.") from None
        for reason in reasons:
            self.stdout.write(f"{reason.what}\n  released by: {reason.release}")
