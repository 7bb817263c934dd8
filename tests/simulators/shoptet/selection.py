"""Which orders a list call asks for: the filters of GET /api/orders."""

import operator
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from .bodies import Body
from .query import Query, invalid
from .state import Order, Shop

Predicate = Callable[[Order], bool]
Compare = Callable[[Any, Any], bool]

MAX_ORDER_CODES = 50  # of one call; source: the parameter's description

_IN_BODY: dict[str, Callable[[Body, str], bool]] = {
    "phone": lambda body, value: body.get("phone") == value,
    "productCode": lambda body, value: any(item["code"] == value for item in body["items"]),
    "shippingGuid": lambda body, value: _inner(body, "shipping", "guid") == value,
    "shippingCompanyCode": lambda body, value: _inner(body, "shippingDetails", "shippingCompanyCode") == value,
    "paymentMethodGuid": lambda body, value: _inner(body, "paymentMethod", "guid") == value,
    "sourceId": lambda body, value: str(_inner(body, "source", "id")) == value,
}
_INSTANTS: dict[str, tuple[str, Compare]] = {
    "creationTimeFrom": ("created_at", operator.ge),
    "creationTimeTo": ("created_at", operator.le),
    "changeTimeFrom": ("changed_at", operator.ge),
    "changeTimeTo": ("changed_at", operator.le),
}
_EXCLUSIVE: dict[Compare, Compare] = {operator.ge: operator.gt, operator.le: operator.lt}
FILTERS = frozenset(
    {*_IN_BODY, *_INSTANTS, "statusId", "codeFrom", "codeTo", "customerGuid", "email", "orderCodes"},
)


def select_orders(shop: Shop, query: Query, *, exclusive_change_time: bool) -> list[Order]:
    """Return what the filters let through, in the order of the shop's list. Raises ApiError 400."""
    if "orderCodes" in query.values:
        codes = _order_codes(query.values["orderCodes"])
        return [order for order in shop.orders() if order.code in codes]
    filters = {name: value for name, value in query.values.items() if name in FILTERS}
    predicates = [_predicate(query, name, exclusive_change_time=exclusive_change_time) for name in filters]
    if not predicates:
        return shop.orders()
    return shop.select(tuple(filters.items()), passes=lambda order: all(passes(order) for passes in predicates))


def _order_codes(text: str) -> set[str]:
    codes = {code.strip() for code in text.split(",")}
    if len(codes) > MAX_ORDER_CODES:
        raise invalid("orderCodes", f"Expected max. {MAX_ORDER_CODES} elements, but {len(codes)} given.")
    return codes


def _predicate(query: Query, name: str, *, exclusive_change_time: bool) -> Predicate:
    if name in _INSTANTS:
        attribute, compare = _INSTANTS[name]
        if exclusive_change_time and attribute == "changed_at":
            compare = _EXCLUSIVE[compare]
        return partial(_in_time, attribute=attribute, compare=compare, limit=query.instant(name))
    if name == "statusId":
        wanted = query.integer(name, 0)
        return lambda order: order.status_id == wanted
    return _text_predicate(name, query.values[name])


def _text_predicate(name: str, value: str) -> Predicate:
    simple: dict[str, Predicate] = {
        "codeFrom": lambda order: order.code >= value,
        "codeTo": lambda order: order.code <= value,
        "customerGuid": lambda order: order.customer_guid == value,
        "email": lambda order: (order.email or "").lower() == value.lower(),
    }
    return simple.get(name) or (lambda order: _IN_BODY[name](order.load(), value))


def _in_time(order: Order, *, attribute: str, compare: Compare, limit: datetime) -> bool:
    instant = getattr(order, attribute)
    return instant is not None and compare(instant, limit)


def _inner(body: Body, outer: str, key: str) -> object:
    inner = body.get(outer)
    return inner.get(key) if isinstance(inner, dict) else None
