"""`manage.py queue_resume`: open a gate."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs import services
from modules.jobs.management.commands.queue_pause import add_gate_arguments, gates_of


class Command(BaseCommand):
    help = "Resume what queue_pause paused; what waits starts at once."

    def add_arguments(self, parser: CommandParser) -> None:
        add_gate_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        for kind, value in gates_of(options):
            opened = services.resume(kind=kind, value=value)
            self.stdout.write(f"{kind} {value}: {'resumed' if opened else 'was not paused'}")
