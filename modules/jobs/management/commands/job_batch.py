"""`manage.py job_batch`: one batch, its members by state, what it sends."""

from itertools import groupby
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors, services
from modules.jobs.domain import Callback
from modules.jobs.management.commands.job_batches import batch_row
from modules.jobs.models import Batch, Job


class Command(BaseCommand):
    help = "Show a batch, what it sends when it ends, and its newest members by state; or cancel all of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("batch", type=UUID, metavar="ID")
        parser.add_argument("--limit", type=int, default=100, help="members shown at most (default: 100)")
        parser.add_argument("--cancel", action="store_true", help="cancel what waits, ask what runs to stop")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            if options["cancel"]:
                met = services.cancel_batch(options["batch"])
                self.stdout.write(f"{met:,} cancelled or asked to stop.")
            batch = selectors.get_batch(options["batch"])
        except Batch.DoesNotExist:
            raise CommandError("There is no such batch; it may have been pruned.") from None
        for name, value in batch_row(batch, selectors.batch_tallies([batch])[batch.id]).items():
            self.stdout.write(f"{name:<14} {value}")
        self._tell_callbacks(batch)
        self._tell_members(selectors.batch_members(batch.id, limit=max(options["limit"], 0)))

    def _tell_callbacks(self, batch: Batch) -> None:
        for name in Callback:
            if name in batch.callbacks:
                job_id = batch.sent.get(name, "not sent yet")
                self.stdout.write(f"{'on ' + name:<14} {batch.callbacks[name]['actor']} {job_id}")

    def _tell_members(self, members: list[Job]) -> None:
        for state, jobs in groupby(sorted(members, key=lambda job: job.state), key=lambda job: job.state):
            self.stdout.write(f"{state}:")
            for job in jobs:
                self.stdout.write(f"  {job.id} {job.actor} {job.error_type}".rstrip())
