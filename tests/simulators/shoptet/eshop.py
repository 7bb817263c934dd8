"""The shop about itself: GET /api/eshop and the order statuses."""

from collections.abc import Mapping
from typing import Any

from .answers import Json
from .bodies import CANCELLED, PAYMENT_METHOD, SHIPPING

ESHOP_ID = 222651
DEFAULT_STATUS = -1
SECTIONS = frozenset(
    {"orderAdditionalFields", "orderStatuses", "paymentMethods", "shippingMethods"}
    | {"imageCuts", "countries", "cashDesk"},
)


def eshop_data(*, currency_code: str, status_names: Mapping[int, str], include: frozenset[str]) -> Json:
    """Return data of GET /api/eshop; `include` names sections of SECTIONS."""
    on_demand = {
        "orderAdditionalFields": [{"index": 1, "label": "1. pole"}],
        "orderStatuses": {"statuses": _brief_statuses(status_names), "defaultStatus": DEFAULT_STATUS},
        "paymentMethods": _methods(PAYMENT_METHOD, default="defaultPayment"),
        "shippingMethods": _methods(SHIPPING, default="defaultShipping"),
        "imageCuts": [_image_cut("big", width=1024, height=768), _image_cut("orig", width=None, height=None)],
        "countries": [_country()],
        "cashDesk": {"defaultOrderStatusId": DEFAULT_STATUS},
    }
    return {
        "contactInformation": _contact(),
        "billingInformation": _billing(),
        "settings": _settings(),
        "currencies": _currencies(currency_code),
        "taxClasses": [
            {"title": "Základní", "rates": [{"zone": "Default Zone", "vatRate": "21.00"}], "isDefault": True}
        ],
        "activeModules": [{"title": "Sklady", "name": "stocks"}],
        "urls": [{"ident": "admin-orders-list", "url": "https://simulated-shop.example/admin/prehled-objednavek"}],
        "trial": False,
        **{section: on_demand[section] for section in on_demand if section in include},
    }


def statuses_data(status_names: Mapping[int, str]) -> Json:
    """Return data of GET /api/orders/statuses: system statuses have negative ids."""
    rows = [
        _status(status_id, name=name, order=order)
        for order, (status_id, name) in enumerate(status_names.items(), start=1)
    ]
    return {"defaultStatus": DEFAULT_STATUS, "statuses": rows}


def _status(status_id: int, *, name: str, order: int) -> Json:
    documents = ("generateProformaInvoice", "generateInvoice", "generateDeliveryNote", "generateProofPayment")
    return {
        "id": status_id,
        "name": name,
        "system": status_id < 0,
        "order": order,
        "markAsPaid": status_id == -3,
        "color": None,
        "backgroundColor": None,
        "changeOrderItems": True,
        "stockClaimResolved": status_id in {-3, CANCELLED},
        "documents": dict.fromkeys(documents, False),
    }


def _brief_statuses(status_names: Mapping[int, str]) -> list[Json]:
    keys = ("id", "order", "name", "markAsPaid")
    return [{key: status[key] for key in keys} for status in statuses_data(status_names)["statuses"]]


def _contact() -> Json:
    return {
        "eshopId": ESHOP_ID,
        "eshopName": "Simulated shop",
        "eshopCategory": None,
        "url": "https://simulated-shop.example/",
        "eshopTitle": "Simulated shop",
        "eshopSubtitle": None,
        "contactPerson": None,
        "email": "info@simulated-shop.example",
        "phone": "+420777888999",
        "mobilePhone": None,
        "skypeAccount": None,
        "contactPhotoUrl": None,
    }


def _billing() -> Json:
    return {
        "billingName": "Simulated shop s.r.o.",
        "company": {"companyId": "28935675", "vatId": "CZ28935675", "taxId": "CZ28935675"},
        "address": {"streetAddress": "Dvořeckého 628/8", "city": "Praha", "zip": "169 00"},
        "country": {"countryCode": "CZ", "countryName": "Česká republika"},
        "registration": None,
        "phone": "+420777888999",
        "email": "info@simulated-shop.example",
        "billingEmail": None,
    }


def _settings() -> Json:
    return {
        "vatPayer": True,
        "cashDeskOnly": False,
        "trackStockClaims": True,
        "maxProductAmount": 500,
        "maxEmailAmount": 1000,
        "defaultPricelist": {"id": 1, "name": "Hlavní ceník"},
        "eshopLanguage": "cs",
        "timezone": "Europe/Prague",
        "dateFormat": "j.n.Y",
        "timeFormat": "H:i",
        "internals": "cs",
        "exchangeRateFlip": False,
        "negativeStockAmount": "allowed",
        "oss": False,
        "stockControlDisabled": False,
        "wholesaleSplitActive": False,
    }


def _currencies(default_code: str) -> list[Json]:
    """Return the default currency and the euro, whose rate is euros per unit of the default one, as live shops send."""
    rates = {default_code: "1.00000000"} if default_code == "EUR" else {default_code: "1.00000000", "EUR": "0.03980000"}
    return [
        _currency(code, rate=rate, priority=priority, is_default=code == default_code)
        for priority, (code, rate) in enumerate(rates.items(), start=1)
    ]


def _currency(code: str, *, rate: str, priority: int, is_default: bool) -> Json:
    return {
        "code": code,
        "title": code,
        "isDefault": is_default,
        "isDefaultAdmin": is_default,
        "isDefaultDocuments": is_default,
        "isVisible": True,
        "exchangeRate": rate,
        "priority": priority,
        "display": {"text": code, "location": "right", "decimalsSeparator": ",", "thousandsSeparator": " "},
        "priceDecimalPlaces": 2,
        "documentPriceDecimalPlaces": 2,
        "rounding": "none",
        "minimalOrderValue": None,
        "bankAccount": dict.fromkeys(("accountNumber", "iban", "bic", "ownerName")),
    }


def _methods(method: Mapping[str, Any], *, default: str) -> Json:
    methods = [{**method, "order": 1, "visible": True}]
    return {
        "retail": {"methods": methods, default: method["guid"]},
        "wholesale": {"methods": [], default: None},
        "wholesaleActive": False,
    }


def _image_cut(name: str, *, width: int | None, height: int | None) -> Json:
    path = f"simulated-shop.example/user/shop/{name}/"
    return {
        "name": name,
        "width": width,
        "height": height,
        "urlPath": f"https://{path}",
        "cdnPath": f"https://cdn.example/{path}",
    }


def _country() -> Json:
    return {
        "countryCode": "CZ",
        "countryName": "Česká republika",
        "companyIdPattern": r"^\d{8}$",
        "companyIdExample": "28935675",
        "zipCodePattern": r"^[1-7]\d{2}\s*\d{2}$",
    }
