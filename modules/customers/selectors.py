from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q, QuerySet, Sum, Value

from modules.accounts.models import Tenant
from modules.customers.domain import ArrivedOrder, OrderIdentity, Person
from modules.customers.models import Customer, CustomerAccount
from modules.orders.models import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The tenants in scope in figures; `revenues` by currency, ascending."""

    orders: int
    customers: int
    linked: int
    revenues: dict[str, Decimal]


def stored_persons(
    *, tenant_id: int, orders: Collection[OrderIdentity]
) -> tuple[dict[tuple[int, str], Person], list[Person]]:
    """Return the customers that `orders` may belong to: by (channel, GUID), and all with one of the e-mails.

    A customer found both ways is the same object in both. Two queries.
    """
    emails = {order.email for order in orders if order.email}
    guids = {order.guid for order in orders if order.guid}
    found = (
        Customer.objects.filter(tenant_id=tenant_id, email_normalized__in=emails)
        .annotate(channels=_CHANNELS)
        .order_by("id")
    )
    by_id = {customer.pk: Person(customer.pk, customer.email_normalized, set(customer.channels)) for customer in found}
    accounts = CustomerAccount.objects.filter(tenant_id=tenant_id, guid__in=guids).values_list(
        "channel_id", "guid", "customer_id"
    )
    by_guid = {
        (channel_id, guid): by_id.get(customer_id) or Person(customer_id, "", set())
        for channel_id, guid, customer_id in accounts
    }
    return by_guid, list(by_id.values())


_CHANNELS = ArrayAgg("accounts__channel_id", filter=Q(accounts__isnull=False), default=Value([]))


def arrived_orders(*, tenant_id: int, order_ids: Collection[int]) -> list[ArrivedOrder]:
    """Return these orders of the tenant in order of id, deleted ones too. One query."""
    orders = Order.objects.filter(tenant_id=tenant_id, id__in=order_ids).order_by("id")
    rows = orders.values_list(
        *("id", "channel_id", "customer_guid", "email_normalized", "email", "full_name", "phone"),
        *("deleted_at", "customer_link__customer_id"),
    )
    return [
        ArrivedOrder(
            identity=OrderIdentity(order_id=row[0], channel_id=row[1], guid=row[2], email=row[3]),
            email=row[4],
            full_name=row[5],
            phone=row[6],
            is_deleted=row[7] is not None,
            owner_id=row[8],
        )
        for row in rows
    ]


def orders_to_attach(*, tenant_id: int, after_id: int, limit: int) -> list[int]:
    """Return ids of live orders that name a customer and have none, above `after_id`, ascending, `limit` at most.

    Orders whose e-mail fits several customers are among them: another look may find the doubt gone.
    """
    named = Q(customer_guid__gt="") | Q(email_normalized__gt="")
    orders = Order.objects.filter(named, tenant_id=tenant_id, id__gt=after_id, deleted_at=None, customer_link=None)
    return list(orders.order_by("id").values_list("id", flat=True)[:limit])


def customer_ids(*, tenant_id: int, after_id: int, limit: int) -> list[int]:
    """Return ids of a tenant's customers above `after_id`, ascending, `limit` at most."""
    customers = Customer.objects.filter(tenant_id=tenant_id, id__gt=after_id).order_by("id")
    return list(customers.values_list("id", flat=True)[:limit])


def active_tenant_ids() -> Iterable[int]:
    """Return the tenants for whom jobs run, ascending."""
    return Tenant.objects.filter(is_active=True).order_by("id").values_list("id", flat=True)


def totals() -> Totals:
    """Return the figures of the tenants in scope, straight from the orders, not from the metrics."""
    live: QuerySet[Order] = Order.objects.filter(deleted_at=None)
    counted = live.filter(is_cancelled=False).exclude(total_default=None)
    revenues = counted.values_list("channel__currency").annotate(Sum("total_default")).order_by("channel__currency")
    return Totals(
        orders=live.count(),
        customers=Customer.objects.count(),
        linked=live.exclude(customer_link=None).count(),
        revenues=dict(revenues),
    )
