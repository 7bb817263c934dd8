"""The REST API of products: one tenant's, who is the token's. `config.api` says where it answers and who may call."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.catalog import selectors
from modules.catalog.models import Product, ProductOverlay, Variant
from modules.kernel.problems import Problem
from modules.kernel.rest import Camel, Moment, OneLine, RowId, refuse_unknown

router = Router(by_alias=True)

Amount = Annotated[Decimal, Field(max_digits=14, decimal_places=2)]


class ProductOut(Camel):
    """A product of a shop. Null is what the shop did not tell."""

    id: int
    shop: str
    guid: str
    product_type: str
    name: str
    brand_name: str
    supplier_name: str
    visibility: str
    url: str
    created_at: datetime | None
    changed_at: datetime | None
    deleted_at: datetime | None


class VariantOut(Camel):
    """What is sold under one code, by its place. `price` is in `currency`."""

    code: str
    ean: str
    name: str
    unit: str
    price: Amount | None
    common_price: Amount | None
    currency: str
    includes_vat: bool
    vat_rate: Annotated[Decimal, Field(max_digits=5, decimal_places=2)] | None
    is_visible: bool
    weight: Annotated[Decimal, Field(max_digits=12, decimal_places=3)] | None
    manufacturer_code: str


class CategoryOut(Camel):
    """A category of the product's own shop; `name` is empty where it was not read yet."""

    guid: str
    name: str


class OverlayOut(Camel):
    """How the product is shown by another shop; what is empty is as here."""

    shop: str
    name: str
    price: Amount | None
    currency: str
    is_visible: bool | None


class ProductDetail(ProductOut):
    """A product with its variants, categories and overlays."""

    short_description: str
    description: str
    default_category_guid: str
    categories: list[CategoryOut]
    variants: list[VariantOut]
    overlays: list[OverlayOut]


class ProductPage(Camel):
    """One page of products; `nextCursor` is null on the last."""

    products: list[ProductOut]
    next_cursor: int | None


class ProductFilter(BaseModel):
    """Which products; all conditions hold together."""

    model_config = ConfigDict(alias_generator=to_camel)

    shop: OneLine | None = Field(default=None, description="The shop's name.")
    guid: OneLine | None = None
    code: OneLine | None = Field(default=None, description="The whole code of a variant.")
    ean: OneLine | None = Field(default=None, description="The whole EAN of a variant.")
    visibility: OneLine | None = None
    is_deleted: bool = Field(default=False, description="Those that the shop deleted, instead of those that it has.")
    changed_from: Moment | None = None
    cursor: RowId | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)

    def conditions(self) -> dict[str, Any]:
        """Return the lookups of the conditions that were given, those of variants apart."""
        found = {
            "storefront__name": self.shop,
            "guid": self.guid,
            "visibility": self.visibility,
            "deleted_at__isnull": not self.is_deleted,
            "changed_at__gte": self.changed_from,
            "id__gt": self.cursor,
        }
        return {name: value for name, value in found.items() if value is not None}

    def of_variants(self) -> dict[str, str]:
        """Return the lookups that one variant has to fulfill."""
        return {name: value for name, value in (("code", self.code), ("ean", self.ean)) if value is not None}


@router.get("/products", response=ProductPage, summary="List products")
def list_products(request: HttpRequest, wanted: Annotated[ProductFilter, Query()]) -> ProductPage:
    """List the products of the tenant's shops, in the order in which they were first seen."""
    refuse_unknown(request, [to_camel(name) for name in ProductFilter.model_fields])
    found = selectors.products_page(limit=wanted.limit + 1, variant=wanted.of_variants(), **wanted.conditions())
    page = found[: wanted.limit]
    is_last = len(found) <= wanted.limit
    return ProductPage(
        products=[ProductOut(**_fields(product)) for product in page], next_cursor=None if is_last else page[-1].pk
    )


@router.get("/products/{int:product_id}", response=ProductDetail, summary="Look at a product", url_name="product")
def get_product(request: HttpRequest, product_id: RowId) -> ProductDetail:
    """Show a product with its variants, also one that the shop deleted."""
    refuse_unknown(request, [])
    product = selectors.find_product(product_id)
    if product is None:
        raise Problem(404, _("There is no such product."))
    names = selectors.category_names(product)
    return ProductDetail(
        **_fields(product),
        short_description=product.short_description,
        description=product.description,
        default_category_guid=product.default_category_guid,
        categories=[CategoryOut(guid=guid, name=names.get(guid, "")) for guid in product.category_guids],
        variants=[_variant(variant) for variant in selectors.variants(product)],
        overlays=[_overlay(overlay) for overlay in selectors.overlays(product)],
    )


def _fields(product: Product) -> dict[str, Any]:
    plain = {name: getattr(product, name) for name in ProductOut.model_fields if name != "shop"}
    return plain | {"shop": product.storefront.name}


def _variant(variant: Variant) -> VariantOut:
    return VariantOut(**{name: getattr(variant, name) for name in VariantOut.model_fields})


def _overlay(overlay: ProductOverlay) -> OverlayOut:
    plain = {name: getattr(overlay, name) for name in OverlayOut.model_fields if name != "shop"}
    return OverlayOut(shop=overlay.storefront.name, **plain)
