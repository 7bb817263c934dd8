"""Lists and change logs: which part of them to ask for, and what of it has to be fetched."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modules.catalog.domain import StoredVersion as ProductVersion
from modules.orders.domain import StoredVersion, UnreadableOrder
from modules.shoptet.domain.reader import Reader, clean

OVERLAP = timedelta(hours=2)  # changes may become visible late; what is stored is not fetched twice
RECENT_DAYS, OPEN_DAYS = 14, 180  # of orders whose status is looked at: all of them, and those still open
CHANGE_LOG_DAYS = 30  # how long GET /api/orders/changes remembers deletions
SETTLING = timedelta(seconds=5)  # times have whole seconds: an order read this soon may have changed since


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """A row of a list or of a change log; `code` is what its record is known by, a product's GUID too."""

    code: str
    changed_at: datetime | None
    status_id: int | None = None  # the change log does not say


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a paged list, its rows still unread; `number` counts from 1."""

    rows: tuple[Any, ...]
    number: int
    page_count: int
    total_count: int


@dataclass(frozen=True, slots=True)
class Window:
    """Which changes a sync asks for; `changed_from` None is everything since the shop opened."""

    changed_from: datetime | None
    changed_to: datetime


def plan_window(
    *, position_at: datetime | None, shop_time: datetime, fallback_lookback_hours: int | None = None
) -> Window:
    """Return the window that ends at `shop_time` and begins two hours before the cursor's position.

    Without a position: everything, or the last `fallback_lookback_hours`.
    """
    if position_at:
        return Window(position_at - OVERLAP, shop_time)
    if fallback_lookback_hours is None:
        return Window(None, shop_time)
    return Window(shop_time - timedelta(hours=fallback_lookback_hours), shop_time)


def months(*, since: datetime, until: datetime) -> Iterator[Window]:
    """Yield windows of 31 days from `since` to `until`, which overlap by a second: either end may be exclusive."""
    start = since
    while start < until:
        end = min(start + timedelta(days=31), until)
        yield Window(start - timedelta(seconds=1), end)
        start = end


def needs_detail(listed: ListedOrder, stored: StoredVersion | ProductVersion | None) -> bool:
    """Say whether a listed record has to be fetched: it is new, changed, or was read before its second was over."""
    if stored is None or stored.is_deleted or listed.changed_at is None or stored.changed_at != listed.changed_at:
        return True
    return stored.fetched_at < listed.changed_at + SETTLING


def format_time(instant: datetime) -> str:
    """Return an instant as the API takes it in a query; the client encodes the plus sign."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S%z")


def read_listed(row: Any, *, key: str = "code") -> ListedOrder:
    """Return a row of a list or of a change log; raises UnreadableOrder when it has no `key`.

    A change time or status that cannot be read counts as unknown, so that the detail is fetched.
    """
    order = Reader(clean(row))
    code = order.required_key(key)
    try:
        return ListedOrder(code, order.time("changeTime"), order.part("status").number("id"))
    except UnreadableOrder:
        return ListedOrder(code, None)


def read_page(data: Any, *, rows: str) -> Page:
    """Return a page of the list called `rows`; raises UnreadableOrder when it is not one."""
    reader = Reader(data, "data")
    paginator = reader.part("paginator")
    numbers = [paginator.number(name) for name in ("page", "pageCount", "totalCount")]
    values = data.get(rows) if isinstance(data, dict) else None
    if not isinstance(values, list) or None in numbers:
        raise reader.unreadable("paginator" if isinstance(values, list) else rows, "is missing")
    number, page_count, total_count = (value or 0 for value in numbers)
    return Page(tuple(values), number, page_count, total_count)
