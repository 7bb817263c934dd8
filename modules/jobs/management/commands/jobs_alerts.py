"""`manage.py jobs_alerts`: the open incidents, and where a rule's webhook leads."""

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors, services
from modules.jobs.models import AlertRule
from modules.kernel import clock


class Command(BaseCommand):
    help = "List the open incidents; exit with 1 when there are any."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--evaluate", action="store_true", help="look now, instead of waiting for a worker to")
        parser.add_argument("--set-webhook", metavar="RULE", help="read this rule's webhook address from the terminal")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["set_webhook"]:
            self._set_webhook(options["set_webhook"])
            return
        if options["evaluate"]:
            services.evaluate_alerts(now=clock.now())
        alerts = list(selectors.open_alerts())
        for alert in alerts:
            told = ", ".join(sorted(alert.notified)) or "-"
            since = clock.shown(alert.opened_at)
            self.stdout.write(f"{since} {alert.rule.key:<24} {alert.subject} ({alert.last_value:g}) told: {told}")
        self.stdout.write(f"{len(alerts)} open")
        if alerts:
            sys.exit(1)

    def _set_webhook(self, key: str) -> None:
        """Never as an argument: those are visible to every user of the machine."""
        url = getpass.getpass("Address: ") if sys.stdin.isatty() else sys.stdin.readline()
        try:
            services.set_webhook(key=key, url=url.strip())
        except AlertRule.DoesNotExist:
            raise CommandError(f"There is no rule {key!r}; `manage.py sync_job_schedules` makes them.") from None
        self.stdout.write("Kept, encrypted." if url.strip() else "Removed.")
