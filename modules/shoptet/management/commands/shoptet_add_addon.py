"""`manage.py shoptet_add_addon`: offer an add-on, so that shops connect themselves by installing it."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.accounts import services as account_services
from modules.kernel.tenancy import tenant_scope
from modules.shoptet import services
from modules.shoptet.clients import ShoptetError


class Command(BaseCommand):
    help = (
        "Add an add-on, or change one; prints the addresses to enter in Shoptet's partner administration."
        " The client secret, if one was issued, comes from SHOPTET_CLIENT_SECRET or a file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="whose the shops will be; made if need be")
        parser.add_argument("--name", required=True)
        parser.add_argument("--client-id", required=True)
        parser.add_argument("--secret-file", type=Path, help="a file with the client secret")
        parser.add_argument(
            "--oauth-server", required=True, metavar="URL", help="https://<partner>.myshoptet.com/action/ApiOAuthServer"
        )
        parser.add_argument("--url", default="https://api.myshoptet.com", help="address of the API")

    def handle(self, *_args: Any, **options: Any) -> None:
        tenant = account_services.open_tenant(name=options["tenant"])
        try:
            with tenant_scope(tenant.pk):
                addon = services.add_addon(
                    tenant_id=tenant.pk,
                    name=options["name"],
                    client_id=options["client_id"],
                    client_secret=_secret(options["secret_file"]),
                    oauth_server=options["oauth_server"],
                    base_url=options["url"],
                )
                addresses = services.addon_addresses(addon)
        except (services.UnsafeAddress, ShoptetError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(_("Installation: %s") % addresses.install)
        self.stdout.write(_("Events of the add-on: %s") % addresses.events)


def _secret(file: Path | None) -> str:
    try:
        secret = file.read_text(encoding="utf-8") if file else os.environ.get("SHOPTET_CLIENT_SECRET", "")
    except OSError as error:
        raise CommandError(str(error)) from None
    return secret.strip()
