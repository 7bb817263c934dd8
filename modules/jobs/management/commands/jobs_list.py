"""`manage.py jobs_list`: the newest jobs."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs import selectors
from modules.jobs.domain import State
from modules.jobs.models import Job


class Command(BaseCommand):
    help = "List jobs, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--state", choices=[str(state) for state in State])
        parser.add_argument("--actor", help="only this actor's")
        parser.add_argument("--queue", help="only this queue's")
        parser.add_argument("--limit", type=int, default=50, help="rows at most (default: 50)")
        parser.add_argument("--json", action="store_true", help="one JSON object for each row")

    def handle(self, *_args: Any, **options: Any) -> None:
        wanted = {name: options[name] for name in ("state", "actor", "queue") if options[name]}
        for job in selectors.newest_jobs(limit=max(options["limit"], 0), **wanted):
            row = _row(job)
            self.stdout.write(json.dumps(row) if options["json"] else "  ".join(row.values()))


def _row(job: Job) -> dict[str, str]:
    return {
        "id": str(job.id),
        "created": job.created_at.isoformat(timespec="seconds"),
        "state": job.state,
        "attempt": f"{job.attempt}/{job.max_attempts}",
        "queue": job.queue,
        "actor": job.actor,
        "error": job.error_type,
    }
