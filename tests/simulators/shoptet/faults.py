"""What can go wrong on demand: which calls it strikes, and what the answer then says."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from .answers import ApiError, Json, Reply, html_page, refusal
from .bodies import Body, with_vendor_numbers
from .clock import ShopClock, write_http_date
from .products import with_numbers


class FaultKind(StrEnum):
    # The call is refused.
    TOO_MANY_REQUESTS = "too_many_requests"  # 429; `retry_after`: date, seconds, past_date or none
    EXPIRED_TOKEN = "expired_token"  # 401
    WITHOUT_RIGHTS = "without_rights"  # 403
    NOT_FOUND = "not_found"  # 404, whatever the list said
    LOCKED = "locked"  # 423
    SERVER_ERROR = "server_error"  # 500, JSON
    BAD_GATEWAY = "bad_gateway"  # 502, an HTML page
    UNAVAILABLE = "unavailable"  # 503, JSON
    # The connection fails; `seconds` says how long.
    RESET = "reset"  # reset before any answer
    HANG = "hang"  # silence for `seconds`, then the answer
    SLOW_BODY = "slow_body"  # headers at once, the body in drips over `seconds`
    CUT_BODY = "cut_body"  # the connection ends in the middle of the body
    # The answer is 200, and wrong.
    TRUNCATED_JSON = "truncated_json"  # half of the JSON, as if that were all
    TOO_BIG = "too_big"  # valid JSON of `size` bytes more
    OTHER_ORDER = "other_order"  # the detail of another order
    NULLS = "nulls"  # everything null but the code
    UNREADABLE = "unreadable"  # text where an object should be
    NUL_CHARACTER = "nul_character"  # U+0000 in the name
    LINE_SEPARATOR = "line_separator"  # U+2028 in the name, raw
    NUMBER_AMOUNTS = "number_amounts"  # quantities as JSON numbers
    # A snapshot's job goes wrong; strikes the call that asks for it.
    JOB_FAILS = "job_fails"  # ends as failed, with a webhook
    JOB_HANGS = "job_hangs"  # never ends
    NO_LINK = "no_link"  # ends as completed, without a link
    # The list moves; strikes page 2 unless told otherwise.
    SHIFT_BY_INSERT = "shift_by_insert"  # a new order before the page is cut
    SHIFT_BY_DELETE = "shift_by_delete"  # the first order of the list goes before the page is cut
    EMPTY_PAGE = "empty_page"  # no rows though the paginator counts them
    NO_PAGINATOR = "no_paginator"


_PAGE_2 = frozenset({FaultKind.SHIFT_BY_INSERT, FaultKind.SHIFT_BY_DELETE, FaultKind.EMPTY_PAGE})


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault and the calls it strikes.

    `path`: shell pattern over the decoded path. `query`: parameters the call must carry. Of the calls that match,
    every `every`-th is struck, at most `times` (None: for ever). A call struck by an earlier fault is not counted.
    """

    kind: FaultKind
    path: str = "*"
    query: Mapping[str, str] = field(default_factory=dict)
    times: int | None = 1
    every: int = 1
    seconds: float = 1
    retry_after: str = "date"
    size: int = 10_000_000
    matched: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.kind = FaultKind(self.kind)
        if self.retry_after not in {"date", "seconds", "past_date", "none"}:
            raise ValueError(f"unknown retry_after {self.retry_after!r}")
        if not self.query and self.kind in _PAGE_2:
            self.query = {"page": "2"}

    def strikes(self, path: str, query: Mapping[str, str]) -> bool:
        """Tell whether this call is struck, and count it."""
        if self.struck == self.times or not fnmatchcase(path, self.path):
            return False
        if any(query.get(name) != value for name, value in self.query.items()):
            return False
        self.matched += 1
        if self.matched % self.every:
            return False
        self.struck += 1
        return True


class Faults:
    """The faults waiting to strike, oldest first; changed from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def pick(self, path: str, query: Mapping[str, str]) -> Fault | None:
        """Return the fault that strikes this call, if any."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(path, query)), None)


_ERRORS = {
    FaultKind.EXPIRED_TOKEN: ApiError(401, "expired-token", "Token is expired. Please ask for new one."),
    FaultKind.WITHOUT_RIGHTS: ApiError(403, "invalid-token-no-rights", "Your access token has no defined rights."),
    FaultKind.NOT_FOUND: ApiError(404, "order-not-found", "Order not found."),
    FaultKind.LOCKED: ApiError(423, "locked", "The resource is locked by another request."),
    FaultKind.TOO_MANY_REQUESTS: ApiError(429, "too-many-requests", "Too many requests."),
    FaultKind.SERVER_ERROR: ApiError(500, "internal-server-error", "Internal server error."),
    FaultKind.UNAVAILABLE: ApiError(503, "service-unavailable", "The service is under maintenance."),
}


def refusal_of(fault: Fault, *, clock: ShopClock, request_id: str) -> Reply | None:
    """Return the answer that stands in for the real one, or None where the fault lets the call through."""
    if fault.kind is FaultKind.BAD_GATEWAY:
        return html_page(502, "Bad Gateway")
    error = _ERRORS.get(fault.kind)
    if error is None:
        return None
    headers = _retry_after(fault, clock) if fault.kind is FaultKind.TOO_MANY_REQUESTS else {}
    return refusal(error, request_id=request_id, headers=headers)


def _retry_after(fault: Fault, clock: ShopClock) -> dict[str, str]:
    wait = timedelta(seconds=fault.seconds)
    values = {
        "date": write_http_date(clock.present() + wait),
        "past_date": write_http_date(clock.present() - wait),
        "seconds": f"{fault.seconds:.0f}",
    }
    return {"Retry-After": values[fault.retry_after]} if fault.retry_after in values else {}


def spoil(kind: FaultKind, data: Json) -> Json:
    """Return the data of an answer with a body fault in it: in the order of a detail, or the first row of a list."""
    if kind is FaultKind.NO_PAGINATOR:
        return {key: value for key, value in data.items() if key != "paginator"}
    if kind is FaultKind.EMPTY_PAGE:
        return {**{key: [] for key in data}, "paginator": {**data["paginator"], "itemsOnPage": 0}}
    damage = _DAMAGES.get(kind)
    if damage is None:
        return data
    if "variants" in data or "products" in data:
        return _spoil_product(kind, data)
    if "order" in data:
        return {**data, "order": damage(data["order"])}
    return _spoil_first(damage, data, rows="orders")


def _spoil_first(damage: Callable[[Body], Any], data: Json, *, rows: str) -> Json:
    found = data.get(rows) or []
    return {**data, rows: [damage(found[0]), *found[1:]]} if found else data


def _spoil_product(kind: FaultKind, data: Json) -> Json:
    """Spoil the detail of a product, or the first row of the list."""
    damage = _PRODUCT_DAMAGES[kind]
    if "variants" in data:
        return damage(data)
    return _spoil_first(damage, data, rows="products")


def _nulls(order: Body) -> Body:
    return {**dict.fromkeys(order), "code": order["code"]}


def _unreadable(order: Body) -> Body:
    return {**order, "price": "price is not available", "items": "items are not available"}


def _named(name: str) -> Callable[[Body], Body]:
    def rename(order: Body) -> Body:
        if "billingAddress" in order:
            return {**order, "billingAddress": {**order["billingAddress"], "fullName": name}}
        return {**order, "fullName": name}

    return rename


_DAMAGES: dict[FaultKind, Callable[[Body], Any]] = {
    FaultKind.NULLS: _nulls,
    FaultKind.UNREADABLE: _unreadable,
    FaultKind.NUL_CHARACTER: _named("Jan\u0000 Novák"),
    FaultKind.LINE_SEPARATOR: _named("Jan\u2028Novák"),
    FaultKind.NUMBER_AMOUNTS: with_vendor_numbers,
}

_PRODUCT_DAMAGES: dict[FaultKind, Callable[[Body], Body]] = {
    FaultKind.NULLS: lambda product: {**dict.fromkeys(product), "guid": product["guid"]},
    FaultKind.UNREADABLE: lambda product: {**product, "variants": "variants are not available"},
    FaultKind.NUL_CHARACTER: lambda product: {**product, "name": "Lam\u0000pa"},
    FaultKind.LINE_SEPARATOR: lambda product: {**product, "name": "Lam\u2028pa"},
    FaultKind.NUMBER_AMOUNTS: with_numbers,
}
