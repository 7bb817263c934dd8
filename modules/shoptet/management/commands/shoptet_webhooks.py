"""`manage.py shoptet_webhooks`: let a shop tell us of its events."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.shoptet import selectors, services
from modules.shoptet.clients import ShoptetClient, ShoptetError
from modules.shoptet.models import Shop


class Command(BaseCommand):
    help = (
        "Register our webhooks at a shop; snapshots do so by themselves. --renew-key takes a new signature key."
        " --again only lets the events that were given up be tried once more."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shop", required=True, type=int, metavar="ID")
        parser.add_argument("--renew-key", action="store_true", help="the former key is honored for another hour")
        parser.add_argument("--again", action="store_true", help="process again what the shop refused")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with all_tenants():
                shop = selectors.get_shop(options["shop"])
            if options["again"]:
                self._process_again(shop)
                return
            with tenant_scope(shop.tenant_id), services.connect(shop) as client:
                self._register(shop, client, renew=options["renew_key"])
        except Shop.DoesNotExist:
            raise CommandError(_("There is no shop %r; use its number, or all.") % options["shop"]) from None
        except ShoptetError as error:
            raise CommandError(str(error)) from None

    def _register(self, shop: Shop, client: ShoptetClient, *, renew: bool) -> None:
        if renew:
            services.renew_webhook_key(shop=shop, client=client)
        services.register_webhooks(shop=shop, client=client)
        for event, url in sorted(client.webhooks().items()):
            self.stdout.write(f"{event:<14} {url}")

    def _process_again(self, shop: Shop) -> None:
        with tenant_scope(shop.tenant_id):
            count = services.handle_refused_again(shop=shop)
        self.stdout.write(_("Events that are processed again: %d.") % count)
