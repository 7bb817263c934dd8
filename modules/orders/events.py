from django.dispatch import Signal

orders_imported = Signal()
"""Orders were created or changed. tenant_id: int, channel_id: int, order_ids: list[int] (ascending, not empty).

Sent inside the import's transaction: the jobs that receivers send are rows of the same commit, so that
orders without their follow-up cannot exist, whatever is killed when. Receivers only send jobs.
"""

orders_deleted = Signal()
"""Orders were found deleted at their source. Same payload and same transaction rule as orders_imported."""
