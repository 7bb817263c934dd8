"""`manage.py shoptet_snapshot`: read everything that a shop has."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.shoptet import selectors, services
from modules.shoptet.clients import ShoptetError
from modules.shoptet.models import Shop, SnapshotExecution

BAR_WIDTH = 30
LOOK_EVERY_SECONDS = 0.5
Status = SnapshotExecution.Status


class Command(BaseCommand):
    help = "Begin a snapshot: the shop makes a file of everything, workers take it in. --wait shows how far it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=sorted(services.KINDS))
        parser.add_argument("--shop", required=True, type=int, metavar="ID")
        parser.add_argument("--wait", action="store_true", help="stay until it has ended; exit 1 when it failed")
        parser.add_argument("--dry-run", action="store_true", help="say whether it could begin, and begin nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        with all_tenants():
            shop = _shop(options["shop"])
        with tenant_scope(shop.tenant_id):
            if options["dry_run"]:
                self._rehearse(shop, options["what"])
                return
            entry, is_new = services.request_snapshot(shop=shop, what=options["what"])
            text = _("%(shop)s: snapshot %(id)d is asked for.") if is_new else _("%(shop)s: snapshot %(id)d goes on.")
            self.stdout.write(text % {"shop": shop, "id": entry.pk})
            if options["wait"]:
                self._wait(entry.pk)

    def _rehearse(self, shop: Shop, what: str) -> None:
        """Ask the shop who it is, and look for what would stop a snapshot."""
        try:
            url = services.webhook_url(shop)
            with services.connect(shop) as client:
                client.eshop()
        except ShoptetError as error:
            raise CommandError(f"{shop}: {error}") from None
        open_ids = list(selectors.open_snapshots().filter(shop=shop).values_list("id", flat=True))
        values = {"shop": shop, "what": what, "url": url, "open": ", ".join(map(str, open_ids)) or "–"}
        self.stdout.write(
            _("%(shop)s: %(what)s would be asked for; told at %(url)s; snapshots under way: %(open)s.") % values
        )

    def _wait(self, execution_id: int) -> None:
        entry = selectors.get_execution(execution_id)
        while entry.finished_at is None:
            self._draw(entry)
            time.sleep(LOOK_EVERY_SECONDS)
            entry = selectors.get_execution(execution_id)
        self._draw(entry)
        if self.stdout.isatty():
            self.stdout.write("")
        if entry.status == Status.ERROR:
            raise CommandError(f"{entry.shop}: {entry.error}")
        self.stdout.write(_summary(entry))

    def _draw(self, entry: SnapshotExecution) -> None:
        if self.stdout.isatty():
            total = entry.lines_total or 0
            filled = BAR_WIDTH * entry.lines_done // max(total, 1)
            bar = "█" * filled + "░" * (BAR_WIDTH - filled)
            state = entry.get_status_display()
            self.stdout.write(f"\r{bar} {entry.lines_done:,} / {total:,} {state:<20}", ending="")
            self.stdout.flush()


def _shop(shop_id: int) -> Shop:
    try:
        return selectors.get_shop(shop_id)
    except Shop.DoesNotExist:
        raise CommandError(_("There is no shop %r; use its number, or all.") % shop_id) from None


def _summary(entry: SnapshotExecution) -> str:
    counts = {name: getattr(entry, name) for name in ("created", "updated", "unchanged", "parked")}
    return f"{entry.shop}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items())
