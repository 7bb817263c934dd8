"""`manage.py shoptet_sync`: read a shop now, without waiting for the schedule."""

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.kernel.bar import ProgressBar
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.shoptet import selectors, services
from modules.shoptet.clients import ShoptetError
from modules.shoptet.models import Shop, SnapshotExecution


@dataclass(frozen=True, slots=True)
class Reading:
    """How one kind of record is read: by a job, or here and now."""

    send: Callable[..., UUID]
    read: Callable[..., SnapshotExecution | None]
    shops: Callable[[], Iterable[Shop]] = selectors.active_shops  # that "all" stands for


READINGS = {
    "orders": Reading(services.request_orders, services.fetch_new_orders),
    "products": Reading(services.request_products, services.import_master_products, selectors.active_master_shops),
    "customers": Reading(partial(services.request_reading, "fetch_new_customers"), services.fetch_new_customers),
    "statuses": Reading(partial(services.request_reading, "refresh_statuses"), services.refresh_statuses),
    "stocks": Reading(partial(services.request_reading, "fetch_stocks"), services.fetch_stocks),
}


class Command(BaseCommand):
    help = "Send the jobs that read shops; with --now read them here, with a progress bar."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=sorted(READINGS))
        parser.add_argument("--shop", required=True, metavar="ID|all")
        parser.add_argument("--now", action="store_true", help="read here and now instead of sending jobs")

    def handle(self, *_args: Any, **options: Any) -> None:
        with all_tenants():
            reading = READINGS[options["what"]]
            shops = wanted_shops(options["shop"], among=reading.shops)
        for shop in shops:
            with tenant_scope(shop.tenant_id):
                self._read(reading, shop) if options["now"] else self._send(reading, shop)

    def _send(self, reading: Reading, shop: Shop) -> None:
        job_id = reading.send(shop=shop)
        self.stdout.write(_("%(shop)s: job %(job)s is sent.") % {"shop": shop, "job": job_id})

    def _read(self, reading: Reading, shop: Shop) -> None:
        holder = f"command:{socket.gethostname()}:{os.getpid()}"
        manual, bar = SnapshotExecution.Trigger.MANUAL, ProgressBar(self.stdout)
        try:
            entry = reading.read(shop_id=shop.pk, holder=holder, report=bar.draw, trigger=manual)
        except (ShoptetError, services.AlreadyRunning, services.CursorLost, services.NotAMaster) as error:
            raise CommandError(f"{shop}: {error}") from None
        bar.end()
        self.stdout.write(summary_of(shop, entry))


def wanted_shops(which: str, *, among: Callable[[], Iterable[Shop]] = selectors.active_shops) -> Sequence[Shop]:
    """Return the shop of a number, or for "all" those of `among`; raises CommandError."""
    if which == "all":
        return list(among())
    try:
        return [selectors.get_shop(int(which))]
    except (ValueError, Shop.DoesNotExist):
        raise CommandError(_("There is no shop %r; use its number, or all.") % which) from None


def summary_of(shop: Shop, entry: SnapshotExecution | None) -> str:
    """Return a line about how a reading went."""
    if entry is None:
        return _("%s is switched off.") % shop
    counts = {name: getattr(entry, name) for name in ("created", "updated", "deleted", "unchanged", "parked")}
    return f"{shop}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items())
