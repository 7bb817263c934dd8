"""What the commands of the cleanups have in common."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.formats import number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from modules.accounts.models import CleanupReceipt
from modules.accounts.selectors import Tally
from modules.jobs import services as job_services
from modules.jobs.registry import InvalidArguments, get_spec
from modules.kernel.ids import uuid7
from modules.kernel.tenancy import all_tenants


class CleanupCommand(BaseCommand):
    """Counts, deletes here, or sends the job, which takes the same options."""

    actor: ClassVar[str]
    numbers: ClassVar[Mapping[str, tuple[int, str]]]
    """The options: how much unless given, and what of."""

    def count(self, chosen: Mapping[str, int]) -> Iterable[tuple[str, Tally]]:
        """Return by rule what would go."""
        raise NotImplementedError

    def delete(self, run: UUID, chosen: Mapping[str, int]) -> Mapping[str, int]:
        """Delete it; return how many went by rule."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the job's options, and what to do with them."""
        for name, (default, what) in self.numbers.items():
            text = f"{what} (default: {default})"
            parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=text)
        parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")
        parser.add_argument("--queue", action="store_true", help="send the job instead")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Count, delete or send; raises CommandError for options that the job would refuse."""
        chosen = {name: options[name] for name in self.numbers}
        try:
            get_spec(self.actor).bind((), chosen)
        except InvalidArguments as error:
            raise CommandError(str(error)) from None
        if options["queue"]:
            self.stdout.write(_("Job %s") % job_services.enqueue(self.actor, kwargs=chosen))
            return
        with all_tenants():
            if options["dry_run"]:
                self._tell_old(chosen)
            else:
                self._tell_gone(self.delete(uuid7(), chosen))

    def _tell_old(self, chosen: Mapping[str, int]) -> None:
        for rule, (count, oldest, newest) in self.count(chosen):
            self.stdout.write(
                _("%(rule)s: would delete %(count)s, the oldest of %(oldest)s, the newest of %(newest)s")
                % {"rule": _label(rule), "count": _spelled(count), "oldest": _day(oldest), "newest": _day(newest)}
            )

    def _tell_gone(self, counts: Mapping[str, int]) -> None:
        for rule, count in counts.items():
            told = {"rule": _label(rule), "count": _spelled(count)}
            self.stdout.write(_("%(rule)s: deleted %(count)s") % told)


def _label(rule: str) -> Any:
    return CleanupReceipt.Rule(rule).label


def _spelled(count: int) -> str:
    return number_format(count, force_grouping=True)


def _day(moment: datetime | None) -> str:
    return f"{localtime(moment):%Y-%m-%d %H:%M}" if moment else "–"
