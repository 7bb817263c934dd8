"""`manage.py customers_backfill_from_orders`: customers for the orders that have none."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from modules.customers import services


class Command(BaseCommand):
    help = "Send the jobs that look whose the unlinked orders are, chunk by chunk."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chunk", type=int, default=250, help="orders per transaction")

    def handle(self, *_args: Any, **options: Any) -> None:
        job_id = services.request_backfill(chunk=options["chunk"])
        self.stdout.write(_("Job %s is sent.") % job_id)
