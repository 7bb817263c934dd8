"""`manage.py invitations_expire`: what the schedule `invitations.expire` does, here and now."""

from typing import Any

from django.utils.translation import gettext as _

from modules.drafts import selectors, services
from modules.drafts.management.commands._command import DraftsCommand
from modules.kernel import clock


class Command(DraftsCommand):
    help = "Call invitations expired that nobody accepted in time, here, or as a job with --queue."
    actor = "drafts.expire_invitations"
    numbers = {"limit": (200, "invitations in a transaction")}

    def count(self, chosen: dict[str, Any]) -> None:  # noqa: ARG002 -- all commands count alike
        self.stdout.write(_("would expire %s") % f"{selectors.overdue_invitations(now=clock.now()).count():,}")

    def act(self, chosen: dict[str, Any]) -> None:
        now, total = clock.now(), 0
        while count := services.expire_invitations(limit=chosen["limit"], now=now):
            total += count
        self.stdout.write(_("expired %s") % f"{total:,}")
