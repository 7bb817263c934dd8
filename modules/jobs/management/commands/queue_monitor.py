"""`manage.py queue_monitor`: a look at queues from outside, for cron and deploy scripts."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs import services
from modules.kernel import clock


class Command(BaseCommand):
    help = "Exit with 1 and raise the alert when a queue has more ready jobs than --max; end it when none has."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queues", nargs="+", metavar="QUEUE", help="names, also with commas between")
        parser.add_argument("--max", type=int, default=1000, help="ready jobs a queue may have (default: 1000)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        most = options["max"]
        queues = [name for text in options["queues"] for name in text.split(",") if name]
        lengths = services.monitor_queues(queues, most=most, now=clock.now())
        over = [queue for queue, length in lengths.items() if length > most]
        if options["json"]:
            self.stdout.write(json.dumps({"queues": lengths, "max": most, "over": over}))
        else:
            for queue, length in lengths.items():
                self.stdout.write(f"{queue:<20} {length:>10,} ready {'OVER' if queue in over else 'ok'}")
        if over:
            sys.exit(1)
