"""Thousands of orders at once: COPY into tables of this transaction alone, then one statement for each table.

The same outcome as `import_orders`, statement by statement; only the way of the rows is another.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction
from psycopg import sql

from modules.kernel.upserts import column_names, table_columns, upsert_statement
from modules.orders.domain import ImportResult, OrderFacts
from modules.orders.events import orders_imported
from modules.orders.models import Order, OrderItem, SalesChannel
from modules.orders.services._imports import NEWER_ORDER, newest_of_each_code, order_row, tell

_JSON_COLUMNS = ("billing_address", "delivery_address", "raw")
_ORDER_COLUMNS = table_columns(Order)
_LINE_COLUMNS = [column for column in table_columns(OrderItem) if column not in ("order_id", "tenant_id")]
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Written = list[tuple[int, str, bool]]


def import_orders_in_bulk(*, channel_id: int, orders: Sequence[OrderFacts], fetched_at: datetime) -> ImportResult:
    """Store `orders` with their lines, and tell `orders_imported` what changed; see `import_orders`.

    For chunks of a thousand and more: 250 orders take as long either way. One transaction; safe to repeat.
    """
    channel = SalesChannel.objects.get(id=channel_id)
    newest = newest_of_each_code(orders)
    with transaction.atomic(), connection.cursor() as cursor:
        _stage_orders(cursor, channel=channel, orders=newest.values(), fetched_at=fetched_at)
        cursor.execute(_UPSERT_ORDERS)
        written: Written = cursor.fetchall()
        if written:
            _write_lines(cursor, tenant_id=channel.tenant_id, newest=newest, written=written)
        result = ImportResult(
            created_ids=tuple(order_id for order_id, _, is_new in written if is_new),
            updated_ids=tuple(order_id for order_id, _, is_new in written if not is_new),
            unchanged=len(orders) - len(written),
        )
        tell(orders_imported, channel=channel, order_ids=result.order_ids)
    return result


def _stage_orders(cursor: Any, *, channel: SalesChannel, orders: Iterable[OrderFacts], fetched_at: datetime) -> None:
    common = {"tenant_id": channel.tenant_id, "channel_id": channel.pk, "fetched_at": fetched_at, "deleted_at": None}
    rows = (_order_values(facts, common) for facts in orders)
    _stage(cursor, Order, name="new_orders", columns=_ORDER_COLUMNS, rows=rows)


def _order_values(facts: OrderFacts, common: dict[str, Any]) -> list[Any]:
    row = order_row(facts) | common
    for column in _JSON_COLUMNS:
        value = row[column]
        row[column] = value if value is None or isinstance(value, str) else _encode(value)
    return [row[column] for column in _ORDER_COLUMNS]


def _write_lines(cursor: Any, *, tenant_id: int, newest: dict[str, OrderFacts], written: Written) -> None:
    """Make the lines of the written orders equal the new ones; only what differs is written."""
    rows = (
        [tenant_id, order_id, *[getattr(line, column) for column in _LINE_COLUMNS]]
        for order_id, code, _is_new in written
        for line in newest[code].lines
    )
    columns = ["tenant_id", "order_id", *_LINE_COLUMNS]
    _stage(cursor, OrderItem, name="new_lines", columns=columns, rows=rows)
    updated = {order_id: len(newest[code].lines) for order_id, code, is_new in written if not is_new}
    if updated:
        cursor.execute(_DELETE_LINES, [list(updated), list(updated.values())])
    cursor.execute(_UPSERT_LINES)


def _stage(
    cursor: Any, model: type[models.Model], *, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Fill a table that only this transaction sees, of the columns of `model`, whatever they will be by then."""
    names = {
        "name": sql.Identifier(name),
        "columns": column_names(columns),
        "all": column_names(table_columns(model)),
        "table": sql.Identifier(model._meta.db_table),  # noqa: SLF001
    }
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS pg_temp.{name}").format(**names))
    cursor.execute(
        sql.SQL("CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT {all} FROM {table} WITH NO DATA").format(**names)
    )
    with cursor.copy(sql.SQL("COPY pg_temp.{name} ({columns}) FROM STDIN").format(**names)) as copy:
        for row in rows:
            copy.write_row(row)


# In the order of codes, so that two imports lock rows in one order.
_UPSERT_ORDERS = upsert_statement(
    Order,
    key=["channel_id", "code"],
    silent=["fetched_at"],
    guard=NEWER_ORDER,
    source=sql.SQL("(SELECT * FROM pg_temp.new_orders ORDER BY code) AS new_orders"),
)
_UPSERT_LINES = upsert_statement(
    OrderItem, key=["order_id", "line_number"], guard=sql.SQL("true"), source=sql.SQL("pg_temp.new_lines")
)
_DELETE_LINES = (
    "DELETE FROM orders_orderitem item USING unnest(%s::bigint[], %s::int[]) AS kept (order_id, lines)"
    " WHERE item.order_id = kept.order_id AND item.line_number > kept.lines"
)
