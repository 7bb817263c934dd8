"""`manage.py job_batches`: the newest batches and how far they are."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs import selectors
from modules.jobs.domain import Tally
from modules.jobs.models import Batch


class Command(BaseCommand):
    help = "List batches, newest first, each with its members by how far they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=50, help="rows at most (default: 50)")
        parser.add_argument("--json", action="store_true", help="one JSON object for each row")

    def handle(self, *_args: Any, **options: Any) -> None:
        batches = selectors.newest_batches(limit=max(options["limit"], 0))
        tallies = selectors.batch_tallies(batches)
        for batch in batches:
            row = batch_row(batch, tallies[batch.id])
            self.stdout.write(json.dumps(row) if options["json"] else _line(row))


def batch_row(batch: Batch, tally: Tally) -> dict[str, Any]:
    """Return what is told of a batch, ready for JSON."""
    return {
        "id": str(batch.id),
        "created": batch.created_at.isoformat(timespec="seconds"),
        "state": batch.state_of(tally),
        "waiting": tally.waiting,
        "running": tally.running,
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "cancelled": tally.cancelled,
        "total": tally.total,
        "tenant": batch.tenant_id,
        "name": batch.name,
    }


def _line(row: dict[str, Any]) -> str:
    ended = row["succeeded"] + row["failed"] + row["cancelled"]
    bad = row["failed"] + row["cancelled"]
    done = f"{ended:,}/{row['total']:,}" + (f" ({bad:,} failed or cancelled)" if bad else "")
    return f"{row['id']}  {row['created']}  {row['state']:<9}  {done}  {row['name']}"
