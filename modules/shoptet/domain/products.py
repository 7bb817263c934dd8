"""A product's detail, and categories."""

from collections.abc import Mapping
from typing import Any

from modules.catalog.domain import CategoryFacts, ProductFacts, VariantFacts
from modules.orders.domain import UnreadableOrder
from modules.shoptet.domain.reader import Reader, clean

STOCK_FIELDS = ("stock", "perStockAmounts")


def read_product(record: Any, *, is_clean: bool = False) -> ProductFacts:
    """Return the facts of a product's detail, which is flat in `data`; raises UnreadableOrder and nothing else."""
    try:
        cleaned = record if is_clean else clean(record)
    except RecursionError:
        raise UnreadableOrder("product", "nested too deeply") from None
    product = Reader(cleaned)
    return ProductFacts(
        guid=product.required_key("guid"),
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


def _category_guids(product: Reader) -> tuple[str, ...]:
    guids = [category.text("guid") for category in product.parts("categories")]
    return tuple(guid for guid in dict.fromkeys(guids) if guid)


def _read_product_variant(variant: Reader, position: int) -> VariantFacts:
    currency = variant.text("currencyCode").strip().upper()
    if len(currency) not in (0, 3):
        raise variant.unreadable("currencyCode", f"{currency[:40]!r} is not a currency")
    return VariantFacts(
        code=variant.required_key("code"),
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


def _without_stock(product: Mapping[str, Any]) -> dict[str, Any]:
    """Return a product as received but for how many there are: a sale is no change of the product."""
    variants = product.get("variants") or []
    kept = [{name: value for name, value in variant.items() if name not in STOCK_FIELDS} for variant in variants]
    return {**product, "variants": kept}


def read_category(row: Any) -> CategoryFacts | None:
    """Return a row of GET /api/categories, None for one without a GUID; raises UnreadableOrder."""
    category = Reader(clean(row), "category")
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
