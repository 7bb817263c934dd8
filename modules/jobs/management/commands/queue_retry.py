"""`manage.py queue_retry`: run dead letters again."""

import getpass
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from modules.jobs import selectors, services
from modules.jobs.models import Job
from modules.jobs.services import NothingToReplay


class Command(BaseCommand):
    help = "Run failed and quarantined jobs again: all of them, those of an actor or of one cause, or the ones named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("jobs", nargs="*", metavar="ID", help="job ids, or the word all")
        parser.add_argument("--actor", help="every dead letter of this actor")
        parser.add_argument("--fingerprint", help="every dead letter of this cause; `queue_failed` shows it")
        parser.add_argument(
            "--ramp",
            action="store_true",
            help="5 first, when they ended well 50, then all; stops when one fails again (`job_replays`)",
        )
        parser.add_argument("--reason", default="", help="why; kept with a replay in steps")

    def handle(self, *_args: Any, **options: Any) -> None:
        jobs = options["jobs"]
        wanted = {name: options[name] for name in ("actor", "fingerprint") if options[name]}
        if jobs and jobs != ["all"] and wanted:
            raise CommandError("Name jobs, or choose them by --actor and --fingerprint; not both.")
        if not jobs and not wanted:
            raise CommandError("Name the jobs, or say: queue_retry all")
        if options["reason"] and not options["ramp"]:
            raise CommandError("A reason is kept with a replay in steps only: add --ramp.")
        ids = None if jobs in ([], ["all"]) else [_job_id(text) for text in jobs]
        if options["ramp"]:
            self._ramp(ids, wanted, reason=options["reason"])
        else:
            self._replay(ids, wanted)

    def _replay(self, ids: list[UUID] | None, wanted: dict[str, str]) -> None:
        if ids is None:
            replayed = services.replay_matching(selectors.dead_letters().filter(**wanted))
        else:
            replayed = services.replay(ids)
        self.stdout.write(f"{replayed:,} jobs are queued again.")
        if ids is not None and replayed < len(ids):
            raise CommandError(f"{len(ids) - replayed} of them are no dead letters and were left alone.")

    def _ramp(self, ids: list[UUID] | None, wanted: dict[str, str], *, reason: str) -> None:
        jobs: QuerySet[Job] = selectors.dead_letters().filter(**wanted)
        what = ", ".join(f"{name} {value}" for name, value in wanted.items()) or "all dead letters"
        if ids is not None:
            jobs, what = jobs.filter(id__in=ids), f"{len(ids)} named jobs"
        try:
            started = services.start_replay(jobs=jobs, what=what, by=getpass.getuser(), reason=reason)
        except NothingToReplay:
            raise CommandError("None of these is a dead letter that no running replay has.") from None
        self.stdout.write(
            f"Replay {started.pk}: {started.in_flight:,} of {started.total:,} jobs are queued again. "
            f"`job_replays {started.pk}` tells how far it is."
        )


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"{text!r} is no job id; `manage.py queue_failed` lists them.") from None
