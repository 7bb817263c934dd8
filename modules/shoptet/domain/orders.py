"""An order's detail."""

from decimal import Decimal
from typing import Any

from modules.orders.domain import LineFacts, OrderFacts, UnreadableOrder
from modules.orders.domain import value_in_default_currency as default_value
from modules.shoptet.domain.reader import Reader, clean

COMPLETED_STATUS_ID = -3  # system status "Vyřízena"
CANCELLED_STATUS_ID = -4  # system status "Stornována": the header price becomes 0, the lines keep theirs
CLOSED_STATUS_IDS = (COMPLETED_STATUS_ID, CANCELLED_STATUS_ID)
SET_PART = "product-set-item"


def read_order(record: Any, *, default_currency: str, text: str | None = None) -> OrderFacts:
    """Return the facts of `data.order`, the body of an order's detail; raises UnreadableOrder and nothing else.

    `text`, the JSON that `record` is the value of, says that `record` is clean, and is kept in its place.
    """
    try:
        cleaned = record if text is not None else clean(record)
    except RecursionError:
        raise UnreadableOrder("order", "nested too deeply") from None
    order = Reader(cleaned)
    lines = tuple(_read_line(line, number) for number, line in enumerate(_line_parts(order), start=1))
    return OrderFacts(
        code=order.required_key("code"),
        **_read_header(order),
        **_read_price(order.part("price"), default_currency=default_currency),
        lines=lines,
        raw=cleaned or {} if text is None else text,
    )


def _read_header(order: Reader) -> dict[str, Any]:
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


def _read_price(price: Reader, *, default_currency: str) -> dict[str, Any]:
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


def _line_parts(order: Reader) -> list[Reader]:
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


def _read_line(line: Reader, number: int) -> LineFacts:
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
