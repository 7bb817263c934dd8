"""`manage.py customers_recalculate_metrics`: every customer's figures from the orders."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from modules.customers import services


class Command(BaseCommand):
    help = "Send the jobs that recalculate every customer's figures, chunk by chunk."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chunk", type=int, default=250, help="customers per transaction")

    def handle(self, *_args: Any, **options: Any) -> None:
        job_id = services.request_recalculation(chunk=options["chunk"])
        self.stdout.write(_("Job %s is sent.") % job_id)
