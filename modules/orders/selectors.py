from collections.abc import Collection
from typing import Any

from django.db.models import Q

from modules.orders.domain import StoredVersion
from modules.orders.models import Order, OrderItem, SalesChannel


def stored_versions(*, channel_id: int, codes: Collection[str]) -> dict[str, StoredVersion]:
    """Return how fresh each stored order of `codes` is, tombstones included; unknown codes are left out."""
    rows = Order.objects.filter(channel_id=channel_id, code__in=codes)
    versions: Any = rows.values_list("code", "changed_at", "fetched_at", "deleted_at")
    return {code: StoredVersion(changed, fetched, bool(deleted)) for code, changed, fetched, deleted in versions}


def get_channel(channel_id: int) -> SalesChannel:
    """Return the channel; raises SalesChannel.DoesNotExist, also for another tenant's."""
    channel: SalesChannel = SalesChannel.objects.get(id=channel_id)
    return channel


def orders_page(*, limit: int, after: int | None = None, **conditions: Any) -> list[Order]:
    """Return orders of the tenants in scope that fulfill the conditions (lookups), newest first.

    `after` is the id of the last order of the page before; unknown, also as another tenant's, it begins anew. An
    order without a time comes before all, as in the index.
    """
    found = Order.objects.filter(**conditions).select_related("channel").defer("raw")
    last = Order.objects.filter(id=after).only("created_at").first() if after else None
    if last:
        found = found.filter(_comes_after(last))
    return list(found.order_by("-created_at", "-id")[:limit])


def _comes_after(last: Order) -> Q:
    if last.created_at is None:
        return Q(created_at=None, id__lt=last.pk) | Q(created_at__isnull=False)
    older = Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, id__lt=last.pk)
    return Q(created_at__lte=last.created_at) & older  # the first condition alone can use the index


def find_order(order_id: int) -> Order | None:
    """Return an order of the tenants in scope with its channel, also a deleted one, or None."""
    found: Order | None = Order.objects.select_related("channel").filter(id=order_id).first()
    return found


def lines(order: Order) -> list[OrderItem]:
    """Return the lines of an order in their order."""
    return list(OrderItem.objects.filter(order=order).order_by("line_number"))
