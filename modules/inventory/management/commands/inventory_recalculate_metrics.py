"""`manage.py inventory_recalculate_metrics`: every variant's figures from order lines and stock."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.inventory import selectors, services
from modules.inventory.services import CHUNK
from modules.kernel import clock
from modules.kernel.bar import ProgressBar
from modules.kernel.tenancy import all_tenants, tenant_scope


class Command(BaseCommand):
    help = "Recalculate what variants sell and how long they last, here with a progress bar, or as jobs with --queue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--queue", action="store_true", help="send one batch of jobs per tenant")
        parser.add_argument("--chunk", type=int, default=CHUNK, help=f"variants per transaction (default: {CHUNK})")
        parser.add_argument("--shop", metavar="NAME|ID", help="one shop, by its name or its channel's number")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["chunk"] < 1:
            raise CommandError(_("--chunk is 1 or more."))
        with all_tenants():
            parts = _channels(options["shop"])
        for tenant_id, channel_id in parts:
            with tenant_scope(tenant_id):
                if options["queue"]:
                    self._send(tenant_id, channel_id, options["chunk"])
                else:
                    self._run(tenant_id, channel_id, options["chunk"])

    def _send(self, tenant_id: int, channel_id: int, chunk: int) -> None:
        batch_id = services.send_recalculation(tenant_id=tenant_id, channel_id=channel_id, chunk=chunk)
        values = {"channel": channel_id, "batch": batch_id or "–"}
        self.stdout.write(_("Channel %(channel)s: batch %(batch)s") % values)

    def _run(self, tenant_id: int, channel_id: int, chunk: int) -> None:
        codes = list(selectors.channel_codes(tenant_id=tenant_id, channel_id=channel_id))
        bar, done, changed = ProgressBar(self.stdout), 0, 0
        for part in services.chunked(codes, chunk):
            changed += services.recalculate_variant_metrics(
                tenant_id=tenant_id, channel_id=channel_id, codes=part, now=clock.now()
            )
            done += len(part)
            bar.draw(done, len(codes))
        bar.end()
        services.finish_recalculation(tenant_id=tenant_id, now=clock.now())
        values = {"channel": channel_id, "variants": len(codes), "changed": changed}
        self.stdout.write(_("Channel %(channel)s: %(variants)s variants, %(changed)s changed") % values)


def _channels(shop: str | None) -> list[tuple[int, int]]:
    """Return tenants and channels."""
    if shop is None:
        tenants = list(selectors.active_tenant_ids())
        return [(tenant, channel) for tenant in tenants for channel in selectors.channel_ids(tenant_id=tenant)]
    found = selectors.channels_called(shop)
    if not found:
        raise CommandError(_("There is no shop %r; use its name, or its channel's number.") % shop)
    return [(channel.tenant_id, channel.pk) for channel in found]
