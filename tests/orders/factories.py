"""Orders with boring defaults; a test states every value that it depends on."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from modules.accounts.models import Tenant
from modules.orders import services
from modules.orders.domain import LineFacts, OrderFacts
from modules.orders.models import SalesChannel


def at(text: str) -> datetime:
    """Return the instant `text`; UTC unless it says otherwise."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def make_channel(*, tenant: str = "Alice", name: str = "Alice's shop", currency: str = "CZK") -> SalesChannel:
    owner, _ = Tenant.objects.get_or_create(name=tenant)
    return services.open_channel(tenant_id=owner.pk, kind="shoptet", name=name, currency=currency)


def line_facts(line_number: int = 1, **fields: Any) -> LineFacts:
    boring: dict[str, Any] = {
        "item_id": line_number,
        "item_type": "product",
        "product_guid": "",
        "code": f"P{line_number}",
        "ean": "",
        "name": "Thing",
        "variant_name": "",
        "amount": Decimal("1.000"),
        "unit": "ks",
        "total_with_vat": Decimal("121.00"),
        "total_without_vat": Decimal("100.00"),
        "vat": Decimal("21.00"),
        "vat_rate": Decimal("21.00"),
        "unit_price_with_vat": Decimal("121.00"),
        "unit_price_without_vat": Decimal("100.00"),
        "purchase_price_without_vat": None,
    }
    return LineFacts(line_number=line_number, **(boring | fields))


def order_facts(code: str = "A1", **fields: Any) -> OrderFacts:
    total = Decimal(fields.pop("total", "121.00"))
    boring: dict[str, Any] = {
        "guid": "",
        "created_at": at("2026-03-01T10:00:00"),
        "changed_at": at("2026-03-01T10:00:00"),
        "email": "",
        "phone": "",
        "customer_guid": "",
        "full_name": "Jana Nová",
        "status_id": -3,
        "status_name": "Vyřízena",
        "is_cancelled": False,
        "is_paid": True,
        "currency": "CZK",
        "total_with_vat": total,
        "total_without_vat": total,
        "vat": Decimal("0.00"),
        "to_pay": total,
        "exchange_rate": Decimal("1.00000000"),
        "total_default": total,
        "is_cash_desk": False,
        "source_name": "",
        "shipping_name": "",
        "payment_name": "",
        "language": "cs",
        "billing_address": None,
        "delivery_address": None,
        "lines": (line_facts(1),),
        "raw": {"code": code},
    }
    return OrderFacts(code=code, **(boring | fields))
