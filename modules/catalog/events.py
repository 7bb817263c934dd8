from django.dispatch import Signal

products_imported = Signal()
"""Products or their variants were created or changed. tenant_id: int, storefront_id: int, product_ids: list[int]
(ascending, not empty). Sent inside the import's transaction; receivers only send jobs.
"""

products_deleted = Signal()
"""Products were found deleted at their source. Same payload and same transaction rule as products_imported."""
