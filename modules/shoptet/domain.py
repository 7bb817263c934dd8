"""Shoptet's JSON, read tolerantly. Source: the official OpenAPI file and bodies of live shops.

The vendor's own examples break the vendor's schema (amounts as numbers), fields come and go, nearly
everything may be null: so unknown fields are ignored and only what cannot make an order is refused.
"""

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from modules.catalog.domain import CategoryFacts, ProductFacts, VariantFacts
from modules.catalog.domain import StoredVersion as ProductVersion
from modules.customers.domain import ProfileFacts
from modules.inventory.domain import LevelFacts
from modules.orders.domain import LineFacts, OrderFacts, StatusFacts, StoredVersion, UnreadableOrder
from modules.orders.domain import value_in_default_currency as default_value

COMPLETED_STATUS_ID = -3  # system status "Vyřízena"
CANCELLED_STATUS_ID = -4  # system status "Stornována": the header price becomes 0, the lines keep theirs
CLOSED_STATUS_IDS = (COMPLETED_STATUS_ID, CANCELLED_STATUS_ID)
SET_PART = "product-set-item"
OVERLAP = timedelta(hours=2)  # changes may become visible late; what is stored is not fetched twice
RECENT_DAYS, OPEN_DAYS = 14, 180  # of orders whose status is looked at: all of them, and those still open
CHANGE_LOG_DAYS = 30  # how long GET /api/orders/changes remembers deletions
SETTLING = timedelta(seconds=5)  # times have whole seconds: an order read this soon may have changed since
MAX_KEY_LENGTH = 100  # characters; codes and GUIDs of live shops stay under 40
DEFAULT_WAIT = timedelta(seconds=14)  # a full bucket (200) drains in 20 s at 10/s; most waits are partial
MAX_WAIT = timedelta(minutes=15)
ACCESS_TOKENS_AT_ONCE = 5  # of an add-on in a shop; a sixth is refused
ACCESS_TOKEN_LIFE = timedelta(minutes=30)
_TOKEN = re.compile(r"[\x21-\x7e]{1,255}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EshopFacts:
    """What a shop says about itself. `currency` is its default one, `timezone` an IANA name; either may be ""."""

    eshop_id: int | None
    name: str
    currency: str
    timezone: str
    statuses: tuple[StatusFacts, ...]


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


def retry_at(header: str | None, *, now: datetime, shop_time: datetime) -> datetime:
    """Return when a refused request may be sent again: `Retry-After` as a date or seconds, bounded.

    A date is taken as the time left on the shop's own clock, so that ours need not agree. Absent, unreadable
    or past: 14 seconds from `now`. Never more than 15 minutes from `now`.
    """
    wait = _retry_after(header or "", shop_time=shop_time)
    return now + (min(wait, MAX_WAIT) if wait and wait > timedelta(0) else DEFAULT_WAIT)


def _retry_after(header: str, *, shop_time: datetime) -> timedelta | None:
    if (seconds := header.strip()).isdecimal():
        return timedelta(seconds=int(seconds[:8]))
    asked = read_http_date(header)
    return asked - shop_time if asked else None


def is_token(value: Any) -> bool:
    """Say whether a value can be sent as a token at all."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def next_access_token_at(fetched: Sequence[datetime], *, now: datetime) -> datetime | None:
    """Return when another access token may be fetched, None for now; `fetched` is when the former ones were."""
    alive = sorted(at for at in fetched if at > now - ACCESS_TOKEN_LIFE)
    if len(alive) < ACCESS_TOKENS_AT_ONCE:
        return None
    return alive[-ACCESS_TOKENS_AT_ONCE] + ACCESS_TOKEN_LIFE


def read_http_date(header: str) -> datetime | None:
    """Return the instant of an HTTP date, or None for what is none."""
    try:
        instant = parsedate_to_datetime(header)
    except (ValueError, TypeError, OverflowError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def format_time(instant: datetime) -> str:
    """Return an instant as the API takes it in a query; the client encodes the plus sign."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S%z")


def clean(value: Any) -> Any:
    """Return a JSON value that PostgreSQL can store: no NUL, no half of a surrogate pair, no infinite number."""
    text = json.dumps(value)  # twenty times quicker than to look at every part, and shows what may be wrong
    return _cleaned(value) if any(sign in text for sign in ("\\u0000", "\\ud", "Infinity", "NaN")) else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def raw_text(value: Any) -> str:
    """Return a record as text to keep for a person to read; never fails."""
    try:
        return json.dumps(clean(value), ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return clean(repr(type(value)))  # type: ignore[no-any-return]


class _Reader:
    """Reads the fields of one JSON object; what has the wrong shape raises UnreadableOrder with its path."""

    def __init__(self, value: Any, path: str = "") -> None:
        if value is not None and not isinstance(value, Mapping):
            raise UnreadableOrder(path or "order", f"expected an object, got {type(value).__name__}")
        self._fields: Mapping[str, Any] = value or {}
        self._path = f"{path}." if path else ""

    def part(self, name: str) -> "_Reader":
        """Return the object `name`; one that is null or absent has only null fields."""
        return _Reader(self._fields.get(name), self._path + name)

    def parts(self, name: str) -> list["_Reader"]:
        values = self._fields.get(name)
        if values is not None and not isinstance(values, list):
            raise self.unreadable(name, f"expected a list, got {type(values).__name__}")
        return [_Reader(value, f"{self._path}{name}[{place}]") for place, value in enumerate(values or [])]

    def address(self, name: str) -> Mapping[str, Any] | None:
        """Return the object `name` as it is, or None when it says nothing: absent, null or all null."""
        fields = self.part(name)._fields
        return fields if any(value not in (None, "") for value in fields.values()) else None

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if isinstance(value, bool | dict | list):
            raise self.unreadable(name, f"expected text, got {type(value).__name__}")
        return "" if value is None else str(value)

    def key(self, name: str) -> str:
        """Return text that an index can hold."""
        text = self.text(name)
        if len(text) > MAX_KEY_LENGTH:
            raise self.unreadable(name, f"is longer than {MAX_KEY_LENGTH} characters")
        return text

    def flag(self, name: str) -> bool | None:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.unreadable(name, f"expected true, false or null, got {type(value).__name__}")
        return value

    def number(self, name: str) -> int | None:
        value = self.decimal(name, digits=18, places=0)
        return None if value is None else int(value)

    def decimal(self, name: str, *, digits: int = 14, places: int = 2) -> Decimal | None:
        """Return a number rounded to what its column keeps; it may come as text or as a JSON number."""
        text = self.text(name).strip()
        if not text:
            return None
        try:
            value = Decimal(text).quantize(_last_place(places))
        except InvalidOperation:
            raise self.unreadable(name, f"{text[:40]!r} is not a number that fits") from None
        if not value.is_finite() or abs(value) >= _limit(digits - places):
            raise self.unreadable(name, f"{text[:40]!r} is out of range")
        return value

    def time(self, name: str) -> datetime | None:
        text = self.text(name).strip()
        if not text:
            return None
        try:
            return _aware(text)
        except (ValueError, OverflowError):
            raise self.unreadable(name, f"{text[:40]!r} is not a time with an offset") from None

    def unreadable(self, name: str, why: str) -> UnreadableOrder:
        return UnreadableOrder(self._path + name, why)


@lru_cache
def _last_place(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


@lru_cache
def _limit(digits: int) -> Decimal:
    return Decimal(10) ** digits


def _aware(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(text)
    return instant.astimezone(UTC)


def parse_line(line: bytes) -> tuple[Any, str | None]:
    """Return the value of a JSON text, and the text itself where PostgreSQL can store it as it is.

    Cleaning a value costs twice what reading it costs. Raises ValueError, RecursionError.
    """
    if not any(escape in line for escape in (b"\\u0000", b"\\ud", b"\\uD")):
        with suppress(_Infinite):
            return json.loads(line, parse_constant=_no_constant, parse_float=_finite), line.decode()
    return json.loads(line, parse_constant=_no_constant), None


class _Infinite(ValueError):
    """A number is too large for a float."""


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Infinite(text)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def read_order(record: Any, *, default_currency: str, text: str | None = None) -> OrderFacts:
    """Return the facts of `data.order`, the body of an order's detail; raises UnreadableOrder and nothing else.

    `text`, the JSON that `record` is the value of, says that `record` is clean, and is kept in its place.
    """
    try:
        cleaned = record if text is not None else clean(record)
    except RecursionError:
        raise UnreadableOrder("order", "nested too deeply") from None
    order = _Reader(cleaned)
    lines = tuple(_read_line(line, number) for number, line in enumerate(_line_parts(order), start=1))
    return OrderFacts(
        code=_read_code(order),
        **_read_header(order),
        **_read_price(order.part("price"), default_currency=default_currency),
        lines=lines,
        raw=cleaned or {} if text is None else text,
    )


def _read_code(record: _Reader, key: str = "code") -> str:
    code = record.key(key)
    if not code:
        raise record.unreadable(key, "is empty")
    return code


def _read_header(order: _Reader) -> dict[str, Any]:
    status = order.part("status")
    status_id = status.number("id")
    return {
        "guid": order.text("guid"),
        "created_at": order.time("creationTime"),
        "changed_at": order.time("changeTime"),
        "email": order.text("email"),
        "phone": order.text("phone"),
        "customer_guid": order.key("customerGuid").strip(),
        "full_name": order.part("billingAddress").text("fullName"),
        "status_id": status_id,
        "status_name": status.text("name"),
        "is_cancelled": status_id == CANCELLED_STATUS_ID,
        "is_paid": order.flag("paid"),
        "is_cash_desk": bool(order.flag("cashDeskOrder")),
        "source_name": order.part("source").text("name"),
        "shipping_name": order.part("shipping").text("name"),
        "payment_name": order.part("paymentMethod").text("name"),
        "language": order.text("language"),
        "billing_address": order.address("billingAddress"),
        "delivery_address": order.address("deliveryAddress"),
    }


def _read_price(price: _Reader, *, default_currency: str) -> dict[str, Any]:
    currency = price.text("currencyCode").strip().upper()
    if len(currency) not in (0, 3):
        raise price.unreadable("currencyCode", f"{currency[:40]!r} is not a currency")
    rate = price.decimal("exchangeRate", digits=18, places=8)
    if rate is not None and rate < 0:
        raise price.unreadable("exchangeRate", "is negative")
    total = price.decimal("withVat")
    value = default_value(total, currency=currency, default_currency=default_currency, exchange_rate=rate)
    if value is not None and abs(value) >= Decimal(10) ** 12:
        raise price.unreadable("exchangeRate", "makes a value that is out of range")
    return {
        "currency": currency,
        "total_with_vat": total,
        "total_without_vat": price.decimal("withoutVat"),
        "vat": price.decimal("vat"),
        "to_pay": price.decimal("toPay"),
        "exchange_rate": rate,
        "total_default": value,
    }


def _line_parts(order: _Reader) -> list[_Reader]:
    """Return the order's lines and, after them, what its sets were put together from.

    `items` names a set as one line; its parts are in `completion` alone, which repeats everything else. Their
    amounts are the whole order's already and they have no price, so that nothing is counted twice.
    """
    items = order.parts("items")
    if any(item.text("itemType") == SET_PART for item in items):
        return items
    try:
        parts = [part for part in order.parts("completion") if part.text("itemType") == SET_PART]
    except UnreadableOrder:
        return items  # a list for the warehouse that cannot be read is no reason to refuse an order
    return [*items, *parts]


def _read_line(line: _Reader, number: int) -> LineFacts:
    total, unit = line.part("itemPrice"), line.part("unitPrice")
    purchase = line.part("purchasePrice").decimal("withoutVat")
    if purchase is None:
        purchase = line.part("buyPrice").decimal("withoutVat")  # its name until about 2022
    return LineFacts(
        line_number=number,
        item_id=line.number("itemId"),
        item_type=line.text("itemType"),
        product_guid=line.text("productGuid"),
        code=line.text("code"),
        ean=line.text("ean"),
        name=line.text("name"),
        variant_name=line.text("variantName"),
        amount=line.decimal("amount", digits=12, places=3),
        unit=line.text("amountUnit"),
        total_with_vat=total.decimal("withVat"),
        total_without_vat=total.decimal("withoutVat"),
        vat=total.decimal("vat"),
        vat_rate=total.decimal("vatRate", digits=5),
        unit_price_with_vat=unit.decimal("withVat"),
        unit_price_without_vat=unit.decimal("withoutVat"),
        purchase_price_without_vat=purchase,
    )


def read_listed(row: Any, *, key: str = "code") -> ListedOrder:
    """Return a row of a list or of a change log; raises UnreadableOrder when it has no `key`.

    A change time or status that cannot be read counts as unknown, so that the detail is fetched.
    """
    order = _Reader(clean(row))
    code = _read_code(order, key)
    try:
        return ListedOrder(code, order.time("changeTime"), order.part("status").number("id"))
    except UnreadableOrder:
        return ListedOrder(code, None)


def read_page(data: Any, *, rows: str) -> Page:
    """Return a page of the list called `rows`; raises UnreadableOrder when it is not one."""
    reader = _Reader(data, "data")
    paginator = reader.part("paginator")
    numbers = [paginator.number(name) for name in ("page", "pageCount", "totalCount")]
    values = data.get(rows) if isinstance(data, dict) else None
    if not isinstance(values, list) or None in numbers:
        raise reader.unreadable("paginator" if isinstance(values, list) else rows, "is missing")
    number, page_count, total_count = (value or 0 for value in numbers)
    return Page(tuple(values), number, page_count, total_count)


@dataclass(frozen=True, slots=True)
class ListedCustomer:
    """A row of the customer list or of the log of their changes."""

    guid: str
    changed_at: datetime | None
    is_deleted: bool


def read_listed_customer(row: Any) -> ListedCustomer:
    """Return a row of GET /api/customers or /api/customers/changes; raises UnreadableOrder when it has no GUID."""
    customer = _Reader(clean(row))
    guid = _read_guid(customer)
    try:
        return ListedCustomer(guid, customer.time("changeTime"), customer.text("changeType") == "delete")
    except UnreadableOrder:
        return ListedCustomer(guid, None, is_deleted=False)


def read_customer(record: Any) -> ProfileFacts:
    """Return the facts of `data.customer`; raises UnreadableOrder. E-mails are those of its accounts."""
    customer = _Reader(clean(record))
    accounts = sorted(customer.parts("accounts"), key=lambda account: not account.flag("mainAccount"))
    address = customer.part("billingAddress")
    main = accounts[0] if accounts else _Reader(None)
    return ProfileFacts(
        guid=_read_guid(customer),
        emails=tuple(email for account in accounts if (email := account.text("email").strip())),
        full_name=address.text("fullName") or main.text("fullName"),
        phone=main.text("phone"),
        company=address.text("company"),
        city=address.text("city"),
        country_code=address.text("countryCode"),
        group_name=customer.part("customerGroup").text("name"),
        changed_at=customer.time("changeTime"),
    )


def _read_guid(customer: _Reader) -> str:
    guid = customer.key("guid").strip()
    if not guid:
        raise customer.unreadable("guid", "is empty")
    return guid


@dataclass(frozen=True, slots=True)
class Movement:
    """What a variant had in a stock after a movement there; `amount` None where nobody counts."""

    id: int
    code: str
    amount: Decimal | None


def read_stock_ids(data: Any) -> list[int]:
    """Return the numbers of the stocks in GET /api/stocks; raises UnreadableOrder."""
    stocks = _Reader(clean(data), "data").parts("stocks")
    return [_read_number(stock, "id") for stock in stocks]


def read_movement(row: Any) -> Movement:
    """Return a row of GET /api/stocks/{id}/movements; raises UnreadableOrder."""
    movement = _Reader(clean(row))
    amount = movement.decimal("actualAmount", places=3)
    return Movement(_read_number(movement, "id"), _read_variant(movement, "productCode"), amount)


def read_supply(row: Any, *, stock: str) -> LevelFacts | None:
    """Return a row of GET /api/stocks/{id}/supplies, None where nobody counts; raises UnreadableOrder."""
    supply = _Reader(clean(row))
    code, amount = _read_variant(supply, "code"), supply.decimal("amount", places=3)
    reserved = supply.decimal("claim", places=3) or Decimal(0)
    if amount is None:
        return None
    return LevelFacts(code=code, amount=amount, reserved=reserved, stock=stock, location=supply.text("location"))


def _read_number(reader: _Reader, name: str) -> int:
    number = reader.number(name)
    if number is None:
        raise reader.unreadable(name, "is missing")
    return number


def _read_variant(reader: _Reader, name: str) -> str:
    code = reader.key(name)
    if not code:
        raise reader.unreadable(name, "is empty")
    return code


def read_last_id(data: Any) -> int:
    """Return `lastId` of GET /api/stocks/{id}/movements/last, 0 before the first; raises UnreadableOrder."""
    return _Reader(clean(data), "data").number("lastId") or 0


def read_eshop(data: Any) -> EshopFacts:
    """Return what GET /api/eshop?include=orderStatuses says; raises UnreadableOrder."""
    eshop = _Reader(clean(data), "data")
    contact, settings = eshop.part("contactInformation"), eshop.part("settings")
    defaults = [currency.text("code") for currency in eshop.parts("currencies") if currency.flag("isDefault")]
    statuses = eshop.part("orderStatuses").parts("statuses")
    return EshopFacts(
        eshop_id=contact.number("eshopId"),
        name=contact.text("eshopName"),
        currency=defaults[0].strip().upper()[:3] if defaults else "",
        timezone=settings.text("timezone"),
        statuses=tuple(_read_status(status) for status in statuses),
    )


def read_statuses(data: Any) -> tuple[StatusFacts, ...]:
    """Return what GET /api/orders/statuses says; raises UnreadableOrder."""
    reader = _Reader(clean(data), "data")
    statuses = tuple(_read_status(status) for status in reader.parts("statuses"))
    if not statuses:
        raise reader.unreadable("statuses", "is empty")  # every shop has the system's own
    return statuses


def _read_status(status: _Reader) -> StatusFacts:
    status_id = status.number("id")
    if status_id is None:
        raise status.unreadable("id", "is missing")
    return StatusFacts(
        status_id=status_id,
        name=status.text("name"),
        position=status.number("order") or 0,
        marks_paid=bool(status.flag("markAsPaid")),
    )


POLL_MINUTES = (1, 2, 3, 5, 10, 15, 24, 30, 40, 60)  # between looks; the shop gives up after 3 h and allows 10 looks
MAX_REQUESTS = 3  # of one snapshot: a link may expire before a worker comes to it


@dataclass(frozen=True, slots=True)
class SnapshotJob:
    """What the shop says of a snapshot that it makes. `result_url` is "" unless there is a file to fetch."""

    status: str
    result_url: str
    log: str

    @property
    def is_running(self) -> bool:
        """Return whether the shop is still at work."""
        return self.status in {"pending", "running"}

    @property
    def has_failed(self) -> bool:
        """Return whether the shop gave up."""
        return self.status in {"failed", "killed"}


def read_job(data: Any) -> SnapshotJob:
    """Return what GET /api/system/jobs/{id} says; raises UnreadableOrder."""
    job = _Reader(clean(data), "data").part("job")
    return SnapshotJob(job.text("status"), job.text("resultUrl"), job.text("log")[:1_000])


def wait_before_poll(polls: int) -> timedelta | None:
    """Return how long to wait after the `polls`-th look at an unfinished job; None when no look is left."""
    return timedelta(minutes=POLL_MINUTES[polls]) if polls < len(POLL_MINUTES) else None


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """One event as the shop tells it. `created` is its time as text: with the rest it identifies the event."""

    eshop_id: int | None
    event: str
    instance: str
    created: str

    @property
    def codes(self) -> list[str]:
        """Return the codes of the records it is about: one, or for a mass event the list inside `instance`."""
        if not self.instance.startswith("["):
            return [self.instance]
        try:
            listed = json.loads(self.instance)
        except (ValueError, RecursionError):
            return []
        return [code for code in listed if isinstance(code, str)]


def read_webhook(body: bytes) -> WebhookFacts:
    """Return the event in a webhook's body; raises UnreadableOrder for what is none."""
    try:
        event = _Reader(clean(json.loads(body)), "")
    except (ValueError, RecursionError):
        raise UnreadableOrder("body", "is not JSON") from None
    facts = WebhookFacts(
        event.number("eshopId"), event.key("event"), event.text("eventInstance"), event.key("eventCreated")
    )
    if not facts.event or not facts.instance:
        raise event.unreadable("event", "is missing")
    return facts


def webhook_signature(body: bytes, key: str) -> str:
    """Return what the shop writes into `Shoptet-Webhook-Signature`: HMAC-SHA1 of the raw body, lower-case hex."""
    return hmac.new(key.encode(), body, hashlib.sha1).hexdigest()


def is_signed(body: bytes, *, signature: str, keys: tuple[str, ...]) -> bool:
    """Return whether `signature` is that of one of `keys`, in a time that tells nothing of it."""
    given = signature.encode("latin-1", "replace")
    proofs = [hmac.compare_digest(webhook_signature(body, key).encode(), given) for key in keys if key]
    return any(proofs)


NAMELESS = "?"  # no code of an order begins so


def nameless_code(line: bytes) -> str:
    """Return what a record without a code is known by: the same line is the same record."""
    return NAMELESS + hashlib.sha256(line).hexdigest()[:16]


def read_product(record: Any, *, is_clean: bool = False) -> ProductFacts:
    """Return the facts of a product's detail, which is flat in `data`; raises UnreadableOrder and nothing else."""
    try:
        cleaned = record if is_clean else clean(record)
    except RecursionError:
        raise UnreadableOrder("product", "nested too deeply") from None
    product = _Reader(cleaned)
    return ProductFacts(
        guid=_read_code(product, "guid"),
        product_type=product.text("type"),
        name=product.text("name"),
        brand_name=product.part("brand").text("name"),
        supplier_name=product.part("supplier").text("name"),
        visibility=product.text("visibility"),
        created_at=product.time("creationTime"),
        changed_at=product.time("changeTime"),
        short_description=product.text("shortDescription"),
        description=product.text("description"),
        url=product.text("url"),
        default_category_guid=product.part("defaultCategory").text("guid"),
        category_guids=_category_guids(product),
        variants=tuple(
            _read_product_variant(row, place) for place, row in enumerate(product.parts("variants"), start=1)
        ),
        raw=_without_stock(cleaned),
    )


def _category_guids(product: _Reader) -> tuple[str, ...]:
    guids = [category.text("guid") for category in product.parts("categories")]
    return tuple(guid for guid in dict.fromkeys(guids) if guid)


def _read_product_variant(variant: _Reader, position: int) -> VariantFacts:
    currency = variant.text("currencyCode").strip().upper()
    if len(currency) not in (0, 3):
        raise variant.unreadable("currencyCode", f"{currency[:40]!r} is not a currency")
    return VariantFacts(
        code=_read_code(variant),
        position=position,
        ean=variant.key("ean"),
        name=variant.text("name"),
        unit=variant.text("unit"),
        price=variant.decimal("price"),
        common_price=variant.decimal("commonPrice"),
        currency=currency,
        includes_vat=variant.flag("includingVat") is not False,
        vat_rate=variant.decimal("vatRate", digits=5),
        is_visible=variant.flag("visible") is not False,
        weight=variant.decimal("weight", digits=12, places=3),
        manufacturer_code=variant.text("manufacturerCode"),
    )


STOCK_FIELDS = ("stock", "perStockAmounts")


def _without_stock(product: Mapping[str, Any]) -> dict[str, Any]:
    """Return a product as received but for how many there are: a sale is no change of the product."""
    variants = product.get("variants") or []
    kept = [{name: value for name, value in variant.items() if name not in STOCK_FIELDS} for variant in variants]
    return {**product, "variants": kept}


def read_category(row: Any) -> CategoryFacts | None:
    """Return a row of GET /api/categories, None for one without a GUID; raises UnreadableOrder."""
    category = _Reader(clean(row), "category")
    guid = category.key("guid")
    if not guid:
        return None
    return CategoryFacts(
        guid=guid,
        parent_guid=category.text("parentGuid"),
        name=category.text("name"),
        position=max(-(2**31), min(category.number("priority") or 0, 2**31 - 1)),
        is_visible=category.flag("visible") is not False,
    )
