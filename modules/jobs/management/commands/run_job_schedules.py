"""`manage.py run_job_schedules`: one look at the clock, as periodiq's tick does each minute."""

from typing import Any

from django.core.management.base import BaseCommand

from modules.jobs import services
from modules.kernel import clock


class Command(BaseCommand):
    help = "Send the job of every schedule that is due; safe to run beside the scheduler."

    def handle(self, *_args: Any, **_options: Any) -> None:
        sent = services.fire_due_schedules(now=clock.now())
        self.stdout.write(f"{len(sent)} jobs sent.")
