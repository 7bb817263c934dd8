from django.dispatch import receiver

from modules.inventory import services
from modules.orders.events import orders_deleted, orders_imported


@receiver([orders_imported, orders_deleted])
def recalculate_sold_variants(*, tenant_id: int, channel_id: int, order_ids: list[int], **_: object) -> None:
    """Commits with the orders: they cannot be there without the jobs that count what they sold."""
    services.request_orders_variants(tenant_id=tenant_id, channel_id=channel_id, order_ids=order_ids)
