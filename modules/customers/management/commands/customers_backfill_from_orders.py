"""`manage.py customers_backfill_from_orders`: customers for the orders that have none."""

from collections.abc import Iterator
from typing import Any

from modules.customers import selectors, services
from modules.customers.management.chunked import ChunkedCommand, Part
from modules.customers.services import SentBatch
from modules.kernel import clock


class Command(ChunkedCommand):
    help = "Look whose the unlinked orders are, here with a progress bar, or as jobs with --queue."

    def rows(self, part: Part, **_options: Any) -> Iterator[int]:
        return selectors.orders_to_attach(tenant_id=part.tenant_id, channel_id=part.channel_id)

    def work(self, part: Part, ids: list[int]) -> dict[str, int]:
        result = services.attach_orders(tenant_id=part.tenant_id, order_ids=ids, now=clock.now())
        return {"linked": result.linked, "shared e-mail": result.ambiguous}

    def send(self, part: Part, options: dict[str, Any]) -> SentBatch | None:
        return services.send_backfill(
            tenant_id=part.tenant_id, channel_id=part.channel_id, chunk=options["chunk"], queue=options["queue"]
        )
