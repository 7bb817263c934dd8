"""`manage.py accounts_create_token`: a program's way into the API."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.accounts import selectors, services
from modules.accounts.domain import UnknownScope
from modules.accounts.models import ApiToken, Tenant
from modules.kernel import clock


class Command(BaseCommand):
    help = "Make an API token for a tenant and print it, once: nobody can read it again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="the tenant's name")
        parser.add_argument("--name", required=True, help="which program will use it")
        parser.add_argument(
            "--scopes", nargs="+", required=True, metavar="SCOPE", help=", ".join(ApiToken.Scope.values)
        )
        parser.add_argument("--days", type=int, help="how long it opens anything; until revoked unless given")

    def handle(self, *_args: Any, **options: Any) -> None:
        days = options["days"]
        if days is not None and not 1 <= days <= 3650:
            raise CommandError(_("--days goes from 1 to 3650."))
        try:
            tenant = selectors.get_tenant(name=options["tenant"])
            _token, text = services.create_token(
                tenant_id=tenant.pk,
                name=options["name"],
                scopes=options["scopes"],
                expires_at=clock.now() + timedelta(days=days) if days else None,
            )
        except Tenant.DoesNotExist:
            raise CommandError(_("There is no tenant called %(name)s.") % {"name": options["tenant"]}) from None
        except UnknownScope as error:
            raise CommandError(str(error)) from None
        self.stdout.write(str(text))
        self.stderr.write(
            _("Keep it now: it is shown this once. Revoke it with accounts_revoke_token %(prefix)s.")
            % {"prefix": text.prefix}
        )
