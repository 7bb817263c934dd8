"""`manage.py queue_retry`: run dead letters again."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors, services


class Command(BaseCommand):
    help = "Run failed and quarantined jobs again: all of them, those of an actor or of one cause, or the ones named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("jobs", nargs="*", metavar="ID", help="job ids, or the word all")
        parser.add_argument("--actor", help="every dead letter of this actor")
        parser.add_argument("--fingerprint", help="every dead letter of this cause; `queue_failed` shows it")

    def handle(self, *_args: Any, **options: Any) -> None:
        jobs = options["jobs"]
        wanted = {name: options[name] for name in ("actor", "fingerprint") if options[name]}
        if jobs and jobs != ["all"] and wanted:
            raise CommandError("Name jobs, or choose them by --actor and --fingerprint; not both.")
        if jobs == ["all"] or wanted:
            replayed = services.replay_matching(selectors.dead_letters().filter(**wanted))
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
