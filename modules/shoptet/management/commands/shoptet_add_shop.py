"""`manage.py shoptet_add_shop`: connect an e-shop on Shoptet."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.accounts import services as account_services
from modules.kernel.tenancy import tenant_scope
from modules.shoptet import selectors, services
from modules.shoptet.clients import InvalidToken
from modules.shoptet.models import Shop


class Command(BaseCommand):
    help = "Add a shop, or change the address and token of one; the token comes from SHOPTET_TOKEN or a file."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="whose shop it is; made if there is none of that name")
        parser.add_argument("--name", required=True)
        parser.add_argument("--url", default="https://api.myshoptet.com", help="address of the API")
        parser.add_argument("--token-file", type=Path, help="a file with the private API token, or an add-on's")
        parser.add_argument(
            "--oauth-url",
            default="",
            metavar="URL",
            help="where an add-on fetches its access tokens (…/action/ApiOAuthServer/getAccessToken)",
        )
        parser.add_argument("--master", action="store_true", help="other shops take their products from this one")
        parser.add_argument("--filled-from", type=int, metavar="ID", help="the master shop that products come from")

    def handle(self, *_args: Any, **options: Any) -> None:
        token = _token(options["token_file"])
        tenant = account_services.open_tenant(name=options["tenant"])
        try:
            with tenant_scope(tenant.pk):
                shop = services.add_shop(
                    tenant_id=tenant.pk,
                    name=options["name"],
                    base_url=options["url"],
                    token=token,
                    oauth_url=options["oauth_url"],
                    is_master=options["master"],
                )
                if options["filled_from"]:
                    services.fill_from(shop=shop, master=selectors.get_shop(options["filled_from"]))
        except (services.UnsafeAddress, services.NotAMaster, InvalidToken, Shop.DoesNotExist) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(_("Shop %(id)s, %(name)s, is connected.") % {"id": shop.pk, "name": shop.name})


def _token(file: Path | None) -> str:
    try:
        token = file.read_text(encoding="utf-8") if file else os.environ.get("SHOPTET_TOKEN", "")
    except OSError as error:
        raise CommandError(str(error)) from None
    if not token.strip():
        raise CommandError(_("Put the token into SHOPTET_TOKEN, or name a file with --token-file."))
    return token.strip()
