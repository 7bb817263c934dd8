"""What the commands of this module have in common: here and now, only counted, or sent as a job."""

from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.jobs import services as job_services
from modules.jobs.registry import InvalidArguments
from modules.kernel.tenancy import all_tenants


class DraftsCommand(BaseCommand):
    """Does what a schedule does; `numbers` are its options with their defaults and what they mean."""

    actor = ""
    numbers: ClassVar[dict[str, tuple[int, str]]] = {}

    def add_arguments(self, parser: CommandParser) -> None:
        for name, (default, meaning) in self.numbers.items():
            option = "--" + name.replace("_", "-")
            parser.add_argument(option, type=int, default=default, help=f"{meaning} (default: {default})")
        parser.add_argument("--dry-run", action="store_true", help="count, change nothing")
        parser.add_argument("--queue", action="store_true", help="send the job instead")

    def handle(self, *_args: Any, **options: Any) -> None:
        chosen = self.chosen(options)
        if wrong := [name for name in self.numbers if options[name] < 1]:
            raise CommandError(_("%s is 1 or more.") % ("--" + wrong[0].replace("_", "-")))
        if options["queue"]:
            self._send(chosen)
            return
        with all_tenants():
            try:
                self.count(chosen) if options["dry_run"] else self.act(chosen)
            except ValueError as error:
                raise CommandError(str(error)) from None

    def chosen(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the job's arguments."""
        return {name: options[name] for name in self.numbers}

    def count(self, chosen: dict[str, Any]) -> None:
        """Say what would be done."""
        raise NotImplementedError

    def act(self, chosen: dict[str, Any]) -> None:
        """Do it and say what was done."""
        raise NotImplementedError

    def _send(self, chosen: dict[str, Any]) -> None:
        try:
            self.stdout.write(_("Job %s") % job_services.enqueue(self.actor, kwargs=chosen))
        except InvalidArguments as error:
            raise CommandError(str(error)) from None
