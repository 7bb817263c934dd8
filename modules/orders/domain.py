"""What an order is, whatever shop system it came from. Pure: no Django, no clock, no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")
MAX_EMAIL_LENGTH = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets


class UnreadableOrder(Exception):
    """A source's record does not make an order; `field` is the path of what could not be read."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFacts:
    """One line of an order. Totals are of the whole line, after discount and times the amount."""

    line_number: int
    item_id: int | None
    item_type: str
    product_guid: str
    code: str
    ean: str
    name: str
    variant_name: str
    amount: Decimal | None
    unit: str
    total_with_vat: Decimal | None
    total_without_vat: Decimal | None
    vat: Decimal | None
    vat_rate: Decimal | None
    unit_price_with_vat: Decimal | None
    unit_price_without_vat: Decimal | None
    purchase_price_without_vat: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """One order as its source states it, lines included.

    Text that the source leaves out is ""; amounts, times and `is_paid` are None where the source does not
    know. Money is in `currency`, only `total_default` in the shop's default one. `raw` is what was read, as an
    object or, cheaper by far where there are many, as the JSON text that it was.
    """

    code: str
    guid: str
    created_at: datetime | None
    changed_at: datetime | None
    email: str
    phone: str
    customer_guid: str
    full_name: str
    status_id: int | None
    status_name: str
    is_cancelled: bool
    is_paid: bool | None
    currency: str
    total_with_vat: Decimal | None
    total_without_vat: Decimal | None
    vat: Decimal | None
    to_pay: Decimal | None
    exchange_rate: Decimal | None
    total_default: Decimal | None
    is_cash_desk: bool
    source_name: str
    shipping_name: str
    payment_name: str
    language: str
    billing_address: Mapping[str, Any] | None
    delivery_address: Mapping[str, Any] | None
    lines: tuple[LineFacts, ...]
    raw: Mapping[str, Any] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFacts:
    """One status of a source's catalog of order statuses."""

    status_id: int
    name: str
    position: int
    marks_paid: bool


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """How fresh the stored copy of an order is."""

    changed_at: datetime | None
    fetched_at: datetime
    is_deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import wrote: ids of orders created and updated, and how many it left alone."""

    created_ids: tuple[int, ...] = ()
    updated_ids: tuple[int, ...] = ()
    unchanged: int = 0

    @property
    def order_ids(self) -> tuple[int, ...]:
        """Return the ids of the orders whose row was written, ascending."""
        return tuple(sorted((*self.created_ids, *self.updated_ids)))


def normalized_email(email: str) -> str:
    """Return the form in which two e-mail addresses are compared, or "" for what identifies nobody.

    Without the "@" rule, everybody whose e-mail a clerk filled in as "-" would be one customer.
    """
    folded = email.strip().casefold()
    return folded if "@" in folded and len(folded) <= MAX_EMAIL_LENGTH else ""


def value_in_default_currency(
    amount: Decimal | None, *, currency: str, default_currency: str, exchange_rate: Decimal | None
) -> Decimal | None:
    """Return `amount` in the shop's default currency, rounded half up to cents; None when the rate is not known.

    `exchange_rate` is units of the order's currency for one of the default one, as it was at the order's time.
    `default_currency` may be "" (not known yet): then the rate alone decides.
    """
    if amount is None:
        return None
    if currency and currency == default_currency:
        return amount.quantize(CENT, ROUND_HALF_UP)
    if not exchange_rate:
        return None
    return (amount / exchange_rate).quantize(CENT, ROUND_HALF_UP)
