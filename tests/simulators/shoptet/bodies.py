"""The JSON of an order as GET /api/orders/{code} tells it, every section on demand included.

Field list: tests/data/shoptet_fields/order_detail.txt, from the vendor's OpenAPI file of August 2026.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from .clock import write_instant

Body = dict[str, Any]

SHOP = uuid5(NAMESPACE_URL, "https://simulated-shop.example/")
NOTHING = {"withVat": "0.00", "withoutVat": "0.00", "vat": "0.00", "vatRate": "0.00"}
SHIPPING = {"guid": str(uuid5(SHOP, "shipping")), "name": "PPL"}
PAYMENT_METHOD = {"guid": str(uuid5(SHOP, "payment method")), "name": "Kartou"}
BILLING_METHOD = {"id": 4, "name": "Kartou"}
STATUS_NAMES = {-1: "Nevyřízená", -2: "Vyřizuje se", -3: "Vyřízena", -4: "Stornována", 7: "Předáno dopravci"}
CANCELLED = -4

# What the detail sends only when `include` asks for it. Source: description of GET /api/orders/{code}.
ORDER_SECTIONS = {
    "notes": "notes",
    "shippingDetails": "shippingDetails",
    "paymentTransactions": "paymentTransactions",
}
ITEM_SECTIONS = {
    "images": ("mainImage",),
    "stockLocation": ("stockLocation",),
    "surchargeParameters": ("surchargeParameters", "specificSurchargeParameters"),
    "productFlags": ("productFlags",),
}
SECTIONS = frozenset({*ORDER_SECTIONS, *ITEM_SECTIONS})
LIST_KEYS = (
    *("code", "guid", "creationTime", "changeTime", "fullName", "company", "email", "phone", "remark", "customerGuid"),
    *("cashDeskOrder", "adminUrl", "status", "source", "shipping", "paymentMethod", "price", "paid"),
    "salesChannelGuid",
)


@lru_cache(maxsize=4096)  # a tenth of the time of an order's detail went into hashing the same names
def guid(*parts: str) -> str:
    """Return the same identifier for the same parts in every run."""
    return str(uuid5(SHOP, ":".join(parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """The few facts an order's JSON is made of: one product line, with shipping and billing for nothing.

    `total` is in `currency_code` with VAT; `first_item_id` numbers the three lines.
    """

    code: str
    created_at: datetime
    changed_at: datetime
    email: str | None
    full_name: str
    total: Decimal
    first_item_id: int
    customer_guid: str | None = None
    pieces: Decimal = Decimal(1)
    product: str = "CD"
    currency_code: str = "CZK"
    vat_rate: Decimal = Decimal(0)
    status_id: int = -3


def order_body(sale: Sale) -> Body:
    status = status_of(sale.status_id)
    price = {
        **_price(sale.total, vat_rate=sale.vat_rate),
        "toPay": _cents(sale.total),
        "currencyCode": sale.currency_code,
    }
    del price["vatRate"]
    return {
        "code": sale.code,
        "guid": guid("order", sale.code),
        "externalCode": None,
        "creationTime": write_instant(sale.created_at),
        "changeTime": write_instant(sale.changed_at),
        "email": sale.email,
        "phone": "+420777000111",
        "birthDate": None,
        "clientIPAddress": "192.0.2.53",
        "customerGuid": sale.customer_guid,
        "cashDeskOrder": False,
        "stockId": 1,
        "addressesEqual": True,
        "vatPayer": False,
        "vatMode": "Normal",
        "billingMethod": dict(BILLING_METHOD),
        "paymentMethod": dict(PAYMENT_METHOD),
        "shipping": dict(SHIPPING),
        "shippingDetails": None,
        "adminUrl": f"https://simulated-shop.example/admin/objednavky-detail?id={sale.first_item_id}",
        "status": status,
        "source": {"id": -1, "name": "E-shop"},
        "salesChannelGuid": None,
        "price": {**price, "exchangeRate": "1.00000000", "invoicingExchangeRate": "1.00000000"},
        "paid": True,
        "billingAddress": _address(sale.full_name),
        "deliveryAddress": None,
        "onlinePaymentLink": None,
        "language": "cs",
        "referer": None,
        "paymentMethods": [{"paymentMethod": dict(PAYMENT_METHOD), "itemId": sale.first_item_id + 2}],
        "shippings": [{"shipping": dict(SHIPPING), "itemId": sale.first_item_id + 1}],
        "items": _items(sale, status=status),
        "notes": _notes(),
        "completion": [_completion(sale)],
        "paymentTransactions": [],
    }


def status_of(status_id: int) -> Body:
    """Return the pair of id and name; a status the shop never named has the name null."""
    return {"id": status_id, "name": STATUS_NAMES.get(status_id)}


def list_row(body: Body) -> Body:
    """Return the header that GET /api/orders shows of an order: no items, no VAT mode."""
    address, notes = body.get("billingAddress") or {}, body.get("notes") or {}
    known = {
        **body,
        "fullName": address.get("fullName"),
        "company": address.get("company"),
        "remark": notes.get("customerRemark"),
    }
    return {key: known.get(key) for key in LIST_KEYS}


def without_sections(body: Body, *, keep: Iterable[str]) -> Body:
    """Return `body` less the sections on demand that `keep` does not name; changes `body` itself."""
    dropped = SECTIONS.difference(keep)
    for section in dropped & ORDER_SECTIONS.keys():
        body.pop(ORDER_SECTIONS[section], None)
    keys = [key for section in dropped & ITEM_SECTIONS.keys() for key in ITEM_SECTIONS[section]]
    for item in body["items"] if isinstance(body.get("items"), list) else ():
        for key in keys:
            item.pop(key, None)
    return body


def with_vendor_numbers(body: Body) -> Body:
    """Return `body` with JSON numbers where the vendor's own examples break the vendor's schema.

    Quantities become 1.0 and VAT rates 21; money stays text. Changes `body` itself.
    """
    items = body["items"] if isinstance(body.get("items"), list) else []
    completion = body["completion"] if isinstance(body.get("completion"), list) else []
    for row in (*items, *completion):
        for key in ("amount", "amountCompleted"):
            row[key] = None if row.get(key) is None else float(row[key])
    for item in items:
        for price in (item["itemPrice"], item["unitPrice"], *item["displayPrices"]):
            price["vatRate"] = int(Decimal(price["vatRate"]))
    return body


def _cents(amount: Decimal) -> str:
    return str(amount.quantize(Decimal("0.01"), ROUND_HALF_UP))


def _amount(pieces: Decimal) -> str:
    return str(pieces.quantize(Decimal("0.001"), ROUND_HALF_UP))


def _price(amount: Decimal, *, vat_rate: Decimal) -> Body:
    with_vat = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    without_vat = (with_vat / (1 + vat_rate / 100)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return {
        "withVat": _cents(with_vat),
        "withoutVat": _cents(without_vat),
        "vat": _cents(with_vat - without_vat),
        "vatRate": _cents(vat_rate),
    }


def _address(full_name: str) -> Body:
    return {
        "company": None,
        "fullName": full_name,
        "street": "Dlouhá",
        "houseNumber": "12",
        "city": "Praha 1",
        "district": None,
        "additional": None,
        "zip": "110 00",
        "countryCode": "CZ",
        "regionName": None,
        "regionShortcut": None,
        "companyId": None,
        "vatId": None,
        "vatIdValidationStatus": None,
        "taxId": None,
    }


def _notes() -> Body:
    return {
        "customerRemark": None,
        "eshopRemark": None,
        "trackingNumber": None,
        "trackingUrl": None,
        "additionalFields": [],
    }


def _items(sale: Sale, *, status: Body) -> list[Body]:
    price, first = _price(sale.total, vat_rate=sale.vat_rate), sale.first_item_id
    product = _item("product", name=sale.product, status=status, item_id=first, price=price)
    product |= {
        "productGuid": guid("product", sale.product),
        "code": sale.product,
        "productType": "product",
        "amount": _amount(sale.pieces),
        "amountUnit": "ks",
        "unitPrice": _price(sale.total / (sale.pieces or 1), vat_rate=sale.vat_rate),
    }
    shipping = _item("shipping", name=SHIPPING["name"], status=status, item_id=first + 1, price=NOTHING)
    billing = _item("billing", name=PAYMENT_METHOD["name"], status=status, item_id=first + 2, price=NOTHING)
    return [product, shipping, billing]


def _item(kind: str, *, name: str, status: Body, item_id: int, price: Body) -> Body:
    return {
        "productGuid": None,
        "code": None,
        "ean": None,
        "itemType": kind,
        "productType": None,
        "name": name,
        "variantName": None,
        "brand": None,
        "remark": None,
        "weight": "0.000",
        "additionalField": None,
        "amount": "1.000",
        "amountUnit": None,
        "priceRatio": "1.0000",
        "status": dict(status),
        "itemPrice": dict(price),
        "unitPrice": dict(price),
        "displayPrices": [dict(price)],
        "purchasePrice": None,
        "recyclingFee": None,
        "mainImage": None,
        "stockLocation": None,
        "supplierName": None,
        "itemId": item_id,
        "warrantyDescription": None,
        "amountCompleted": "0.000",
        "surchargeParameters": [],
        "specificSurchargeParameters": [],
        "productFlags": [],
    }


def _completion(sale: Sale) -> Body:
    return {
        "productGuid": guid("product", sale.product),
        "code": sale.product,
        "itemType": "product",
        "name": sale.product,
        "variantName": None,
        "amount": _amount(sale.pieces),
        "amountUnit": "ks",
        "itemId": sale.first_item_id,
        "amountCompleted": "0.000",
    }
