"""The endpoints: one function each, from the shop and the parameters to the data of the answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.routing import compile_path

from . import eshop, product_api, products
from .answers import ApiError, Json
from .bodies import SECTIONS, Body, list_row, with_vendor_numbers, without_sections
from .clock import write_instant
from .faults import FaultKind
from .options import Options
from .query import PAGING, Query, invalid, paginate
from .selection import FILTERS, select_orders
from .snapshots import Outcome, Record, Snapshots
from .state import Change, Shop
from .webhooks import Webhooks

ORDERS_PATH = "/api/orders"
ORDER_FILTERS = frozenset({*PAGING, *FILTERS})


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint works with; `query` and `path` are decoded."""

    shop: Shop
    options: Options
    query: Mapping[str, str]
    path: Mapping[str, str]
    body: Json
    snapshots: Snapshots
    webhooks: Webhooks
    fault: FaultKind | None = field(default=None)


Endpoint = Callable[[Call], Json]


def get_eshop(call: Call) -> Json:
    query = Query(call.query, known=("include",))
    shop = call.shop
    include = _include(query, eshop.SECTIONS)
    return eshop.eshop_data(currency_code=shop.currency_code, status_names=shop.status_names, include=include)


def list_orders(call: Call) -> Json:
    query = Query(call.query, known=ORDER_FILTERS)
    orders = select_orders(call.shop, query, exclusive_change_time=call.options.exclusive_change_time)
    rows, paginator = paginate(
        orders, query, default=50, maximum=50, missing_page_is_404=call.options.missing_page_is_404
    )
    return {"orders": [list_row(order.load()) for order in rows], "paginator": paginator}


def get_order(call: Call) -> Json:
    query = Query(call.query, known=("include",))
    return {"order": order_detail(call, call.path["code"], _include(query, SECTIONS))}


def order_detail(call: Call, code: str, include: frozenset[str]) -> Body:
    order = call.shop.find(code)
    if order is None:
        raise ApiError(404, "order-not-found", f'Order "{code}" not found.', instance=code)
    body = without_sections(order.load(), keep=include)
    return with_vendor_numbers(body) if call.options.vendor_numbers else body


def list_changes(call: Call) -> Json:
    query = Query(call.query, known=("from", "changeType", *PAGING))
    since, kind = query.instant("from"), query.values.get("changeType")
    if kind not in {None, "edit", "delete"}:
        raise invalid("changeType", "Expected edit or delete.")
    is_exclusive = call.options.exclusive_change_time
    changes = [
        change
        for change in call.shop.changes()
        if kind in {None, change.kind}
        and (change.changed_at > since or (change.changed_at == since and not is_exclusive))
    ]
    rows, paginator = paginate(
        changes, query, default=20, maximum=1000, missing_page_is_404=call.options.missing_page_is_404
    )
    return {"changes": [_change_row(change) for change in rows], "paginator": paginator}


def list_statuses(call: Call) -> Json:
    Query(call.query, known=())
    return eshop.statuses_data(call.shop.status_names)


_OUTCOMES = {
    FaultKind.JOB_FAILS: Outcome.FAILED,
    FaultKind.JOB_HANGS: Outcome.NEVER,
    FaultKind.NO_LINK: Outcome.WITHOUT_LINK,
}


def snapshot_orders(call: Call) -> Json:
    query = Query(call.query, known=frozenset({*FILTERS, "include"}))
    _include(query, SECTIONS - {"paymentTransactions"})
    orders = select_orders(call.shop, query, exclusive_change_time=call.options.exclusive_change_time)
    return _start(call, f"{ORDERS_PATH}/snapshot", orders)


def snapshot_products(call: Call) -> Json:
    query = Query(call.query, known=frozenset({*product_api.FILTERS, "include"}))
    keep = product_api.include_of(query)
    selected = product_api.select_products(call, query)
    bodies = [products.without_sections(product.load(), keep=keep) for product in selected]
    return _start(call, f"{product_api.PATH}/snapshot", [products.Product.from_body(body) for body in bodies])


def _start(call: Call, endpoint: str, records: Iterable[Record]) -> Json:
    if not call.webhooks.has("job:finished"):
        message = "Please register webhook for event job:finished."
        raise ApiError(403, "required-webhook-registration", message, instance="job:finished")
    outcome = _OUTCOMES.get(call.fault, Outcome.COMPLETED) if call.fault else Outcome.COMPLETED
    return {"jobId": call.snapshots.start(endpoint, records, outcome=outcome).id}


def get_job(call: Call) -> Json:
    Query(call.query, known=())
    return {"job": call.snapshots.read(call.path["id"])}


def list_stocks(call: Call) -> Json:
    Query(call.query, known=())
    return call.shop.stocks.listed()


def list_supplies(call: Call) -> Json:
    query = Query(call.query, known=PAGING)
    rows = call.shop.stocks.supplies(int(call.path["id"]))
    return _page(call, "supplies", rows, query=query, default=1000, maximum=1000)


def list_movements(call: Call) -> Json:
    query = Query(call.query, known=("lastId", *PAGING))
    rows = call.shop.stocks.movements(int(call.path["id"]), after=query.integer("lastId", 0))
    return _page(call, "movements", rows, query=query, default=25, maximum=1000)


def _page(call: Call, name: str, rows: list[Json], *, query: Query, default: int, maximum: int) -> Json:
    found, paginator = paginate(
        rows, query, default=default, maximum=maximum, missing_page_is_404=call.options.missing_page_is_404
    )
    return {name: list(found), "paginator": paginator}


def get_last_movement(call: Call) -> Json:
    Query(call.query, known=())
    return call.shop.stocks.last_movement(int(call.path["id"]))


def list_customers(call: Call) -> Json:
    query = Query(call.query, known=("email", "phone", *PAGING))
    return _page(call, "customers", call.shop.customers.rows(), query=query, default=20, maximum=1000)


def list_customer_changes(call: Call) -> Json:
    query = Query(call.query, known=("from", "changeType", *PAGING))
    return _page(
        call, "changes", call.shop.customers.changes(query.instant("from")), query=query, default=20, maximum=20
    )


def get_customer(call: Call) -> Json:
    Query(call.query, known=())
    return {"customer": call.shop.customers.detail(call.path["guid"])}


def snapshot_customers(call: Call) -> Json:
    Query(call.query, known=())
    return _start(call, "/api/customers/snapshot", call.shop.customers.all())


def list_webhooks(call: Call) -> Json:
    query = Query(call.query, known=PAGING)
    rows, paginator = paginate(
        call.webhooks.rows(), query, default=20, maximum=500, missing_page_is_404=call.options.missing_page_is_404
    )
    return {"webhooks": list(rows), "paginator": paginator}


def register_webhooks(call: Call) -> Json:
    return {"webhooks": call.webhooks.register(call.body.get("data") or [])}


def change_webhook(call: Call) -> Json:
    return {"webhook": call.webhooks.change(int(call.path["id"]), call.body.get("data") or {})}


def remove_webhook(call: Call) -> Json:
    call.webhooks.remove(int(call.path["id"]))
    return {}


def renew_signature_key(call: Call) -> Json:
    return {"signatureKey": call.webhooks.renew_key()}


# The first that matches answers: `changes` and `statuses` are no order codes.
_ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "/api/eshop"): get_eshop,
    ("GET", ORDERS_PATH): list_orders,
    ("GET", f"{ORDERS_PATH}/changes"): list_changes,
    ("GET", f"{ORDERS_PATH}/statuses"): list_statuses,
    ("GET", f"{ORDERS_PATH}/snapshot"): snapshot_orders,
    ("GET", f"{ORDERS_PATH}/{{code}}"): get_order,
    ("GET", f"{product_api.PATH}/snapshot"): snapshot_products,
    **product_api.ENDPOINTS,
    ("GET", "/api/customers"): list_customers,
    ("GET", "/api/customers/changes"): list_customer_changes,
    ("GET", "/api/customers/snapshot"): snapshot_customers,
    ("GET", "/api/customers/{guid}"): get_customer,
    ("GET", "/api/stocks"): list_stocks,
    ("GET", "/api/stocks/{id:int}/supplies"): list_supplies,
    ("GET", "/api/stocks/{id:int}/movements"): list_movements,
    ("GET", "/api/stocks/{id:int}/movements/last"): get_last_movement,
    ("GET", "/api/system/jobs/{id}"): get_job,
    ("GET", "/api/webhooks"): list_webhooks,
    ("POST", "/api/webhooks"): register_webhooks,
    ("POST", "/api/webhooks/renew-signature-key"): renew_signature_key,
    ("PATCH", "/api/webhooks/{id:int}"): change_webhook,
    ("DELETE", "/api/webhooks/{id:int}"): remove_webhook,
}
_ROUTES = [(method, compile_path(path)[0], endpoint) for (method, path), endpoint in _ENDPOINTS.items()]


def find_endpoint(method: str, raw_path: str) -> tuple[Endpoint, dict[str, str]]:
    """Return the endpoint and its decoded path parameters. Raises ApiError 404 or 405.

    Matches the path as sent: a slash inside an order code must come as %2F.
    """
    is_known = False
    for known_method, pattern, endpoint in _ROUTES:
        found = pattern.match(raw_path)
        if found and method == known_method:
            return endpoint, {name: unquote(value) for name, value in found.groupdict().items()}
        is_known = is_known or found is not None
    if is_known:
        raise ApiError(405, "method-not-allowed", f"Method {method} is not allowed.")
    raise ApiError(404, "endpoint-not-found", "No such endpoint.")


def status_of(method: str, raw_path: str) -> int:
    """Return the status of a call that went well."""
    if method == "POST" and raw_path == "/api/webhooks":
        return 201
    return 202 if raw_path.endswith("/snapshot") else 200


def _include(query: Query, known: frozenset[str]) -> frozenset[str]:
    text = query.values.get("include")
    wanted = frozenset(text.split(",")) if text else frozenset()
    if not wanted <= known:
        raise invalid("include", f"Unknown section {', '.join(sorted(wanted - known))}.")
    return wanted


def _change_row(change: Change) -> Json:
    return {"code": change.code, "changeTime": write_instant(change.changed_at), "changeType": change.kind}
