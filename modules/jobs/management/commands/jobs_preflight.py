"""`manage.py jobs_preflight`: do the waiting jobs fit this version of the code?"""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors


class Command(BaseCommand):
    help = """Before a deploy, with the new code: find unfinished jobs, and callbacks that open batches have yet to
        send, that its actors would refuse. Exit 1 when any."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=50, help="lines of each kind at most (default: 50)")

    def handle(self, *_args: Any, **options: Any) -> None:
        callbacks = self._check("callbacks of open batches", _callbacks(), limit=options["limit"])
        jobs = self._check("unfinished jobs", _jobs(), limit=options["limit"])
        if jobs:
            raise CommandError("Keep accepting their arguments, or cancel them with `manage.py job_cancel ID`.")
        if callbacks:
            raise CommandError("Keep accepting their arguments until these batches have ended.")

    def _check(self, what: str, found: Iterator[tuple[str, str]], *, limit: int) -> int:
        """Write what does not fit and how much was looked at; return how many do not."""
        checked = unfit = 0
        for name, problem in found:
            checked += 1
            if problem:
                unfit += 1
                if unfit <= limit:
                    self.stdout.write(f"{name} {problem}")
        self.stdout.write(f"{checked:,} {what} checked, {unfit:,} do not fit.")
        return unfit


def _jobs() -> Iterator[tuple[str, str]]:
    return ((f"{job.id} {job.state}", problem) for job, problem in selectors.check_unfinished())


def _callbacks() -> Iterator[tuple[str, str]]:
    found = selectors.check_callbacks()
    return ((f"batch {batch.id} {callback}", problem) for batch, callback, problem in found)
