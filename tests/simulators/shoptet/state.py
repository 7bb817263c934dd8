"""What the simulated shop holds: its orders, their edits and deletes. Pure Python, no HTTP."""

import json
import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from .bodies import CANCELLED, STATUS_NAMES, Body, Sale, guid, order_body, status_of
from .clock import ShopClock, read_instant, write_instant
from .customers import Customers
from .merging import merge
from .products import Products
from .stocks import Stocks

CHANGE_HISTORY = timedelta(days=30)  # what GET /api/orders/changes guarantees


class NoSuchOrder(LookupError):
    """The shop has no order of this code."""


@dataclass(frozen=True, slots=True)
class Order:
    """What lists filter and sort by, and how to make the whole JSON.

    `load` returns a fresh body each time, so that whoever asks may change it.
    """

    code: str
    created_at: datetime | None
    changed_at: datetime | None
    status_id: int | None
    customer_guid: str | None
    email: str | None
    load: Callable[[], Body]

    @classmethod
    def from_sale(cls, sale: Sale) -> "Order":
        """Make an order whose JSON is built when asked for: tens of thousands stay small in memory."""
        return cls(
            sale.code,
            sale.created_at,
            sale.changed_at,
            sale.status_id,
            sale.customer_guid,
            sale.email,
            partial(order_body, sale),
        )

    @classmethod
    def from_body(cls, body: Body) -> "Order":
        created, changed, status = body.get("creationTime"), body.get("changeTime"), body.get("status")
        return cls(
            body["code"],
            read_instant(created) if created else None,
            read_instant(changed) if changed else None,
            status.get("id") if isinstance(status, dict) else None,
            body.get("customerGuid"),
            body.get("email"),
            partial(json.loads, json.dumps(body)),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the change log: an order's last change, `edit` or `delete`."""

    code: str
    changed_at: datetime
    kind: str


SortKey = Callable[[Order], Any]
LIST_ORDERS: dict[str, tuple[SortKey, bool]] = {
    "code_descending": (lambda order: order.code, True),
    "code_ascending": (lambda order: order.code, False),
    "changed_descending": (lambda order: (_sortable(order.changed_at), order.code), True),
    "changed_ascending": (lambda order: (_sortable(order.changed_at), order.code), False),
    "unsorted": (lambda order: guid("order", order.code), False),
}


class Shop:
    """A shop that can be read and changed from any thread; `reset` brings back what it was opened with."""

    def __init__(
        self,
        orders: Iterable[Order] = (),
        *,
        clock: ShopClock | None = None,
        list_order: str = "code_descending",
        currency_code: str = "CZK",
    ) -> None:
        self.clock = clock or ShopClock()
        self.announce: Callable[[str, str], None] = lambda _event, _instance: None  # webhooks, once there are any
        self.currency_code = currency_code
        self.stocks = Stocks(self.clock)
        self.customers = Customers(self.clock)
        self.lock = threading.RLock()
        self.products = Products(self.clock, self.lock, currency_code)
        self._sort_key, self._is_descending = LIST_ORDERS[list_order]
        self._opened_with = tuple(orders)
        self._listed: list[Order] | None = None
        self._selected: dict[Hashable, list[Order]] = {}
        self.reset()

    def reset(self) -> None:
        with self.lock:
            self.products.reset()
            self._orders = {order.code: order for order in self._opened_with}
            self._deleted_at: dict[str, datetime] = {}
            self._forget_lists()
            self._created_count = 0
            self.stocks.reset()
            self.customers.reset()
            self.status_names: dict[int, str] = dict(STATUS_NAMES)

    def orders(self) -> list[Order]:
        """Return every order in the order of the shop's list."""
        with self.lock:
            if self._listed is None:
                self._listed = sorted(self._orders.values(), key=self._sort_key, reverse=self._is_descending)
            return self._listed

    def select(self, name: Hashable, *, passes: Callable[[Order], bool]) -> list[Order]:
        """Return the orders that pass, in the order of the list; kept under `name` until the shop changes.

        Whoever reads 139 pages of one filter would else wait 15 ms longer for each.
        """
        with self.lock:
            if name not in self._selected:
                self._selected[name] = [order for order in self.orders() if passes(order)]
            return self._selected[name]

    def find(self, code: str) -> Order | None:
        return self._orders.get(code)

    def body(self, code: str) -> Body:
        """Return the whole JSON of an order, a copy. Raises NoSuchOrder."""
        order = self.find(code)
        if order is None:
            raise NoSuchOrder(code)
        return order.load()

    def bodies(self) -> dict[str, Body]:
        """Return the JSON of all orders by code: what a converged copy must equal."""
        return {order.code: order.load() for order in self.orders()}

    def changes(self) -> list[Change]:
        """Return each order's last change of the past 30 days, the oldest first."""
        with self.lock:
            edits = [Change(order.code, order.changed_at, "edit") for order in self.orders() if order.changed_at]
            deletes = [Change(code, deleted_at, "delete") for code, deleted_at in self._deleted_at.items()]
        horizon = self.clock.now() - CHANGE_HISTORY
        recent = [change for change in (*edits, *deletes) if change.changed_at >= horizon]
        return sorted(recent, key=lambda change: (change.changed_at, change.code))

    def create(self, changes: Body | None = None, *, total: Decimal = Decimal("242.00")) -> str:
        """Add an order and return its code: the next free one, so that by code it comes last.

        `changes` is laid over a plain paid order, as in `edit`; it may name a `code` of its own.
        """
        with self.lock:
            self._created_count += 1
            now = self.clock.now()
            plain = order_body(
                Sale(
                    code=(changes or {}).get("code") or self._next_code(now),
                    created_at=now,
                    changed_at=now,
                    email=f"new{self._created_count}@example.com",
                    full_name="Nová Zákaznice",
                    total=total,
                    first_item_id=9_000_000 + 10 * self._created_count,
                    currency_code=self.currency_code,
                    vat_rate=Decimal(21),
                    status_id=-1,
                )
            )
            code = self._put(merge(plain, changes or {}))
            self.announce("order:create", code)
            return code

    def edit(self, code: str, changes: Body, *, changed_at: datetime | None = None) -> None:
        """Lay `changes` over an order: objects key by key, lists and values whole.

        changeTime becomes `changed_at`, else the shop's present; a `changeTime` among the changes wins.
        Raises NoSuchOrder.
        """
        if changes.get("code", code) != code:
            raise ValueError("the code of an order does not change; delete and create instead")
        stamp = write_instant(changed_at or self.clock.now())
        with self.lock:
            self._put(merge({**self.body(code), "changeTime": stamp}, changes))
            self.announce("order:update", code)

    def cancel(self, code: str) -> None:
        """Cancel as the vendor does: the header's price becomes zero, the lines keep theirs."""
        zero = dict.fromkeys(("withVat", "withoutVat", "vat", "toPay"), "0.00")
        self.edit(code, {"status": status_of(CANCELLED), "price": zero})

    def delete(self, code: str) -> None:
        """Remove an order; only the change log remembers it. Raises NoSuchOrder."""
        with self.lock:
            if self._orders.pop(code, None) is None:
                raise NoSuchOrder(code)
            self._deleted_at[code] = self.clock.now()
            self._forget_lists()
            self.announce("order:delete", code)

    def forget_deletions(self) -> None:
        """Let the change log be 30 days older: it tells of no deletion so far."""
        with self.lock:
            self._deleted_at.clear()

    def _put(self, body: Body) -> str:
        order = Order.from_body(body)
        self._orders[order.code] = order
        self._deleted_at.pop(order.code, None)
        self._forget_lists()
        return order.code

    def _forget_lists(self) -> None:
        self._listed = None
        self._selected.clear()

    def _next_code(self, now: datetime) -> str:
        """Return the code after the highest purely numeric one, or the first of this year."""
        highest = max((int(code) for code in self._orders if code.isdecimal()), default=0)
        return str(max(highest + 1, now.year * 1_000_000 + 1))


def _sortable(instant: datetime | None) -> float:
    return instant.timestamp() if instant else 0.0
