"""An order's detail with boring values, as the vendor writes it."""

from typing import Any


def price(with_vat: Any = "121.00", **fields: Any) -> dict[str, Any]:
    return {
        "vat": "21.00",
        "toPay": with_vat,
        "currencyCode": "CZK",
        "withoutVat": "100.00",
        "withVat": with_vat,
        "exchangeRate": "1.00000000",
    } | fields


def item(**fields: Any) -> dict[str, Any]:
    amounts = {"withVat": "121.00", "withoutVat": "100.00", "vat": "21.00", "vatRate": "21.00"}
    return {
        "productGuid": None,
        "code": "0021",
        "ean": None,
        "itemType": "product",
        "name": "Nike The Next",
        "variantName": None,
        "amount": "1.000",
        "amountUnit": "ks",
        "itemId": 30,
        "itemPrice": amounts,
        "unitPrice": amounts,
        "purchasePrice": None,
    } | fields


def order(**fields: Any) -> dict[str, Any]:
    return {
        "code": "2021000002",
        "guid": None,
        "email": "test@test.cz",
        "phone": "+420722123456",
        "customerGuid": None,
        "creationTime": "2021-09-29T21:17:22+0200",
        "changeTime": "2021-10-09T22:23:34+0200",
        "cashDeskOrder": False,
        "paid": None,
        "language": "cs",
        "billingAddress": {"fullName": "Jana Nová", "city": "Test", "company": None},
        "deliveryAddress": None,
        "status": {"id": -1, "name": "Nevyřízená"},
        "price": price(),
        "shipping": {"guid": "8fdb2c89-3fae-11e2-a723-705ab6a2ba75", "name": "Osobní odběr"},
        "paymentMethod": None,
        "items": [item()],
    } | fields
