"""`manage.py jobs_chaos`: the acceptance test, on servers and workers of its own."""

import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Kill workers, schedulers, Redis and PostgreSQL under load and check that nothing was lost or done twice."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--size", choices=["smoke", "full"], default="smoke", help="10,000 jobs or 100,000")
        parser.add_argument("--seed", type=int, help="repeat a run's plan; a new seed is printed")

    def handle(self, *_args: Any, **options: Any) -> None:
        # Another process, because this one is set up for the real servers; by its path, because the code that
        # runs the product stands above the modules.
        order = [sys.executable, "-m", "deploy.chaos", "--size", options["size"]]
        order += [] if options["seed"] is None else ["--seed", str(options["seed"])]
        ended = subprocess.run(order, cwd=settings.BASE_DIR, check=False)  # noqa: S603 -- the project's own code
        sys.exit(ended.returncode)
