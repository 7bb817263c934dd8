from collections.abc import Collection
from typing import Any

from modules.orders.domain import StoredVersion
from modules.orders.models import Order, SalesChannel


def stored_versions(*, channel_id: int, codes: Collection[str]) -> dict[str, StoredVersion]:
    """Return how fresh each stored order of `codes` is, tombstones included; unknown codes are left out."""
    rows = Order.objects.filter(channel_id=channel_id, code__in=codes)
    versions: Any = rows.values_list("code", "changed_at", "fetched_at", "deleted_at")
    return {code: StoredVersion(changed, fetched, bool(deleted)) for code, changed, fetched, deleted in versions}


def get_channel(channel_id: int) -> SalesChannel:
    """Return the channel; raises SalesChannel.DoesNotExist, also for another tenant's."""
    channel: SalesChannel = SalesChannel.objects.get(id=channel_id)
    return channel
