"""`manage.py queue_consume`: be a worker of some queues, until told to stop."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors


class Command(BaseCommand):
    help = (
        "Serve queues until a SIGTERM or Ctrl-C: this process becomes `dramatiq config.workers --queues ...`. "
        "A worker over its time or memory makes room for a fresh one; no job is lost."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queues", nargs="*", metavar="QUEUE", help="names, also with commas between; or all")
        parser.add_argument("--processes", type=int, default=1, metavar="N", help="worker processes (default: 1)")
        parser.add_argument("--threads", type=int, default=8, metavar="N", help="jobs at once in each (default: 8)")
        parser.add_argument("--max-time", "--time-limit", type=int, metavar="SECONDS", help="JOBS_WORKER_MAX_SECONDS")
        parser.add_argument("--memory", type=int, metavar="MB", help="JOBS_WORKER_MAX_MEMORY_MB")

    def handle(self, *_args: Any, **options: Any) -> None:
        if min(options["processes"], options["threads"]) < 1:
            raise CommandError("--processes and --threads are 1 or more.")
        for name, value in (
            ("JOBS_WORKER_MAX_SECONDS", options["max_time"]),
            ("JOBS_WORKER_MAX_MEMORY_MB", options["memory"]),
        ):
            if value is not None:
                os.environ[name] = str(value)  # the worker's processes read it, also those that come later
        numbers = ["--processes", str(options["processes"]), "--threads", str(options["threads"])]
        # The script, because only that can start itself again from an environment that is not activated.
        script = str(Path(sys.executable).with_name("dramatiq"))
        command = [script, settings.JOBS["WORKERS"], *numbers, "--queues", *_queues(options["queues"])]
        os.execv(sys.executable, [sys.executable, *command])  # noqa: S606 -- no shell: a list of our own


def _queues(words: list[str]) -> list[str]:
    """Return the queues that were named, all but the quarantine when none was; raises CommandError."""
    pools: dict[str, list[str]] = settings.JOBS["POOLS"]
    known = list(selectors.known_queues())
    named = [name for text in words for name in text.split(",") if name]
    if unknown := [name for name in named if name not in known]:
        raise CommandError(f"There is no queue {unknown[0]!r}; there are: {', '.join(known)}.")
    return named or [queue for name, pool in pools.items() if name != "quarantine" for queue in pool]
