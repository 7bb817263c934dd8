"""`manage.py queue_pause`: close a gate."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import services
from modules.kernel import clock

KINDS = ("queue", "actor", "tenant", "resource")


class Command(BaseCommand):
    help = "Pause a queue, an actor, a tenant or a resource: running jobs end, the others wait in the ledger."

    def add_arguments(self, parser: CommandParser) -> None:
        add_gate_arguments(parser)
        parser.add_argument("--reason", default="", help="shown to everybody who asks why")

    def handle(self, *_args: Any, **options: Any) -> None:
        for kind, value in gates_of(options):
            closed = services.pause(
                kind=kind, value=value, reason=options["reason"], paused_by=getpass.getuser(), now=clock.now()
            )
            self.stdout.write(f"{kind} {value}: {'paused' if closed else 'was paused already'}")


def add_gate_arguments(parser: CommandParser) -> None:
    """Let a command name gates."""
    parser.add_argument("queues", nargs="*", metavar="QUEUE")
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="append", default=[], metavar="NAME")


def gates_of(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the gates that the command line names; raises CommandError for none."""
    named = [("queue", value) for value in options["queues"]]
    named += [(kind, value) for kind in KINDS for value in options[kind]]
    if not named:
        raise CommandError("Name a queue, or use --actor, --tenant or --resource.")
    return named
