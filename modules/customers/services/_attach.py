"""Whose orders are: customers are made from them, and the links between the two."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db import connection, transaction

from modules.customers import clients, selectors
from modules.customers.domain import ArrivedOrder, AttachResult, Person, Resolution, resolve_customers
from modules.customers.models import Customer, CustomerAccount, CustomerMerge, CustomerOrder
from modules.customers.services._merges import join
from modules.customers.services._metrics import write_metrics
from modules.customers.services._turns import wait_for_turn

# Orders that went by an e-mail which turns out to be two customers': nobody knows whose they are any more.
_UNLINK_DOUBTFUL = """
DELETE FROM customers_customerorder link USING orders_order bought
WHERE bought.id = link.order_id AND bought.tenant_id = %s AND bought.customer_guid = ''
    AND bought.email_normalized = ANY(%s)
RETURNING link.customer_id
"""

# What an order knows of a customer of whom we do not know it yet; the newest order first.
_ENRICH = """
UPDATE customers_customer customer SET
    full_name = COALESCE(NULLIF(customer.full_name, ''), known.full_name, ''),
    phone = COALESCE(NULLIF(customer.phone, ''), known.phone, ''),
    company = COALESCE(NULLIF(customer.company, ''), known.company, ''),
    city = COALESCE(NULLIF(customer.city, ''), known.city, ''),
    country_code = COALESCE(NULLIF(customer.country_code, ''), known.country_code, ''),
    language = COALESCE(NULLIF(customer.language, ''), known.language, '')
FROM (
    SELECT COALESCE(owner.merged_into_id, owner.id) AS customer_id,
        (array_agg(bought.full_name ORDER BY bought.created_at DESC NULLS LAST)
            FILTER (WHERE bought.full_name <> ''))[1] AS full_name,
        (array_agg(bought.phone ORDER BY bought.created_at DESC NULLS LAST)
            FILTER (WHERE bought.phone <> ''))[1] AS phone,
        (array_agg(address ->> 'company' ORDER BY bought.created_at DESC NULLS LAST)
            FILTER (WHERE address ->> 'company' <> ''))[1] AS company,
        (array_agg(address ->> 'city' ORDER BY bought.created_at DESC NULLS LAST)
            FILTER (WHERE address ->> 'city' <> ''))[1] AS city,
        (array_agg(address ->> 'countryCode' ORDER BY bought.created_at DESC NULLS LAST)
            FILTER (WHERE address ->> 'countryCode' <> ''))[1] AS country_code,
        (array_agg(bought.language ORDER BY bought.created_at DESC NULLS LAST)
            FILTER (WHERE bought.language <> ''))[1] AS language
    FROM orders_order bought
    JOIN customers_customerorder link ON link.order_id = bought.id
    JOIN customers_customer owner ON owner.id = link.customer_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN jsonb_typeof(bought.billing_address) = 'object' THEN bought.billing_address END
    ) AS billing (address)
    WHERE bought.tenant_id = %s AND bought.id = ANY(%s) AND bought.deleted_at IS NULL
    GROUP BY 1
) AS known
WHERE customer.id = known.customer_id AND '' = ANY(ARRAY[
    customer.full_name, customer.phone, customer.company, customer.city, customer.country_code, customer.language])
    AND (COALESCE(NULLIF(customer.full_name, ''), known.full_name, ''),
        COALESCE(NULLIF(customer.phone, ''), known.phone, ''),
        COALESCE(NULLIF(customer.company, ''), known.company, ''),
        COALESCE(NULLIF(customer.city, ''), known.city, ''),
        COALESCE(NULLIF(customer.country_code, ''), known.country_code, ''),
        COALESCE(NULLIF(customer.language, ''), known.language, ''))
    IS DISTINCT FROM (customer.full_name, customer.phone, customer.company, customer.city, customer.country_code,
        customer.language)
"""


def attach_orders(*, tenant_id: int, order_ids: Collection[int], now: datetime) -> AttachResult:
    """Link orders to their customers, made if need be, and recalculate everybody concerned, former owners too.

    One transaction, a constant number of queries, at most a few hundred ids at once. Safe to repeat; two at
    once for one tenant wait for each other. Ids that are unknown or another tenant's are passed over.
    """
    with transaction.atomic():
        wait_for_turn(tenant_id)
        orders = selectors.arrived_orders(tenant_id=tenant_id, order_ids=order_ids)
        alive = [order.identity for order in orders if not order.is_deleted]
        accounts, persons = selectors.stored_persons(tenant_id=tenant_id, orders=alive)
        found = resolve_customers(alive, accounts=accounts, persons=persons)
        _store_persons(tenant_id, found, orders={order.identity.order_id: order for order in orders})
        owners = {order.identity.order_id: order.owner_id for order in orders if order.owner_id}
        linked = _store_links(tenant_id, found, owners=owners)
        touched = {*owners.values(), *linked.values(), *_unlink(tenant_id, found)}
        touched |= {_id_of(person) for pair in found.claims for person in pair}
        store_claims(tenant_id, found, now=now)
        enrich(tenant_id, order_ids)
        write_metrics(tenant_id, touched, now=now)
        if found.new_persons or found.claims:
            transaction.on_commit(clients.forget_counts)
    return AttachResult(
        linked=len(linked),
        nobody=len(found.nobody),
        ambiguous=len(found.ambiguous),
        customers_created=len(found.new_persons),
        customers_touched=len(touched),
    )


def _store_persons(tenant_id: int, found: Resolution, *, orders: Mapping[int, ArrivedOrder]) -> None:
    """Make the new customers from the orders that they came with, and give each person an id."""
    made = Customer.objects.bulk_create(
        _customer(tenant_id, orders[person.made_from.order_id]) for person in found.new_persons if person.made_from
    )
    for person, customer in zip(found.new_persons, made, strict=True):
        person.customer_id = customer.pk
    store_accounts(tenant_id, found)


def store_accounts(tenant_id: int, found: Resolution) -> None:
    """Store the accounts that were not known; their persons are stored."""
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
        losers = {customer_id for (customer_id,) in cursor.fetchall()}
    return set(selectors.roots(losers).values()) if losers else losers


def store_claims(tenant_id: int, found: Resolution, *, now: datetime) -> None:
    """Write down which guests turned out to be registered customers; there are few, so one by one."""
    for guest, person in found.claims:
        reason = CustomerMerge.Reason.CLAIMED
        join(tenant_id, _id_of(person), _id_of(guest), reason=reason, by="", now=now)


def enrich(tenant_id: int, order_ids: Iterable[int]) -> None:
    """Fill in what customers lack from these orders of theirs, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_ENRICH, [tenant_id, list(order_ids)])
