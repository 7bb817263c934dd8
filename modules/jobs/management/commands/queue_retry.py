"""`manage.py queue_retry`: run dead letters again."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors, services


class Command(BaseCommand):
    help = "Run failed and quarantined jobs again: all of them, those of an actor, or the ones named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("jobs", nargs="*", metavar="ID", help="job ids, or the word all")
        parser.add_argument("--actor", help="every dead letter of this actor")

    def handle(self, *_args: Any, **options: Any) -> None:
        jobs, actor = options["jobs"], options["actor"]
        if jobs == ["all"] or actor:
            dead = selectors.dead_letters()
            replayed = services.replay_matching(dead.filter(actor=actor) if actor else dead)
        elif jobs:
            replayed = services.replay([_job_id(text) for text in jobs])
        else:
            raise CommandError("Name the jobs, or say: queue_retry all")
        self.stdout.write(f"{replayed:,} jobs are queued again.")
        if jobs and jobs != ["all"] and replayed < len(jobs):
            raise CommandError(f"{len(jobs) - replayed} of them are no dead letters and were left alone.")


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is no job id; `manage.py queue_failed` lists them.") from None
