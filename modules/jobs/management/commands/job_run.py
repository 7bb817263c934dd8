"""`manage.py job_run`: send one job by hand."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import services
from modules.jobs.registry import InvalidArguments, UnknownActor


class Command(BaseCommand):
    help = "Send a job; a worker runs it. `jobs_actors` lists what can be sent, `job_show ID` what became of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("actor")
        # Django takes a value called args for itself.
        parser.add_argument(
            "--args",
            dest="arguments",
            metavar="JSON",
            default="{}",
            help="""the arguments as a JSON object, like '{"shop_id": 1}'""",
        )
        parser.add_argument("--tenant", type=int, help="for this tenant's id")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            job_id = services.enqueue(
                options["actor"], kwargs=parse_arguments(options["arguments"]), tenant_id=options["tenant"]
            )
        except (UnknownActor, InvalidArguments) as error:
            raise CommandError(error.args[0]) from None
        self.stdout.write(str(job_id))


def parse_arguments(text: str) -> dict[str, Any]:
    """Return the arguments that a command line gives as JSON; raises CommandError."""
    try:
        arguments = json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandError(f"--args is no JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise CommandError("""--args is a JSON object with the arguments by name, like '{"shop_id": 1}'.""")
    return arguments
