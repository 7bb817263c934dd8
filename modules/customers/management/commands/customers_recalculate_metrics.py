"""`manage.py customers_recalculate_metrics`: customers' figures from the orders."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from modules.customers import selectors, services
from modules.customers.management.chunked import ChunkedCommand, Part
from modules.customers.services import SentBatch
from modules.kernel import clock


class Command(ChunkedCommand):
    help = "Recalculate customers that are due, or --all, here with a progress bar, or as jobs with --queue."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--all", action="store_true", help="every customer, and what they are measured by")

    def rows(self, part: Part, **options: Any) -> Iterator[int]:
        return selectors.customers_to_recalculate(
            tenant_id=part.tenant_id, channel_id=part.channel_id, now=clock.now(), everyone=options["all"]
        )

    def work(self, part: Part, ids: list[int]) -> dict[str, int]:
        return {"changed": services.recalculate_metrics(tenant_id=part.tenant_id, customer_ids=ids, now=clock.now())}

    def finish(self, part: Part, total: int, **options: Any) -> None:
        is_whole, now = options["all"] and part.channel_id is None, clock.now()
        services.finish_recalculation(tenant_id=part.tenant_id, customers=total, everyone=is_whole, now=now)
        services.request_predictions(tenant_id=part.tenant_id, everyone=is_whole)

    def send(self, part: Part, options: dict[str, Any]) -> SentBatch | None:
        return services.send_recalculation(
            tenant_id=part.tenant_id,
            channel_id=part.channel_id,
            now=clock.now(),
            everyone=options["all"],
            chunk=options["chunk"],
            queue=options["queue"],
        )
