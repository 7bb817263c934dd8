"""What can be taken as a snapshot. Another kind of record is one more entry: where it is asked for, read, stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modules.customers import services as customer_services
from modules.orders import services as order_services
from modules.shoptet import domain
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services._product_details import write_products
from modules.shoptet.services._storefronts import open_storefront


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
    they were at a time; it must be safe to repeat and must never overwrite newer by older. `query` is asked for with
    `path`, `key` is the field that a record without a readable rest is known by, `catch_up` the job that looks for what
    was deleted since the file was made.
    """

    execution: str
    parked: str
    path: str
    read: Callable[[Shop, Any, str | None], Any]
    code: Callable[[Any], str]
    store: Callable[[Shop, Sequence[Any], datetime], Stored]
    query: Mapping[str, str] = field(default_factory=dict)
    key: str = "code"
    catch_up: str = ""


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
    catch_up="shoptet.catch_up_deletions",
)


def _store_products(shop: Shop, products: Sequence[Any], at: datetime) -> Stored:
    result = write_products(storefront_id=open_storefront(shop), products=products, at=at)
    return Stored(len(result.created_ids), len(result.updated_ids), result.unchanged)


PRODUCTS = SnapshotKind(
    execution=SnapshotExecution.Kind.PRODUCTS_SNAPSHOT,
    parked=ParkedRecord.Kind.PRODUCT,
    path="/api/products/snapshot",
    query={"include": "allCategories"},
    key="guid",
    read=lambda _shop, record, text: domain.read_product(record, is_clean=text is not None),
    code=lambda facts: str(facts.guid),
    store=_store_products,
    catch_up="shoptet.catch_up_product_deletions",
)


PROFILES_AT_ONCE = 200


def _store_customers(shop: Shop, profiles: Sequence[Any], at: datetime) -> Stored:
    created = 0
    for start in range(0, len(profiles), PROFILES_AT_ONCE):
        chunk = profiles[start : start + PROFILES_AT_ONCE]
        created += customer_services.import_profiles(
            channel_id=shop.channel_id, profiles=chunk, now=at
        ).customers_created
    return Stored(created, len(profiles) - created, 0)


CUSTOMERS = SnapshotKind(
    execution=SnapshotExecution.Kind.CUSTOMERS_SNAPSHOT,
    parked=ParkedRecord.Kind.CUSTOMER,
    path="/api/customers/snapshot",
    read=lambda _shop, record, _text: domain.read_customer(record),
    code=lambda facts: str(facts.guid),
    store=_store_customers,
    key="guid",
    catch_up="shoptet.catch_up_customer_deletions",
)

KINDS = {"orders": ORDERS, "products": PRODUCTS, "customers": CUSTOMERS}
_BY_EXECUTION = {kind.execution: kind for kind in KINDS.values()}


def kind_of(execution: SnapshotExecution) -> SnapshotKind:
    """Return what a pipeline log entry is a snapshot of."""
    return _BY_EXECUTION[execution.kind]
