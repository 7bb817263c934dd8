"""`manage.py sync_job_schedules`: part of every deploy."""

from typing import Any

from django.core.management.base import BaseCommand

from modules.jobs import services
from modules.kernel import clock


class Command(BaseCommand):
    help = "Bring the schedules that the code declares into the database; what operators changed stays."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stdout.write(f"{services.sync_schedules(now=clock.now())} schedules.")
