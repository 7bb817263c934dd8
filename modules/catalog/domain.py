from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFacts:
    """What is sold under one code. `code` and `ean` are text: leading zeros count. `price` is in `currency`."""

    code: str
    position: int
    ean: str
    name: str
    unit: str
    price: Decimal | None
    common_price: Decimal | None
    currency: str
    includes_vat: bool
    vat_rate: Decimal | None
    is_visible: bool
    weight: Decimal | None
    manufacturer_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFacts:
    """One product as its source states it, variants included; text that the source leaves out is ""."""

    guid: str
    product_type: str
    name: str
    brand_name: str
    supplier_name: str
    visibility: str
    created_at: datetime | None
    changed_at: datetime | None
    short_description: str
    description: str
    url: str
    default_category_guid: str
    category_guids: tuple[str, ...]
    variants: tuple[VariantFacts, ...]
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryFacts:
    """One category of a source's tree; `parent_guid` is "" at the top and may name one that is not there."""

    guid: str
    parent_guid: str
    name: str
    position: int
    is_visible: bool


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """How fresh the stored copy of a product is."""

    changed_at: datetime | None
    fetched_at: datetime
    is_deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import wrote: products created, products of which any row changed, and how many it left alone."""

    created_ids: tuple[int, ...] = ()
    updated_ids: tuple[int, ...] = ()
    unchanged: int = 0

    @property
    def product_ids(self) -> tuple[int, ...]:
        """Return the ids of the products that were written, ascending."""
        return tuple(sorted((*self.created_ids, *self.updated_ids)))
