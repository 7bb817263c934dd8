"""`manage.py job_show`: one job with its attempts."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.secrets import mask

FIELDS = (
    *("actor", "queue", "state", "tenant_id", "priority", "attempt", "max_attempts", "crashes", "run_at"),
    *("created_at", "started_at", "finished_at", "unique_key", "batch_id", "tags", "error_type", "error_message"),
)


class Command(BaseCommand):
    help = "Show a job, its arguments with secrets hidden, and each attempt."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=UUID, metavar="ID")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            job = selectors.get_job(options["job"])
        except Job.DoesNotExist:
            raise CommandError("There is no such job; it may have been pruned.") from None
        for name in FIELDS:
            self.stdout.write(f"{name:<14} {getattr(job, name)}")
        self.stdout.write(f"{'arguments':<14} {mask(job.arguments)}")
        for link in job.chain or ():
            self.stdout.write(f"{'then':<14} {link['actor']} {mask(link['arguments'])}")
        for change in selectors.job_changes(job.id, limit=20):
            said = f"{clock.shown(change.changed_at)} by {change.changed_by}: {change.reason}"
            self.stdout.write(f"{'changed':<14} {said} {change.before} -> {change.after}")
        for attempt in job.attempts.order_by("number"):
            took = attempt.ended_at - attempt.started_at
            self.stdout.write(f"start {attempt.number}: {attempt.outcome} after {took} {attempt.error_message}")
