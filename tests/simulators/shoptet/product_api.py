"""The endpoints of products and categories, as `api` has those of orders."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .answers import ApiError, Json
from .clock import write_instant
from .options import Options
from .products import SECTIONS, Product, list_row, with_numbers, without_sections
from .query import PAGING, Query, invalid, paginate
from .state import CHANGE_HISTORY, Change, Shop

PATH = "/api/products"
INSTANTS = {
    "creationTimeFrom": ("created_at", operator.ge),
    "creationTimeTo": ("created_at", operator.le),
    "changeTimeFrom": ("changed_at", operator.ge),
    "changeTimeTo": ("changed_at", operator.le),
}
FILTERS = frozenset({*INSTANTS, "visibility", "type", "productGuids"})


class Call(Protocol):
    """What these endpoints take of `api.Call`."""

    @property
    def shop(self) -> Shop: ...
    @property
    def options(self) -> Options: ...
    @property
    def query(self) -> Mapping[str, str]: ...
    @property
    def path(self) -> Mapping[str, str]: ...


def list_products(call: Call) -> Json:
    query = Query(call.query, known={*PAGING, *FILTERS, "include"})
    rows, paginator = _page(call, select_products(call, query), query, default=20)
    return {"products": [list_row(product.load()) for product in rows], "paginator": paginator}


def select_products(call: Call, query: Query) -> list[Product]:
    """Return what the filters let through, in the order of the shop's list. Raises ApiError 400."""
    found = call.shop.products.all()
    if "productGuids" in query.values:
        return [product for product in found if product.guid in query.values["productGuids"].split(",")]
    for name in query.values.keys() & INSTANTS.keys():
        found = _in_time(call, found, query, name)
    for name in query.values.keys() & {"visibility", "type"}:
        found = [product for product in found if product.load().get(name) == query.values[name]]
    return found


def _in_time(call: Call, products: list[Product], query: Query, name: str) -> list[Product]:
    limit, (attribute, compare) = query.instant(name), INSTANTS[name]
    if call.options.exclusive_change_time and attribute == "changed_at":
        compare = {operator.ge: operator.gt, operator.le: operator.lt}[compare]
    instants = [(product, getattr(product, attribute)) for product in products]
    return [product for product, instant in instants if instant is not None and compare(instant, limit)]


def get_product(call: Call) -> Json:
    query = Query(call.query, known=("include",))
    product = call.shop.products.find(call.path["guid"])
    if product is None:
        guid = call.path["guid"]
        raise ApiError(404, "product-not-found", f'Product "{guid}" not found.', instance=guid)
    body = without_sections(product.load(), keep=include_of(query))
    return with_numbers(body) if call.options.vendor_numbers else body


def list_product_changes(call: Call) -> Json:
    query = Query(call.query, known=("from", "changeType", *PAGING))
    since, kind = query.instant("from"), query.values.get("changeType")
    if kind not in {None, "edit", "delete"}:
        raise invalid("changeType", "Expected edit or delete.")
    is_after = operator.gt if call.options.exclusive_change_time else operator.ge
    found = [row for row in _changes(call.shop) if kind in {None, row.kind} and is_after(row.changed_at, since)]
    rows, paginator = _page(call, found, query, default=1000)
    changes = [{"guid": row.code, "changeTime": write_instant(row.changed_at), "changeType": row.kind} for row in rows]
    return {"changes": changes, "paginator": paginator}


def _changes(shop: Shop) -> list[Change]:
    products, horizon = shop.products, shop.clock.now() - CHANGE_HISTORY
    edits = [Change(product.guid, product.changed_at, "edit") for product in products.all() if product.changed_at]
    deletes = [Change(guid, deleted_at, "delete") for guid, deleted_at in products.deleted_at.items()]
    recent = [change for change in (*edits, *deletes) if change.changed_at >= horizon]
    return sorted(recent, key=lambda change: (change.changed_at, change.code))


def list_categories(call: Call) -> Json:
    query = Query(call.query, known=PAGING)
    rows, paginator = _page(call, list(call.shop.products.categories.values()), query, default=500)
    return {"categories": list(rows), "paginator": paginator}


def include_of(query: Query) -> frozenset[str]:
    text = query.values.get("include")
    wanted = frozenset(text.split(",")) if text else frozenset()
    if not wanted <= SECTIONS:
        raise invalid("include", f"Unknown section {', '.join(sorted(wanted - SECTIONS))}.")
    return wanted


def _page(call: Call, rows: list[Any], query: Query, *, default: int) -> tuple[Any, Json]:
    missing_page_is_404 = call.options.missing_page_is_404
    return paginate(rows, query, default=default, maximum=1000, missing_page_is_404=missing_page_is_404)


ENDPOINTS: dict[tuple[str, str], Callable[[Any], Json]] = {
    ("GET", PATH): list_products,
    ("GET", f"{PATH}/changes"): list_product_changes,
    ("GET", f"{PATH}/{{guid}}"): get_product,
    ("GET", "/api/categories"): list_categories,
}
