from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from modules.orders.domain import StoredVersion
from modules.orders.models import Order, SalesChannel

Orders = QuerySet[Order]


def stored_versions(*, channel_id: int, codes: Collection[str]) -> dict[str, StoredVersion]:
    """Return how fresh each stored order of `codes` is, tombstones included; unknown codes are left out."""
    rows = Order.objects.filter(channel_id=channel_id, code__in=codes)
    versions: Any = rows.values_list("code", "changed_at", "fetched_at", "deleted_at")
    return {code: StoredVersion(changed, fetched, bool(deleted)) for code, changed, fetched, deleted in versions}


def status_ids(*, channel_id: int, codes: Collection[str]) -> dict[str, int | None]:
    """Return the status of each stored order of `codes`; unknown codes are left out."""
    return dict(Order.objects.filter(channel_id=channel_id, code__in=codes).values_list("code", "status_id"))


def recent_or_open(
    *, channel_id: int, recent_from: datetime, open_from: datetime, closed_status_ids: Collection[int]
) -> Orders:
    """Return the living orders made since `recent_from`, and since `open_from` those in no closed status."""
    is_open = Q(created_at__gte=open_from) & (Q(status_id=None) | ~Q(status_id__in=closed_status_ids))
    orders: Orders = Order.objects.filter(channel_id=channel_id, deleted_at=None)
    return orders.filter(is_open | Q(created_at__gte=recent_from))


def get_channel(channel_id: int) -> SalesChannel:
    """Return the channel; raises SalesChannel.DoesNotExist, also for another tenant's."""
    channel: SalesChannel = SalesChannel.objects.get(id=channel_id)
    return channel
