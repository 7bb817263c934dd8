"""`manage.py queue_stats`: how many jobs there are, in which state and queue."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from django.utils.timesince import timesince

from modules.jobs import selectors


class Command(BaseCommand):
    help = "Show jobs by state, and by queue with how long the oldest one waits."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        states, queues = selectors.job_states(), selectors.queue_figures()
        if options["json"]:
            found = {"states": states.counts, "estimated": states.estimated}
            self.stdout.write(json.dumps({**found, "queues": {row.queue: row.states for row in queues}}))
            return
        for state, count in states.counts.items():
            about = "about" if state in states.estimated else ""
            self.stdout.write(f"{state:<12} {about:<5} {count:>12,}")
        for row in queues:
            waits = timesince(row.oldest_queued_at, timezone.now()) if row.oldest_queued_at else "-"
            counts = ", ".join(f"{count:,} {state}" for state, count in sorted(row.states.items()))
            self.stdout.write(f"{row.queue:<20} oldest waits {waits}; {counts}")
