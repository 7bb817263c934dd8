"""Registered customers whom a shop deleted: what it alone said of them is erased; what orders say stays with those."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from modules.customers import clients, selectors
from modules.customers.models import Customer, CustomerAccount, CustomerMerge, CustomerOrder
from modules.customers.services._attach import enrich
from modules.customers.services._turns import wait_for_turn
from modules.orders import selectors as order_selectors

# An e-mail by which living orders are this customer's must stay: without it nobody would know whose they are.
_ORDERED_WITH = """
EXISTS (
    SELECT FROM orders_order bought
    JOIN customers_customerorder link ON link.order_id = bought.id
    JOIN customers_customer buyer ON buyer.id = link.customer_id
    WHERE bought.tenant_id = {of}.tenant_id AND bought.email_normalized = {email} AND bought.deleted_at IS NULL
        AND COALESCE(buyer.merged_into_id, buyer.id) = {root}
)
"""
_CLOSE_ACCOUNTS = f"""
UPDATE customers_customeraccount account SET deleted_at = %(deleted_at)s, group_name = '', emails = ARRAY(
    SELECT known.email FROM unnest(account.emails) AS known (email)
    WHERE {_ORDERED_WITH.format(of="account", email="known.email", root="COALESCE(owner.merged_into_id, owner.id)")}
)
FROM customers_customer owner
WHERE owner.id = account.customer_id AND account.channel_id = %(channel_id)s AND account.guid = ANY(%(guids)s)
    AND account.deleted_at IS NULL
RETURNING account.customer_id
"""
_ERASE = f"""
UPDATE customers_customer erased SET full_name = '', phone = '', company = '', city = '', country_code = '',
    language = '', email = CASE WHEN kept.is_needed THEN erased.email ELSE '' END,
    email_normalized = CASE WHEN kept.is_needed THEN erased.email_normalized ELSE '' END
FROM (
    SELECT own.id, {
    _ORDERED_WITH.format(of="own", email="own.email_normalized", root="COALESCE(own.merged_into_id, own.id)")
} AS is_needed
    FROM customers_customer own WHERE own.id = ANY(%s)
) AS kept
WHERE kept.id = erased.id
"""


def mark_accounts_deleted(*, channel_id: int, guids: Collection[str], deleted_at: datetime) -> int:
    """Close the accounts of customers whom a shop deleted; return how many were open.

    Who has no other account keeps what their orders say, and is gone without any. One transaction; safe to repeat.
    Raises SalesChannel.DoesNotExist, also for another tenant's channel.
    """
    tenant_id = order_selectors.get_channel(channel_id).tenant_id
    with transaction.atomic():
        wait_for_turn(tenant_id)
        closed = _close(channel_id, guids, deleted_at=deleted_at)
        _erase(tenant_id, _without_account(set(closed)))
    return len(closed)


def _close(channel_id: int, guids: Collection[str], *, deleted_at: datetime) -> list[int]:
    """Return whose the closed accounts are."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE_ACCOUNTS, {"channel_id": channel_id, "guids": list(guids), "deleted_at": deleted_at})
        return [customer_id for (customer_id,) in cursor.fetchall()]


def _without_account(customer_ids: Collection[int]) -> list[int]:
    """Return those who have no open account any more, with all who are the same person."""
    roots = set(selectors.roots(customer_ids).values())
    people = Customer.objects.filter(Q(id__in=roots) | Q(merged_into__in=roots)).values_list("id", "merged_into_id")
    family = {own: merged_into or own for own, merged_into in people}
    holders = CustomerAccount.objects.filter(customer__in=family, deleted_at=None).values_list("customer_id", flat=True)
    still = {family[customer_id] for customer_id in holders}
    return [customer_id for customer_id, root in family.items() if root not in still]


def _erase(tenant_id: int, customer_ids: Collection[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ERASE, [list(customer_ids)])
    enrich(tenant_id, CustomerOrder.objects.filter(customer__in=customer_ids).values_list("order_id", flat=True))
    of_no_order = Customer.objects.filter(id__in=customer_ids, merged_into=None, order_links=None)
    merges = CustomerMerge.objects.all()
    known = {*merges.values_list("kept_id", flat=True).filter(kept__in=customer_ids)}
    known |= {*merges.values_list("merged_id", flat=True).filter(merged__in=customer_ids)}
    of_no_order.exclude(id__in=known).delete()
    transaction.on_commit(clients.forget_counts)
