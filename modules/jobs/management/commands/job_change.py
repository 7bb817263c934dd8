"""`manage.py job_change`: other arguments for a job that waits or has failed."""

import getpass
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import services
from modules.jobs.management.commands.job_run import parse_arguments
from modules.jobs.models import Job
from modules.jobs.registry import InvalidArguments, UnknownActor
from modules.jobs.services import CannotChange


class Command(BaseCommand):
    help = "Give a job that waits or has failed all its arguments anew; `queue_retry ID` then runs a failed one again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=UUID, metavar="ID")
        # Django takes a value called args for itself.
        parser.add_argument(
            "--args",
            dest="arguments",
            metavar="JSON",
            required=True,
            help="""all arguments as a JSON object, like '{"shop_id": 1}'; a hidden value may stay hidden""",
        )
        parser.add_argument("--reason", required=True, help="why; kept with the change")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            noted = services.change_arguments(
                job_id=options["job"],
                arguments=parse_arguments(options["arguments"]),
                by=getpass.getuser(),
                reason=options["reason"],
            )
        except Job.DoesNotExist:
            raise CommandError("There is no such job; it may have been pruned.") from None
        except (CannotChange, UnknownActor, InvalidArguments) as error:
            raise CommandError(error.args[0]) from None
        self.stdout.write(f"before  {noted.before}\nafter   {noted.after}" if noted else "They are as they were.")
