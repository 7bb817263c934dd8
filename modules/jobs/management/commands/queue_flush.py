"""`manage.py queue_flush`: empty the list of dead letters."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs import selectors, services
from modules.kernel import clock


class Command(BaseCommand):
    help = "Discard every dead letter, or an actor's, or the old ones, without running them; their history stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--actor", help="only this actor's")
        parser.add_argument("--hours", type=int, default=0, help="only those that ended so long ago (default: all)")
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *_args: Any, **options: Any) -> None:
        dead = selectors.dead_letters().filter(finished_at__lte=clock.now() - timedelta(hours=options["hours"]))
        if options["actor"]:
            dead = dead.filter(actor=options["actor"])
        if options["dry_run"]:
            self.stdout.write(f"{dead.count():,} would be discarded.")
        else:
            self.stdout.write(f"{services.discard_matching(dead):,} discarded.")
