from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from modules.customers import selectors
from modules.customers.domain import ArrivedOrder, AttachResult, Person, Resolution, resolve_customers
from modules.customers.models import Customer, CustomerAccount, CustomerOrder
from modules.jobs import services as job_services

_RECALCULATE = """
INSERT INTO customers_customermetrics AS stored
    (tenant_id, customer_id, order_count, cancelled_count, currency, revenue, aov, first_order_at, last_order_at,
     recalculated_at)
SELECT tenant_id, id, order_count, cancelled_count,
    CASE WHEN currencies = 1 THEN currency ELSE '' END,
    CASE WHEN currencies <= 1 THEN COALESCE(revenue, 0) END,
    CASE WHEN currencies = 1 THEN aov END,
    first_order_at, last_order_at, %(now)s
FROM (
    SELECT customer.tenant_id, customer.id,
        count(bought.id) FILTER (WHERE NOT bought.is_cancelled) AS order_count,
        count(bought.id) FILTER (WHERE bought.is_cancelled) AS cancelled_count,
        count(DISTINCT channel.currency) FILTER (WHERE NOT bought.is_cancelled) AS currencies,
        max(channel.currency) FILTER (WHERE NOT bought.is_cancelled) AS currency,
        sum(bought.total_default) FILTER (WHERE NOT bought.is_cancelled) AS revenue,
        round(avg(bought.total_default) FILTER (WHERE NOT bought.is_cancelled), 2) AS aov,
        min(bought.created_at) FILTER (WHERE NOT bought.is_cancelled) AS first_order_at,
        max(bought.created_at) FILTER (WHERE NOT bought.is_cancelled) AS last_order_at
    FROM customers_customer customer
    LEFT JOIN customers_customerorder link ON link.customer_id = customer.id
    LEFT JOIN orders_order bought ON bought.id = link.order_id AND bought.deleted_at IS NULL
    LEFT JOIN orders_saleschannel channel ON channel.id = bought.channel_id
    WHERE customer.tenant_id = %(tenant_id)s AND customer.id = ANY(%(customer_ids)s)
    GROUP BY customer.id
) AS counted
ON CONFLICT (customer_id) DO UPDATE SET
    order_count = excluded.order_count, cancelled_count = excluded.cancelled_count, currency = excluded.currency,
    revenue = excluded.revenue, aov = excluded.aov, first_order_at = excluded.first_order_at,
    last_order_at = excluded.last_order_at, recalculated_at = excluded.recalculated_at
WHERE (stored.order_count, stored.cancelled_count, stored.currency, stored.revenue, stored.aov,
       stored.first_order_at, stored.last_order_at)
    IS DISTINCT FROM (excluded.order_count, excluded.cancelled_count, excluded.currency, excluded.revenue,
       excluded.aov, excluded.first_order_at, excluded.last_order_at)
"""

# Orders that went by an e-mail which turns out to be two customers': nobody knows whose they are any more.
_UNLINK_DOUBTFUL = """
DELETE FROM customers_customerorder link USING orders_order bought
WHERE bought.id = link.order_id AND bought.tenant_id = %s AND bought.customer_guid = ''
    AND bought.email_normalized = ANY(%s)
RETURNING link.customer_id
"""


def attach_orders(*, tenant_id: int, order_ids: Collection[int], now: datetime) -> AttachResult:
    """Link orders to their customers, made if need be, and recalculate everybody concerned, former owners too.

    One transaction, a constant number of queries, at most a few hundred ids at once. Safe to repeat; two at
    once for one tenant wait for each other. Ids that are unknown or another tenant's are passed over.
    """
    with transaction.atomic():
        _wait_for_turn(tenant_id)
        orders = selectors.arrived_orders(tenant_id=tenant_id, order_ids=order_ids)
        alive = [order.identity for order in orders if not order.is_deleted]
        accounts, persons = selectors.stored_persons(tenant_id=tenant_id, orders=alive)
        found = resolve_customers(alive, accounts=accounts, persons=persons)
        _store_persons(tenant_id, found, orders={order.identity.order_id: order for order in orders})
        owners = {order.identity.order_id: order.owner_id for order in orders if order.owner_id}
        linked = _store_links(tenant_id, found, owners=owners)
        touched = {*owners.values(), *linked.values(), *_unlink(tenant_id, found)}
        _recalculate(tenant_id, touched, now=now)
    return AttachResult(
        linked=len(linked),
        nobody=len(found.nobody),
        ambiguous=len(found.ambiguous),
        customers_created=len(found.new_persons),
        customers_touched=len(touched),
    )


def request_attachment(*, tenant_id: int, order_ids: Collection[int]) -> UUID:
    """Send the job that attaches these orders; return its id. It commits with the caller's transaction."""
    kwargs = {"tenant_id": tenant_id, "order_ids": list(order_ids)}
    return job_services.enqueue("customers.attach_orders", kwargs=kwargs, tenant_id=tenant_id)


def request_backfill(*, chunk: int) -> UUID:
    """Send the job that looks for orders without a customer, in all tenants; return its id."""
    return job_services.enqueue("customers.backfill_from_orders", kwargs={"chunk": chunk})


def request_recalculation(*, chunk: int) -> UUID:
    """Send the job that recalculates every customer of all tenants; return its id."""
    return job_services.enqueue("customers.recalculate_metrics", kwargs={"chunk": chunk})


def recalculate_metrics(*, tenant_id: int, customer_ids: Collection[int], now: datetime) -> None:
    """Make the metrics of these customers what their orders say; rows that say so already are not written.

    One transaction, one statement. Safe to repeat.
    """
    with transaction.atomic():
        _wait_for_turn(tenant_id)
        _recalculate(tenant_id, customer_ids, now=now)


def attach_next(*, tenant_id: int, after_id: int, limit: int, now: datetime) -> int | None:
    """Attach at most `limit` orders without a customer above `after_id`; return the last id, None at the end."""
    ids = selectors.orders_to_attach(tenant_id=tenant_id, after_id=after_id, limit=limit)
    if ids:
        attach_orders(tenant_id=tenant_id, order_ids=ids, now=now)
    return ids[-1] if len(ids) == limit else None


def recalculate_next(*, tenant_id: int, after_id: int, limit: int, now: datetime) -> int | None:
    """Recalculate at most `limit` customers above `after_id`; return the last id, None at the end."""
    ids = selectors.customer_ids(tenant_id=tenant_id, after_id=after_id, limit=limit)
    if ids:
        recalculate_metrics(tenant_id=tenant_id, customer_ids=ids, now=now)
    return ids[-1] if len(ids) == limit else None


def _wait_for_turn(tenant_id: int) -> None:
    """One at a time per tenant, until the transaction ends: else two would make one guest twice."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('customers', %s))", [tenant_id])


def _store_persons(tenant_id: int, found: Resolution, *, orders: Mapping[int, ArrivedOrder]) -> None:
    """Make the new customers from the orders that they came with, and give each person an id."""
    made = Customer.objects.bulk_create(
        _customer(tenant_id, orders[person.made_from.order_id]) for person in found.new_persons if person.made_from
    )
    for person, customer in zip(found.new_persons, made, strict=True):
        person.customer_id = customer.pk
    CustomerAccount.objects.bulk_create(
        CustomerAccount(tenant_id=tenant_id, customer_id=_id_of(person), channel_id=channel_id, guid=guid)
        for (channel_id, guid), person in found.new_accounts.items()
    )


def _customer(tenant_id: int, order: ArrivedOrder) -> Customer:
    return Customer(
        tenant_id=tenant_id,
        email=order.email.strip(),
        email_normalized=order.identity.email,
        full_name=order.full_name,
        phone=order.phone,
    )


def _store_links(tenant_id: int, found: Resolution, *, owners: Mapping[int, int]) -> dict[int, int]:
    """Write the links that are new or lead elsewhere now; return their customers by order."""
    changed = [link for link in found.links if owners.get(link.order_id) != _id_of(link.person)]
    CustomerOrder.objects.bulk_create(
        (
            CustomerOrder(
                tenant_id=tenant_id,
                order_id=link.order_id,
                customer_id=_id_of(link.person),
                linked_by=link.linked_by,
            )
            for link in changed
        ),
        update_conflicts=True,
        unique_fields=["order"],
        update_fields=["customer", "linked_by"],
    )
    return {link.order_id: _id_of(link.person) for link in changed}


def _id_of(person: Person) -> int:
    if person.customer_id is None:
        raise RuntimeError("A link to a customer that was not stored.")
    return person.customer_id


def _unlink(tenant_id: int, found: Resolution) -> set[int]:
    """Take away the links of orders that name nobody or several; return who lost one."""
    CustomerOrder.objects.filter(tenant_id=tenant_id, order_id__in=[*found.nobody, *found.ambiguous]).delete()
    with connection.cursor() as cursor:
        cursor.execute(_UNLINK_DOUBTFUL, [tenant_id, list(found.ambiguous_emails)])
        return {customer_id for (customer_id,) in cursor.fetchall()}


def _recalculate(tenant_id: int, customer_ids: Collection[int], *, now: datetime) -> None:
    values: dict[str, Any] = {"tenant_id": tenant_id, "customer_ids": sorted(customer_ids), "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_RECALCULATE, values)
