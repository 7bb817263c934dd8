from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Min, Q, QuerySet

from modules.orders.domain import StoredVersion
from modules.orders.models import Order, OrderItem, SalesChannel

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
    return living_orders(channel_id=channel_id).filter(is_open | Q(created_at__gte=recent_from))


def living_orders(*, channel_id: int) -> Orders:
    """Return the orders of a channel that its source has not deleted."""
    orders: Orders = Order.objects.filter(channel_id=channel_id, deleted_at=None)
    return orders


def oldest_order_at(*, channel_id: int) -> datetime | None:
    """Return when the oldest living order was made; None when there is none of a known time."""
    oldest: datetime | None = living_orders(channel_id=channel_id).aggregate(at=Min("created_at"))["at"]
    return oldest


def codes_made_between(*, channel_id: int, since: datetime | None, until: datetime) -> list[str]:
    """Return the codes of living orders made from `since` (None: ever) to `until`, both included."""
    made = living_orders(channel_id=channel_id).filter(created_at__lte=until)
    if since:
        made = made.filter(created_at__gte=since)
    return list(made.values_list("code", flat=True))


def timeless_orders(*, channel_id: int, after: datetime) -> Orders:
    """Return the living orders of no known time, or of one after `after`."""
    return living_orders(channel_id=channel_id).filter(Q(created_at=None) | Q(created_at__gt=after))


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
