"""`manage.py sync_retry`: what the schedule `sync.retry` does, here and now."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from modules.drafts import selectors, services
from modules.drafts.domain import RetryTable
from modules.drafts.management.commands._command import DraftsCommand
from modules.kernel import clock


class Command(DraftsCommand):
    help = "Try again what offline clients asked for and could not be done, here, or as a job with --queue."
    actor = "drafts.retry_sync"
    numbers = {"max_retries": (5, "tries before it has failed for good"), "limit": (50, "changes in a transaction")}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        default = list(RetryTable().delay_minutes)
        shown = " ".join(map(str, default))
        parser.add_argument(
            "--delay-minutes", type=int, nargs="+", default=default, help=f"the rests between tries (default: {shown})"
        )

    def chosen(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**super().chosen(options), "delay_minutes": options["delay_minutes"]}

    def count(self, chosen: dict[str, Any]) -> None:  # noqa: ARG002 -- all commands count alike
        self.stdout.write(_("would try %s again") % f"{selectors.due_sync_items(now=clock.now()).count():,}")

    def act(self, chosen: dict[str, Any]) -> None:
        table = RetryTable(chosen["delay_minutes"], chosen["max_retries"])
        done = services.retry_sync(table=table, limit=chosen["limit"], now=clock.now(), report=lambda _count: None)
        text = _("done %(applied)s, failed %(failed)s, in conflict %(conflicts)s, given up %(given_up)s")
        self.stdout.write(text % {name: f"{count:,}" for name, count in asdict(done).items()})
