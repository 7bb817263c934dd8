"""What can be taken as a snapshot. Another kind of record is one more entry: where it is asked for, read, stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modules.orders import services as order_services
from modules.shoptet import domain
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution


@dataclass(frozen=True, slots=True)
class Stored:
    """What storing a chunk did, in records."""

    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotKind:
    """A kind of snapshot.

    `path`: the endpoint that makes one. `read` turns a line's JSON into facts or raises UnreadableOrder; it is given
    the line's text, too, when that may be kept as it is. `code` names the facts. `store` writes a chunk of facts as
    they were at a time; it must be safe to repeat and must never overwrite newer by older.
    """

    execution: str
    parked: str
    path: str
    read: Callable[[Shop, Any, str | None], Any]
    code: Callable[[Any], str]
    store: Callable[[Shop, Sequence[Any], datetime], Stored]


def _store_orders(shop: Shop, orders: Sequence[Any], at: datetime) -> Stored:
    result = order_services.import_orders_in_bulk(channel_id=shop.channel_id, orders=orders, fetched_at=at)
    return Stored(len(result.created_ids), len(result.updated_ids), result.unchanged)


ORDERS = SnapshotKind(
    execution=SnapshotExecution.Kind.ORDERS_SNAPSHOT,
    parked=ParkedRecord.Kind.ORDER,
    path="/api/orders/snapshot",
    read=lambda shop, record, text: domain.read_order(record, default_currency=shop.channel.currency, text=text),
    code=lambda facts: str(facts.code),
    store=_store_orders,
)

KINDS = {"orders": ORDERS}
_BY_EXECUTION = {kind.execution: kind for kind in KINDS.values()}


def kind_of(execution: SnapshotExecution) -> SnapshotKind:
    """Return what a pipeline log entry is a snapshot of."""
    return _BY_EXECUTION[execution.kind]
