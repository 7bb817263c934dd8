"""`manage.py queue_restart`: fresh workers, after a deploy or for one that misbehaves."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import services

LOOK_EVERY_SECONDS = 0.2


class Command(BaseCommand):
    help = (
        "Replace all workers of all hosts within seconds, with the code that is there now: each ends its jobs or "
        "stops them at their next checkpoint, gives the rest back, and is started again. No job is lost."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait", type=float, metavar="SECONDS", help="until the old ones are gone; exit 1 when some are not"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        self.stdout.write(f"{services.ask_restart()} workers were told to make room for fresh ones.")
        if options["wait"] is not None:
            self._wait(options["wait"])

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while old := services.count_old_workers():
            if time.monotonic() > until:
                raise CommandError(f"{old} workers have not left within {seconds:g} s; their jobs may just be long.")
            time.sleep(LOOK_EVERY_SECONDS)
        self.stdout.write("The old ones are gone.")
