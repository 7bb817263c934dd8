"""`manage.py shoptet_reconcile`: compare all orders, or products, with the shop's, here and now."""

import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.kernel.bar import ProgressBar
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.shoptet import selectors, services
from modules.shoptet.clients import ShoptetError
from modules.shoptet.management.commands.shoptet_sync import summary_of, wanted_shops
from modules.shoptet.models import Shop, SnapshotExecution


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How one kind of record is compared, and what it would do."""

    run: Callable[..., SnapshotExecution | None]
    rehearse: Callable[..., services.Rehearsal]
    shops: Callable[[], Iterable[Shop]] = selectors.active_shops  # that "all" stands for


KINDS = {
    "orders": Reconciliation(services.reconcile_orders, services.rehearse_reconciliation),
    "products": Reconciliation(
        services.reconcile_products, services.rehearse_product_reconciliation, selectors.active_master_shops
    ),
}


class Command(BaseCommand):
    help = "Compare all orders, or products, with the shop's and bring in what differs; --dry-run only says how much."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", nargs="?", choices=sorted(KINDS), default="orders")
        parser.add_argument("--shop", required=True, metavar="ID|all")
        parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and change nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        kind = KINDS[options["what"]]
        with all_tenants():
            shops = wanted_shops(options["shop"], among=kind.shops)
        for shop in shops:
            bar = ProgressBar(self.stdout)
            with tenant_scope(shop.tenant_id):
                try:
                    line = _rehearse(kind, shop, bar) if options["dry_run"] else _reconcile(kind, shop, bar)
                except (ShoptetError, services.AlreadyRunning, services.CursorLost, services.NotAMaster) as error:
                    raise CommandError(f"{shop}: {error}") from None
            bar.end()
            self.stdout.write(line)


def _rehearse(kind: Reconciliation, shop: Shop, bar: ProgressBar) -> str:
    found = kind.rehearse(shop_id=shop.pk, report=bar.draw)
    values = {"shop": shop, "deleted": found.to_delete, "fetched": found.to_fetch}
    return _("%(shop)s: would delete %(deleted)d, would fetch %(fetched)d") % values


def _reconcile(kind: Reconciliation, shop: Shop, bar: ProgressBar) -> str:
    holder, manual = f"command:{socket.gethostname()}:{os.getpid()}", SnapshotExecution.Trigger.MANUAL
    return summary_of(shop, kind.run(shop_id=shop.pk, holder=holder, report=bar.draw, trigger=manual))
