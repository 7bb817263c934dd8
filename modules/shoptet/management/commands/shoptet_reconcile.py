"""`manage.py shoptet_reconcile`: compare all orders with the shop's, here and now."""

import os
import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.kernel.bar import ProgressBar
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.shoptet import services
from modules.shoptet.clients import ShoptetError
from modules.shoptet.management.commands.shoptet_sync import summary_of, wanted_shops
from modules.shoptet.models import Shop, SnapshotExecution


class Command(BaseCommand):
    help = "Compare all orders with the shop's and bring in what differs; --dry-run only says how much that is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shop", required=True, metavar="ID|all")
        parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        with all_tenants():
            shops = wanted_shops(options["shop"])
        for shop in shops:
            bar = ProgressBar(self.stdout)
            with tenant_scope(shop.tenant_id):
                try:
                    line = _rehearse(shop, bar) if options["dry_run"] else _reconcile(shop, bar)
                except (ShoptetError, services.AlreadyRunning, services.CursorLost) as error:
                    raise CommandError(f"{shop}: {error}") from None
            bar.end()
            self.stdout.write(line)


def _rehearse(shop: Shop, bar: ProgressBar) -> str:
    found = services.rehearse_reconciliation(shop_id=shop.pk, report=bar.draw)
    values = {"shop": shop, "deleted": found.to_delete, "fetched": found.to_fetch}
    return _("%(shop)s: would delete %(deleted)d, would fetch %(fetched)d") % values


def _reconcile(shop: Shop, bar: ProgressBar) -> str:
    holder, manual = f"command:{socket.gethostname()}:{os.getpid()}", SnapshotExecution.Trigger.MANUAL
    return summary_of(shop, services.reconcile_orders(shop_id=shop.pk, holder=holder, report=bar.draw, trigger=manual))
