"""`manage.py queue_failed`: the dead letters."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs import selectors
from modules.kernel import clock


class Command(BaseCommand):
    help = "List failed and quarantined jobs, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--actor", help="only this actor's")
        parser.add_argument("--limit", type=int, default=50, help="rows at most (default: 50)")

    def handle(self, *_args: Any, **options: Any) -> None:
        dead = selectors.dead_letters()
        if options["actor"]:
            dead = dead.filter(actor=options["actor"])
        for job in dead[: options["limit"]]:
            ended = clock.shown(job.finished_at) if job.finished_at else ""
            error = f"{job.fingerprint} {job.error_type}: {job.error_message[:200]}"
            self.stdout.write(f"{job.id} {ended} {job.state} {job.actor} {error}")
        self.stdout.write(f"{dead.count():,} in all")
