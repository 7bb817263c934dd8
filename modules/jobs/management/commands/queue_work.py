"""`manage.py queue_work`: run ready jobs here, in the foreground."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs.engine.foreground import work


class Command(BaseCommand):
    help = "Run ready jobs in this terminal until none is left; `dramatiq config.workers` is the service."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queues", nargs="*", metavar="QUEUE", help="all queues when none is named")
        parser.add_argument("--once", action="store_true", help="one job only")

    def handle(self, *_args: Any, **options: Any) -> None:
        done = work(queues=options["queues"], limit=1 if options["once"] else None)
        self.stdout.write(f"{done:,} jobs were run.")
