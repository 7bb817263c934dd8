from django.dispatch import receiver

from modules.customers import services
from modules.orders.events import orders_deleted, orders_imported


@receiver([orders_imported, orders_deleted])
def attach_changed_orders(*, tenant_id: int, order_ids: list[int], **_: object) -> None:
    """Commits with the orders: they cannot be there without the job that finds their customers."""
    services.request_attachment(tenant_id=tenant_id, order_ids=order_ids)
