"""Orders of customers, placed and attached in a line; what the files of this folder share."""

from modules.customers import services
from modules.orders import services as order_services
from modules.orders.models import Order
from tests.orders.factories import at

NOON, LATER = at("2026-03-01T12:00"), at("2026-03-01T13:00")


def place(channel, *orders, fetched_at=NOON):
    """Import orders; return the ids of all of them in order of code."""
    order_services.import_orders(channel_id=channel.pk, orders=orders, fetched_at=fetched_at)
    codes = [facts.code for facts in orders]
    return list(Order.objects.filter(channel=channel, code__in=codes).order_by("code").values_list("id", flat=True))


def attach(channel, *orders, now=NOON, fetched_at=NOON):
    """Import orders and find their customers."""
    ids = place(channel, *orders, fetched_at=fetched_at)
    return services.attach_orders(tenant_id=channel.tenant_id, order_ids=ids, now=now)
