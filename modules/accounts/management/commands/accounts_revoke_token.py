"""`manage.py accounts_revoke_token`: shut a program out of the API."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.accounts import services
from modules.accounts.models import ApiToken
from modules.kernel import clock


class Command(BaseCommand):
    help = "Revoke an API token; it opens nothing from the next request on. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", help="the part between the two underscores of br_<prefix>_<secret>")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            was_open = services.revoke_token(prefix=options["prefix"], now=clock.now())
        except ApiToken.DoesNotExist:
            raise CommandError(_("No token begins with %(prefix)s.") % {"prefix": options["prefix"]}) from None
        said = _("Token %(prefix)s revoked.") if was_open else _("Token %(prefix)s was revoked before.")
        self.stdout.write(said % {"prefix": options["prefix"]})
