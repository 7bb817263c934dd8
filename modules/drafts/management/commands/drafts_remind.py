"""`manage.py drafts_remind`: what the schedule of this name does, here and now."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _

from modules.drafts import selectors, services
from modules.drafts.domain import Retention
from modules.drafts.management.commands._command import DraftsCommand
from modules.kernel import clock


class Command(DraftsCommand):
    help = "Remind authors of their drafts and warn them before those are deleted, here, or as a job with --queue."
    actor = "drafts.remind"
    numbers = {
        "reminder_days": (3, "remind of what is so old"),
        "warn_days": (7, "warn so long before the deletion"),
        "delete_after_days": (30, "when drafts are deleted"),
        "limit": (500, "drafts in a transaction"),
    }

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--from-edit", action="store_true", help="deletion counts from the last edit")

    def chosen(self, options: dict[str, Any]) -> dict[str, Any]:
        return {**super().chosen(options), "from_edit": options["from_edit"]}

    def count(self, chosen: dict[str, Any]) -> None:
        now, retention = clock.now(), _retention(chosen)
        self._tell(
            _("would remind of %(reminders)s, warn of %(warnings)s; nobody to warn of %(of_nobody)s"),
            selectors.drafts_to_remind_of(days=chosen["reminder_days"], now=now).count(),
            selectors.drafts_to_warn_of(retention=retention, now=now).count(),
            selectors.count_drafts_of_nobody(retention=retention, now=now),
        )

    def act(self, chosen: dict[str, Any]) -> None:
        told = services.remind(
            retention=_retention(chosen),
            reminder_days=chosen["reminder_days"],
            limit=chosen["limit"],
            now=clock.now(),
            report=lambda _count: None,
        )
        text = _("reminded of %(reminders)s, warned of %(warnings)s; nobody to warn of %(of_nobody)s")
        self._tell(text, told.reminders, told.warnings, told.of_nobody)

    def _tell(self, text: str, reminders: int, warnings: int, of_nobody: int) -> None:
        values = {"reminders": f"{reminders:,}", "warnings": f"{warnings:,}", "of_nobody": f"{of_nobody:,}"}
        self.stdout.write(text % values)


def _retention(chosen: dict[str, Any]) -> Retention:
    return Retention(chosen["delete_after_days"], chosen["warn_days"], chosen["from_edit"])
