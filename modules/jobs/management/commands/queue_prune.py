"""`manage.py queue_prune`: delete what ended long ago."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import services
from modules.jobs.domain import ENDED
from modules.kernel import clock


class Command(BaseCommand):
    help = "Delete jobs that ended more than so many hours ago, with their attempts, then batches without any left."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hours", type=int, default=168, help="how long ended jobs are kept (default: 168)")
        parser.add_argument("--chunk", type=int, default=10_000, help="rows in one transaction (default: 10000)")

    def handle(self, *_args: Any, **options: Any) -> None:
        before, chunk = clock.now() - timedelta(hours=options["hours"]), options["chunk"]
        if chunk < 1:
            raise CommandError("--chunk is 1 or more.")
        jobs = self._in_chunks("jobs", chunk, lambda: services.prune(ended_before=before, states=ENDED, limit=chunk))
        batches = self._in_chunks("batches", chunk, lambda: services.prune_batches(ended_before=before, limit=chunk))
        self.stdout.write(f"{jobs:,} jobs deleted, {batches:,} batches without any left.")

    def _in_chunks(self, what: str, chunk: int, prune: Callable[[], int]) -> int:
        total = 0
        while (gone := prune()) == chunk:
            total += gone
            self.stderr.write(f"{total:,} {what} deleted, going on.")
        return total + gone
