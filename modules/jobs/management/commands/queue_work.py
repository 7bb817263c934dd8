"""`manage.py queue_work`: run ready jobs here, in the foreground."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs.engine.foreground import work
from modules.jobs.engine.replacement import Limits


class Command(BaseCommand):
    help = "Run ready jobs in this terminal until none is left; `dramatiq config.workers` is the service."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queues", nargs="*", metavar="QUEUE", help="all queues when none is named")
        parser.add_argument("--once", action="store_true", help="one job only")
        parser.add_argument("--max-jobs", type=int, metavar="N", help="stop after so many jobs")
        parser.add_argument("--max-time", type=float, default=0, metavar="SECONDS", help="begin no job after so long")
        parser.add_argument("--memory", type=int, default=0, metavar="MB", help="begin no job while holding more")

    def handle(self, *_args: Any, **options: Any) -> None:
        limits = Limits(max_seconds=options["max_time"], max_memory_mb=options["memory"])
        most = 1 if options["once"] else options["max_jobs"]
        done = work(queues=options["queues"], limit=most, limits=limits)
        self.stdout.write(f"{done:,} jobs were run.")
