"""Products with boring defaults; a test states every value that it depends on."""

from decimal import Decimal
from typing import Any

from modules.accounts.models import Tenant
from modules.catalog import services
from modules.catalog.domain import CategoryFacts, ProductFacts, VariantFacts
from modules.catalog.models import Storefront


def make_storefront(*, tenant: str = "Alice", name: str = "Alice's shop", currency: str = "CZK") -> Storefront:
    owner, _ = Tenant.objects.get_or_create(name=tenant)
    return services.open_storefront(tenant_id=owner.pk, kind="shoptet", name=name, currency=currency)


def variant_facts(code: str = "00123", **fields: Any) -> VariantFacts:
    boring: dict[str, Any] = {
        "position": 1,
        "ean": "",
        "name": "",
        "unit": "ks",
        "price": Decimal("121.00"),
        "common_price": None,
        "currency": "CZK",
        "includes_vat": True,
        "vat_rate": Decimal("21.00"),
        "is_visible": True,
        "weight": Decimal("0.505"),
        "manufacturer_code": "",
    }
    return VariantFacts(code=code, **(boring | fields))


def product_facts(guid: str = "p1", **fields: Any) -> ProductFacts:
    boring: dict[str, Any] = {
        "product_type": "product",
        "name": "Lamp",
        "brand_name": "",
        "supplier_name": "",
        "visibility": "visible",
        "created_at": None,
        "changed_at": None,
        "short_description": "",
        "description": "",
        "url": "",
        "default_category_guid": "",
        "category_guids": (),
        "variants": (variant_facts(),),
        "raw": {"guid": guid},
    }
    return ProductFacts(guid=guid, **(boring | fields))


def category_facts(guid: str = "c1", **fields: Any) -> CategoryFacts:
    boring: dict[str, Any] = {"parent_guid": "", "name": "Lights", "position": 1, "is_visible": True}
    return CategoryFacts(guid=guid, **(boring | fields))
