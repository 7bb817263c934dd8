"""`manage.py sync_job_schedules`: part of every deploy."""

from typing import Any

from django.core.management.base import BaseCommand

from modules.jobs import services
from modules.kernel import clock


class Command(BaseCommand):
    help = "Bring the schedules and alert rules that the code declares into the database; what operators changed stays."

    def handle(self, *_args: Any, **_options: Any) -> None:
        schedules, rules = services.sync_schedules(now=clock.now()), services.sync_alert_rules()
        self.stdout.write(f"{schedules} schedules, {rules} alert rules.")
