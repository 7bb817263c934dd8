"""`manage.py queue_prune`: delete what ended long ago."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs import services
from modules.jobs.domain import ENDED
from modules.kernel import clock

CHUNK = 10_000


class Command(BaseCommand):
    help = "Delete jobs that ended more than so many hours ago, with their attempts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--hours", type=int, default=168, help="how long ended jobs are kept (default: 168)")

    def handle(self, *_args: Any, **options: Any) -> None:
        before = clock.now() - timedelta(hours=options["hours"])
        gone = total = services.prune(ended_before=before, states=ENDED, limit=CHUNK)
        while gone == CHUNK:
            gone = services.prune(ended_before=before, states=ENDED, limit=CHUNK)
            total += gone
        batches = services.prune_batches(ended_before=before)
        self.stdout.write(f"{total:,} jobs deleted, {batches:,} batches without any left.")
