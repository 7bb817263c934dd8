from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum, TextField
from django.db.models.functions import MD5, Cast, Coalesce, TruncMonth

from modules.accounts.models import Tenant
from modules.customers import clients
from modules.customers.domain import ArrivedOrder, OrderIdentity, Person, Segment
from modules.customers.models import Customer, CustomerAccount, CustomerMerge, CustomerMetrics, CustomerOrder
from modules.kernel.console import visible_tenant_ids
from modules.kernel.tenancy import all_tenants
from modules.orders.models import Order, SalesChannel

FETCHED = 2_000  # ids read at once by what goes through all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The tenants in scope in figures; `revenues` by currency, ascending."""

    orders: int
    customers: int
    linked: int
    revenues: dict[str, Decimal]


# Whose accounts have an e-mail or ordered with it, and who is concerned; merged customers are their keeper.
_CONTACTS = """
SELECT DISTINCT COALESCE(owner.merged_into_id, owner.id), bought.email_normalized
FROM orders_order bought
JOIN customers_customeraccount account
    ON account.channel_id = bought.channel_id AND account.guid = bought.customer_guid
JOIN customers_customer owner ON owner.id = account.customer_id
WHERE bought.tenant_id = %s AND bought.email_normalized = ANY(%s) AND bought.email_normalized <> ''
    AND bought.customer_guid <> '' AND bought.deleted_at IS NULL
UNION
SELECT COALESCE(owner.merged_into_id, owner.id), known.email
FROM customers_customeraccount account
JOIN customers_customer owner ON owner.id = account.customer_id
CROSS JOIN unnest(account.emails) AS known (email)
WHERE account.tenant_id = %s AND account.emails && %s::text[] AND known.email = ANY(%s)
"""
_PERSONS = """
SELECT COALESCE(customer.merged_into_id, customer.id) AS root_id,
    COALESCE(max(customer.email_normalized) FILTER (WHERE customer.merged_into_id IS NULL), ''),
    array_agg(DISTINCT customer.email_normalized) FILTER (WHERE customer.merged_into_id IS NOT NULL),
    array_agg(DISTINCT account.channel_id) FILTER (WHERE account.id IS NOT NULL)
FROM customers_customer customer
LEFT JOIN customers_customeraccount account ON account.customer_id = customer.id
WHERE customer.tenant_id = %(tenant_id)s
    AND (customer.id = ANY(%(roots)s) OR customer.merged_into_id = ANY(%(roots)s))
GROUP BY root_id ORDER BY root_id
"""


def stored_persons(
    *, tenant_id: int, orders: Collection[OrderIdentity]
) -> tuple[dict[tuple[int, str], Person], list[Person]]:
    """Return the customers that `orders` may belong to: by (channel, GUID), and all with one of the e-mails.

    A customer found both ways is the same object in both. Five queries.
    """
    emails = sorted({order.email for order in orders if order.email})
    accounts = _accounts(tenant_id, {order.guid for order in orders if order.guid})
    contacts = _rows(_CONTACTS, [tenant_id, emails, tenant_id, emails, emails])
    known = Customer.objects.filter(tenant_id=tenant_id, email_normalized__in=emails)
    roots = {merged_into or own for own, merged_into in known.values_list("id", "merged_into_id")}
    roots |= {*accounts.values(), *(root for root, _ in contacts)}
    rows = _rows(_PERSONS, {"tenant_id": tenant_id, "roots": sorted(roots)})
    people = {
        root: Person(root, email, set(channels or ()), merged_emails=set(merged or ()) - {""})
        for root, email, merged, channels in rows
    }
    for root, email in contacts:
        people[root].contact_emails |= {email} - people[root].own_emails
    _note_partings(tenant_id, people)
    return {account: people[root] for account, root in accounts.items()}, list(people.values())


def _accounts(tenant_id: int, guids: Collection[str]) -> dict[tuple[int, str], int]:
    """Return whose each account is; merged customers are their keeper."""
    found = CustomerAccount.objects.filter(tenant_id=tenant_id, guid__in=guids)
    rows = found.values_list("channel_id", "guid", "customer_id", "customer__merged_into_id")
    return {(channel_id, guid): merged_into or own for channel_id, guid, own, merged_into in rows}


def _note_partings(tenant_id: int, people: dict[int, Person]) -> None:
    undone = CustomerMerge.objects.filter(tenant_id=tenant_id, undone_at__isnull=False)
    concerned = undone.filter(Q(kept_id__in=people) | Q(merged_id__in=people))
    for kept, merged in concerned.values_list("kept_id", "merged_id"):
        for one, other in ((kept, merged), (merged, kept)):
            if one in people:
                people[one].parted_from.add(other)


def _rows(statement: str, values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def roots(customer_ids: Collection[int]) -> dict[int, int]:
    """Return whom each of these customers counts for: itself, or the one it is merged into."""
    rows = Customer.objects.filter(id__in=customer_ids).values_list("id", "merged_into_id")
    return {own: merged_into or own for own, merged_into in rows}


def arrived_orders(*, tenant_id: int, order_ids: Collection[int]) -> list[ArrivedOrder]:
    """Return these orders of the tenant in order of id, deleted ones too. One query."""
    orders = Order.objects.filter(tenant_id=tenant_id, id__in=order_ids).order_by("id")
    rows = orders.values_list(
        *("id", "channel_id", "customer_guid", "email_normalized", "email", "full_name", "phone"),
        *("deleted_at", "customer_link__customer_id", "customer_link__customer__merged_into_id"),
    )
    return [
        ArrivedOrder(
            identity=OrderIdentity(order_id=row[0], channel_id=row[1], guid=row[2], email=row[3]),
            email=row[4],
            full_name=row[5],
            phone=row[6],
            is_deleted=row[7] is not None,
            owner_id=row[9] or row[8],
        )
        for row in rows
    ]


def orders_to_attach(*, tenant_id: int, channel_id: int | None = None) -> Iterator[int]:
    """Yield ids of live orders that name a customer and have none, ascending.

    Orders whose e-mail fits several customers are among them: another look may find the doubt gone.
    """
    named = Q(customer_guid__gt="") | Q(email_normalized__gt="")
    orders = Order.objects.filter(named, tenant_id=tenant_id, deleted_at=None, customer_link=None)
    if channel_id is not None:
        orders = orders.filter(channel_id=channel_id)
    return orders.order_by("id").values_list("id", flat=True).iterator(chunk_size=FETCHED)


# Links that the orders themselves contradict: of an account that is another's or nobody's, of an e-mail that is not
# (one of) the customer's, of an order that names nobody any more; and orders that name somebody and have no link.
_DOUBTFUL_LINKS = """
SELECT bought.id
FROM orders_order bought
LEFT JOIN customers_customerorder link ON link.order_id = bought.id
LEFT JOIN customers_customer owner ON owner.id = link.customer_id
LEFT JOIN customers_customeraccount account
    ON account.channel_id = bought.channel_id AND account.guid = bought.customer_guid
LEFT JOIN customers_customer holder ON holder.id = account.customer_id
WHERE bought.tenant_id = %(tenant_id)s AND bought.deleted_at IS NULL
    AND (%(channel_id)s::bigint IS NULL OR bought.channel_id = %(channel_id)s) AND bought.id > %(after_id)s
    AND CASE
        WHEN bought.customer_guid <> '' THEN
            COALESCE(owner.merged_into_id, owner.id) IS DISTINCT FROM COALESCE(holder.merged_into_id, holder.id)
            OR owner.id IS NULL
        WHEN bought.email_normalized <> '' THEN owner.id IS NULL OR NOT EXISTS (
            SELECT FROM customers_customer known
            WHERE known.tenant_id = bought.tenant_id AND known.email_normalized = bought.email_normalized
                AND COALESCE(known.merged_into_id, known.id) = COALESCE(owner.merged_into_id, owner.id)
            UNION ALL
            SELECT FROM orders_order other
            JOIN customers_customeraccount its ON its.channel_id = other.channel_id AND its.guid = other.customer_guid
            JOIN customers_customer its_owner ON its_owner.id = its.customer_id
            WHERE other.tenant_id = bought.tenant_id AND other.email_normalized = bought.email_normalized
                AND other.customer_guid <> '' AND other.deleted_at IS NULL
                AND COALESCE(its_owner.merged_into_id, its_owner.id) = COALESCE(owner.merged_into_id, owner.id)
            UNION ALL
            SELECT FROM customers_customeraccount its
            JOIN customers_customer its_owner ON its_owner.id = its.customer_id
            WHERE its.tenant_id = bought.tenant_id AND its.emails && ARRAY[bought.email_normalized]
                AND COALESCE(its_owner.merged_into_id, its_owner.id) = COALESCE(owner.merged_into_id, owner.id))
        ELSE link.id IS NOT NULL END
ORDER BY bought.id LIMIT %(limit)s
"""


def orders_to_repair(*, tenant_id: int, channel_id: int | None = None) -> Iterator[int]:
    """Yield ids of live orders whose link is not what they say, or missing, ascending."""
    after_id = 0
    while True:
        values = {"tenant_id": tenant_id, "channel_id": channel_id, "after_id": after_id, "limit": FETCHED}
        found = [order_id for (order_id,) in _rows(_DOUBTFUL_LINKS, values)]
        yield from found
        if len(found) < FETCHED:
            return
        after_id = found[-1]


def customers_to_recalculate(
    *, tenant_id: int, now: datetime, everyone: bool, channel_id: int | None = None
) -> Iterator[int]:
    """Yield ids of customers, ascending: all, or those whose figures are missing or whose time has come."""
    customers = Customer.objects.filter(tenant_id=tenant_id, merged_into=None)
    if channel_id is not None:
        links = CustomerOrder.objects.filter(order__channel_id=channel_id)
        theirs = links.annotate(root=Coalesce("customer__merged_into_id", "customer_id")).values("root")
        customers = customers.filter(id__in=theirs)
    if not everyone:
        due = CustomerMetrics.objects.filter(tenant_id=tenant_id, stale_at__lte=now).values("customer_id")
        without = ~Exists(CustomerMetrics.objects.filter(customer_id=OuterRef("id")))
        customers = customers.filter(Q(id__in=due) | Q(without))
    return customers.order_by("id").values_list("id", flat=True).iterator(chunk_size=FETCHED)


@dataclass(frozen=True, slots=True)
class Purchases:
    """What the models need of a customer's metrics; `id` is the row's."""

    id: int
    currency: str
    frequency: int
    first_at: datetime | None
    last_at: datetime | None
    repeat_value: Decimal | None
    recalculated_at: datetime


_PURCHASES = (*("id", "currency", "frequency", "first_order_at", "last_order_at", "repeat_value", "recalculated_at"),)


def unpredicted(*, tenant_id: int, limit: int) -> list[Purchases]:
    """Return metrics that changed since their prediction, ascending by id."""
    rows = CustomerMetrics.objects.filter(tenant_id=tenant_id, is_predicted=False).order_by("id")
    return [Purchases(*row) for row in rows.values_list(*_PURCHASES)[:limit]]


def histories(*, tenant_id: int, currency: str, limit: int) -> list[Purchases]:
    """Return those who bought in a currency; of more than `limit` always the same ones, spread evenly."""
    rows = CustomerMetrics.objects.filter(tenant_id=tenant_id, currency=currency, last_order_at__isnull=False)
    return [
        Purchases(*row) for row in rows.order_by(MD5(Cast("customer_id", TextField()))).values_list(*_PURCHASES)[:limit]
    ]


LISTED = 50  # orders, accounts and merged customers told of one customer


def customers_page(*, limit: int, **conditions: Any) -> list[Customer]:
    """Return customers that count by themselves and fulfill the conditions (lookups), newest first."""
    found = Customer.objects.filter(merged_into=None, **conditions).select_related("metrics")
    return list(found.order_by("-id")[:limit])


def find_customer(customer_id: int) -> Customer | None:
    """Return a customer of the tenants in scope, also one that is part of another, or None."""
    found: Customer | None = Customer.objects.filter(id=customer_id).select_related("metrics").first()
    return found


def customer_parts(customer: Customer) -> tuple[list[CustomerAccount], list[int], list[CustomerOrder]]:
    """Return a customer's accounts, the ids of those merged into it, and its newest orders. Three queries."""
    mine = Q(customer=customer) | Q(customer__merged_into=customer)
    accounts = CustomerAccount.objects.filter(mine).select_related("channel").order_by("id")[:LISTED]
    merged = Customer.objects.filter(merged_into=customer).order_by("id").values_list("id", flat=True)[:LISTED]
    orders = CustomerOrder.objects.filter(mine, order__deleted_at=None).select_related("order__channel")
    newest = orders.order_by(F("order__created_at").desc(nulls_last=True), "-order_id")[:LISTED]
    return list(accounts), list(merged), list(newest)


def monthly_orders(customer_ids: Collection[int], *, since: datetime) -> dict[int, dict[date, int]]:
    """Return how many orders each customer placed in each month that has any, by its first day. One query."""
    links = CustomerOrder.objects.filter(
        Q(customer_id__in=customer_ids) | Q(customer__merged_into_id__in=customer_ids),
        order__created_at__gte=since,
        order__deleted_at=None,
        order__is_cancelled=False,
    )
    months = links.annotate(root=_ROOT, month=TruncMonth("order__created_at")).order_by()
    found: dict[int, dict[date, int]] = {}
    for root, month, count in months.values_list("root", "month").annotate(Count("id")):
        found.setdefault(root, {})[month.date()] = count
    return found


def monthly_revenue(customer_id: int, *, since: datetime) -> dict[date, tuple[int, Decimal]]:
    """Return orders and revenue of each month that has any, by its first day. One query."""
    links = CustomerOrder.objects.filter(
        Q(customer_id=customer_id) | Q(customer__merged_into_id=customer_id),
        order__created_at__gte=since,
        order__deleted_at=None,
        order__is_cancelled=False,
    )
    months = links.annotate(month=TruncMonth("order__created_at")).order_by().values_list("month")
    rows = months.annotate(Count("id"), Sum("order__total_default"))
    return {month.date(): (count, revenue or Decimal(0)) for month, count, revenue in rows}


_ROOT = Coalesce("customer__merged_into_id", "customer_id")


@dataclass(frozen=True, slots=True)
class SegmentTotal:
    """One segment of the tenants in scope; `revenue` of those who buy in the currency that most do."""

    segment: str
    customers: int
    revenue: Decimal


def segment_totals() -> tuple[list[SegmentTotal], str]:
    """Return the segments that have customers, best first, and the currency of their revenue. One query."""
    measured = CustomerMetrics.objects.exclude(segment="").order_by()
    rows = list(measured.values_list("segment", "currency").annotate(Count("id"), Sum("revenue")))
    by_currency: Counter[str] = Counter()
    for _segment, currency, count, _revenue in rows:
        by_currency[currency] += count if currency else 0
    currency = by_currency.most_common(1)[0][0] if by_currency else ""
    customers: Counter[str] = Counter()
    revenue: dict[str, Decimal] = {}
    for segment, its_currency, count, its_revenue in rows:
        customers[segment] += count
        if its_currency == currency:
            revenue[segment] = its_revenue or Decimal(0)
    return [
        SegmentTotal(segment, customers[segment], revenue.get(segment, Decimal(0)))
        for segment in Segment
        if segment in customers
    ], currency


def count_unlinked() -> int:
    """Return how many live orders of the tenants in scope are nobody's."""
    return Order.objects.filter(deleted_at=None, customer_link=None).count()


def shared_emails(*, limit: int = 100) -> list[tuple[str, int]]:
    """Return e-mails that several customers of the tenants in scope have, with how many, most first.

    Guests' orders with them stay unlinked until the customers are merged.
    """
    living = Customer.objects.filter(merged_into=None).exclude(email_normalized="")
    counted = living.order_by().values_list("email_normalized").annotate(customers=Count("id")).filter(customers__gt=1)
    return list(counted.order_by("-customers", "email_normalized")[:limit])


def count_batch_customers(batch_id: str) -> int:
    """Return how many customers the jobs of a recalculation's batch were for."""
    statement = """SELECT COALESCE(sum(jsonb_array_length(arguments -> 'customer_ids')), 0)
        FROM jobs_job WHERE batch_id = %s AND arguments ? 'customer_ids'"""
    return int(_rows(statement, [batch_id])[0][0])


def count_customers() -> int:
    """Return how many customers the tenants in scope have; from the cache where it knows."""
    counts = clients.cached_counts()
    visible = visible_tenant_ids()
    if counts is None:
        with all_tenants():
            living = Customer.objects.filter(merged_into=None).order_by().values_list("tenant_id")
            counts = dict(living.annotate(Count("id")))
        clients.keep_counts(counts)
    return sum(count for tenant_id, count in counts.items() if visible is None or tenant_id in visible)


def channels_called(shop: str) -> list[SalesChannel]:
    """Return the channels with this name, else the one with this number; several tenants may use one name."""
    named = list(SalesChannel.objects.filter(name=shop).order_by("id"))
    return named or list(SalesChannel.objects.filter(id=int(shop[:18]) if shop.isdecimal() else 0))


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
        customers=Customer.objects.filter(merged_into=None).count(),
        linked=live.exclude(customer_link=None).count(),
        revenues=dict(revenues),
    )


@dataclass(frozen=True, slots=True)
class AccountVersion:
    """When the shop changed an account, None for one only known from orders; and whether the shop has it still."""

    changed_at: datetime | None
    is_deleted: bool


def account_versions(*, channel_id: int, guids: Collection[str]) -> dict[str, AccountVersion]:
    """Return which versions of the accounts of `guids` are stored."""
    accounts = CustomerAccount.objects.filter(channel_id=channel_id, guid__in=guids)
    rows = accounts.values_list("guid", "changed_at", "deleted_at")
    return {guid: AccountVersion(changed_at, deleted_at is not None) for guid, changed_at, deleted_at in rows}


def living_accounts(*, channel_id: int) -> Iterator[str]:
    """Yield the GUIDs of a channel's accounts that the shop is not known to have deleted."""
    accounts = CustomerAccount.objects.filter(channel_id=channel_id, deleted_at=None)
    return accounts.order_by("id").values_list("guid", flat=True).iterator(chunk_size=FETCHED)
