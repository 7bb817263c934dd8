"""`manage.py queue_limit`: how many at once, how many in a time."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors, services
from modules.jobs.management.commands.queue_pause import add_gate_arguments, gates_of
from modules.jobs.models import Limit

_RATE = re.compile(r"([1-9]\d*)/([1-9]\d*)")


class Command(BaseCommand):
    help = "Limit a queue, an actor, a tenant or a resource (* is each one by itself); without arguments, list limits."

    def add_arguments(self, parser: CommandParser) -> None:
        add_gate_arguments(parser)
        parser.add_argument("--at-once", type=int, metavar="N", help="how many may run at the same time")
        parser.add_argument("--rate", metavar="STARTS/SECONDS", help="how many may start in a time, like 10/60")
        parser.add_argument("--remove", action="store_true", help="take the limit away")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not any(options[name] for name in ("queues", "queue", "actor", "tenant", "resource")):
            return self._list()
        for kind, value in gates_of(options):
            if options["remove"]:
                removed = services.remove_limit(kind=kind, value=value)
                self.stdout.write(f"{kind} {value}: {'no longer limited' if removed else 'was not limited'}")
            else:
                limit = services.set_limit(kind=kind, value=value, **_asked(options))
                self.stdout.write(f"{kind} {value}: {_said(limit)}")
        return None

    def _list(self) -> None:
        for limit in selectors.limits():
            self.stdout.write(f"{limit.kind} {limit.value}: {_said(limit)}")


def _asked(options: dict[str, Any]) -> dict[str, int | None]:
    """Return the limit that the command line names; raises CommandError for none."""
    at_once, rate = options["at_once"], _RATE.fullmatch(options["rate"] or "")
    if options["rate"] and rate is None:
        raise CommandError("Write --rate as STARTS/SECONDS, like 10/60.")
    if at_once is not None and at_once < 1:
        raise CommandError("--at-once takes a number from 1; to hold everything, use queue_pause.")
    if at_once is None and rate is None:
        raise CommandError("Say how many: --at-once N, --rate STARTS/SECONDS, or --remove.")
    count, seconds = (int(rate[1]), int(rate[2])) if rate else (None, None)
    return {"max_running": at_once, "rate_count": count, "rate_seconds": seconds}


def _said(limit: Limit) -> str:
    at_once = f"{limit.max_running} at once" if limit.max_running else ""
    rate = f"{limit.rate_count} starts in {limit.rate_seconds} s" if limit.rate_count else ""
    return ", ".join(filter(None, (at_once, rate)))
