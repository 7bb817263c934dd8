"""`manage.py jobs_actors`: what can be sent."""

import inspect
from typing import Any

from django.core.management.base import BaseCommand

from modules.jobs import registry


class Command(BaseCommand):
    help = "List every actor with its queue and its arguments."

    def handle(self, *_args: Any, **_options: Any) -> None:
        for spec in registry.all_specs():
            self.stdout.write(f"{spec.name:<40} {spec.queue:<20} {inspect.signature(spec.fn)}")
