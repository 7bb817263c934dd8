import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from modules.kernel.upserts import as_json_rows, upsert_statement
from modules.orders.domain import ImportResult, LineFacts, OrderFacts, StatusFacts, normalized_email
from modules.orders.events import orders_deleted, orders_imported
from modules.orders.models import Order, OrderItem, OrderStatus, SalesChannel

# Never newer by older: an order goes by its change, then by when it was fetched; a deleted one comes back
# only by a fetch that is later than the deletion (its code may be in use again).
NEWER_ORDER = sql.SQL(
    "CASE WHEN stored.deleted_at IS NULL"
    " THEN (COALESCE(excluded.changed_at, '-infinity'), excluded.fetched_at)"
    " >= (COALESCE(stored.changed_at, '-infinity'), stored.fetched_at)"
    " ELSE excluded.fetched_at > stored.deleted_at END"
)


def open_channel(*, tenant_id: int, kind: str, name: str, currency: str = "") -> SalesChannel:
    """Return the tenant's channel of that kind and name, made if absent. Safe to repeat."""
    channel, _ = SalesChannel.objects.get_or_create(
        tenant_id=tenant_id, kind=kind, name=name, defaults={"currency": currency}
    )
    return channel


def describe_channel(*, channel_id: int, currency: str, statuses: Sequence[StatusFacts]) -> None:
    """Set a channel's default currency and make its statuses exactly `statuses`. One transaction; safe to repeat."""
    with transaction.atomic():
        channel = SalesChannel.objects.select_for_update().get(id=channel_id)
        if channel.currency != currency:
            channel.currency = currency
            channel.save(update_fields=["currency"])
        kept = {status.status_id: status for status in statuses}
        OrderStatus.objects.filter(channel=channel).exclude(status_id__in=kept).delete()
        OrderStatus.objects.bulk_create(
            [OrderStatus(tenant_id=channel.tenant_id, channel=channel, **asdict(status)) for status in kept.values()],
            update_conflicts=True,
            unique_fields=["channel", "status_id"],
            update_fields=["name", "position", "marks_paid"],
        )


_RENAME = """
UPDATE orders_order SET status_name = named.name
FROM (
    SELECT bought.id, status.name FROM orders_order bought
    JOIN orders_orderstatus status ON status.channel_id = bought.channel_id AND status.status_id = bought.status_id
    WHERE bought.channel_id = %s AND status.name <> '' AND bought.status_name <> status.name
    ORDER BY bought.id LIMIT %s FOR UPDATE OF bought
) AS named WHERE orders_order.id = named.id
"""


def rename_statuses(*, channel_id: int, limit: int = 1_000) -> int:
    """Give at most `limit` orders the name that their status has now; return how many were renamed.

    What was received (`raw`) stays as it was. Safe to repeat: call again until it returns 0. Raises
    SalesChannel.DoesNotExist, also for another tenant's channel.
    """
    channel = SalesChannel.objects.get(id=channel_id)
    with connection.cursor() as cursor:
        cursor.execute(_RENAME, [channel.pk, limit])
        return int(cursor.rowcount)


def import_orders(*, channel_id: int, orders: Sequence[OrderFacts], fetched_at: datetime) -> ImportResult:
    """Store `orders` with their lines, and tell `orders_imported` what changed.

    One transaction and a constant number of queries. Safe to repeat: a row that says the same, or is older
    than what is stored, is not written. Raises SalesChannel.DoesNotExist, also for another tenant's channel.
    """
    channel = SalesChannel.objects.get(id=channel_id)
    newest = newest_of_each_code(orders)
    with transaction.atomic():
        written = _write_orders(channel=channel, orders=newest.values(), fetched_at=fetched_at)
        _write_lines(channel.tenant_id, lines={order_id: newest[code].lines for order_id, code, _ in written})
        result = ImportResult(
            created_ids=tuple(order_id for order_id, _, is_new in written if is_new),
            updated_ids=tuple(order_id for order_id, _, is_new in written if not is_new),
            unchanged=len(orders) - len(written),
        )
        tell(orders_imported, channel=channel, order_ids=result.order_ids)
    return result


def confirm_fetched(*, channel_id: int, codes: Collection[str], fetched_at: datetime) -> None:
    """Note that `codes` were read again at `fetched_at` and had not changed. Safe to repeat."""
    Order.objects.filter(channel_id=channel_id, code__in=codes, fetched_at__lt=fetched_at).update(fetched_at=fetched_at)


def mark_deleted(*, channel_id: int, codes: Collection[str], deleted_at: datetime) -> tuple[int, ...]:
    """Turn the orders `codes` into tombstones; return the ids of those that were alive, ascending.

    An order fetched after `deleted_at` lives on. One transaction; safe to repeat.
    """
    channel = SalesChannel.objects.get(id=channel_id)
    with transaction.atomic():
        living = Order.objects.filter(channel=channel, code__in=codes, deleted_at=None, fetched_at__lte=deleted_at)
        ids = tuple(living.select_for_update().order_by("id").values_list("id", flat=True))
        Order.objects.filter(id__in=ids).update(deleted_at=deleted_at)
        tell(orders_deleted, channel=channel, order_ids=ids)
    return ids


def tell(signal: Any, *, channel: SalesChannel, order_ids: tuple[int, ...]) -> None:
    if order_ids:
        signal.send(sender=Order, tenant_id=channel.tenant_id, channel_id=channel.pk, order_ids=list(order_ids))


def newest_of_each_code(orders: Iterable[OrderFacts]) -> dict[str, OrderFacts]:
    """One statement cannot write a row twice; sorted by code, so that two imports lock rows in one order."""
    oldest_first = sorted(
        orders, key=lambda facts: (facts.code, facts.changed_at.timestamp() if facts.changed_at else 0)
    )
    return {facts.code: facts for facts in oldest_first}


def _write_orders(
    *, channel: SalesChannel, orders: Iterable[OrderFacts], fetched_at: datetime
) -> list[tuple[int, str, bool]]:
    """Return (id, code, whether it is new) of each order that was written."""
    common = {"tenant_id": channel.tenant_id, "channel_id": channel.pk, "fetched_at": fetched_at, "deleted_at": None}
    rows = [order_row(facts) | {"raw": _as_object(facts.raw)} | common for facts in orders]
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT_ORDERS, [as_json_rows(rows)])
        written: list[tuple[int, str, bool]] = cursor.fetchall()
    return written


def _as_object(raw: Mapping[str, Any] | str) -> Any:
    return json.loads(raw) if isinstance(raw, str) else raw


def order_row(facts: OrderFacts) -> dict[str, Any]:
    row = {name: getattr(facts, name) for name in OrderFacts.__slots__ if name != "lines"}
    row["email_normalized"] = normalized_email(facts.email)
    return row


def _write_lines(tenant_id: int, *, lines: Mapping[int, Sequence[LineFacts]]) -> None:
    """Make the lines of these orders equal `lines`; only what differs is written."""
    if not lines:
        return
    rows = [
        _line_row(line) | {"tenant_id": tenant_id, "order_id": order_id}
        for order_id, order_lines in lines.items()
        for line in order_lines
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM orders_orderitem item USING unnest(%s::bigint[], %s::int[]) AS kept (order_id, lines)"
            " WHERE item.order_id = kept.order_id AND item.line_number > kept.lines",
            [list(lines), [len(order_lines) for order_lines in lines.values()]],
        )
        cursor.execute(_UPSERT_LINES, [as_json_rows(rows)])


def _line_row(line: LineFacts) -> dict[str, Any]:
    return {name: getattr(line, name) for name in LineFacts.__slots__}


_UPSERT_ORDERS = upsert_statement(Order, key=["channel_id", "code"], silent=["fetched_at"], guard=NEWER_ORDER)
_UPSERT_LINES = upsert_statement(OrderItem, key=["order_id", "line_number"], guard=sql.SQL("true"))
