from django.dispatch import receiver

from modules.catalog.events import products_deleted, products_imported
from modules.inventory import services
from modules.orders.events import orders_deleted, orders_imported


@receiver([orders_imported, orders_deleted])
def recalculate_sold_variants(*, tenant_id: int, channel_id: int, order_ids: list[int], **_: object) -> None:
    """Commits with the orders: they cannot be there without the jobs that count what they sold."""
    services.request_orders_variants(tenant_id=tenant_id, channel_id=channel_id, order_ids=order_ids)


@receiver(products_imported)
def recalculate_imported_variants(*, tenant_id: int, storefront_id: int, product_ids: list[int], **_: object) -> None:
    """Commits with the products: what is in stock, or was sold, is called as they are now."""
    services.request_products_variants(tenant_id=tenant_id, storefront_id=storefront_id, product_ids=product_ids)


@receiver(products_deleted)
def drop_deleted_variants(*, tenant_id: int, storefront_id: int, product_ids: list[int], **_: object) -> None:
    """Commits with the tombstones: what a shop does not have any more is in none of its stocks."""
    services.request_products_variants(
        tenant_id=tenant_id, storefront_id=storefront_id, product_ids=product_ids, are_deleted=True
    )
