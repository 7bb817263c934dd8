from collections.abc import Collection, Iterator, Mapping
from typing import Any

from modules.catalog.domain import StoredVersion
from modules.catalog.models import Category, Product, ProductOverlay, Variant


def stored_versions(*, storefront_id: int, guids: Collection[str]) -> dict[str, StoredVersion]:
    """Return how fresh each stored product of `guids` is, tombstones included; unknown ones are left out."""
    rows = Product.objects.filter(storefront_id=storefront_id, guid__in=guids)
    versions: Any = rows.values_list("guid", "changed_at", "fetched_at", "deleted_at")
    return {guid: StoredVersion(changed, fetched, bool(deleted)) for guid, changed, fetched, deleted in versions}


def codes_of_products(*, product_ids: Collection[int]) -> list[str]:
    """Return the codes that these products are sold under, deleted ones' too, ascending."""
    found = Variant.objects.filter(product_id__in=product_ids)
    return list(found.order_by("code").values_list("code", flat=True).distinct())


def sold_codes(*, storefront_id: int, codes: Collection[str]) -> set[str]:
    """Return those of `codes` under which a storefront sells a living product of its own."""
    found = Variant.objects.filter(code__in=codes, product__storefront_id=storefront_id, product__deleted_at=None)
    return set(found.values_list("code", flat=True))


GUIDS_AT_ONCE = 1_000


def living_guids(*, storefront_id: int) -> Iterator[str]:
    """Yield the GUIDs of a storefront's products that are not deleted, ascending, a thousand a query."""
    living, after = Product.objects.filter(storefront_id=storefront_id, deleted_at=None).order_by("guid"), ""
    while guids := list(living.filter(guid__gt=after).values_list("guid", flat=True)[:GUIDS_AT_ONCE]):
        after = guids[-1]
        yield from guids


def products_page(*, limit: int, variant: Mapping[str, str], **conditions: Any) -> list[Product]:
    """Return products of the tenants in scope that fulfill the conditions (lookups), first seen first.

    `variant` are lookups that one of its variants fulfills.
    """
    found = Product.objects.filter(**conditions).select_related("storefront").defer("raw", "description")
    if variant:
        found = found.filter(id__in=Variant.objects.filter(**variant).values("product_id"))
    return list(found.order_by("id")[:limit])


def find_product(product_id: int) -> Product | None:
    """Return a product of the tenants in scope with its storefront, also a deleted one, or None."""
    found: Product | None = Product.objects.select_related("storefront").filter(id=product_id).first()
    return found


def variants(product: Product) -> list[Variant]:
    """Return what a product is sold as, in the shop's order."""
    return list(Variant.objects.filter(product=product).order_by("position", "code"))


def overlays(product: Product) -> list[ProductOverlay]:
    """Return how other storefronts show a product."""
    return list(ProductOverlay.objects.filter(product=product).select_related("storefront").order_by("storefront_id"))


def category_names(product: Product) -> dict[str, str]:
    """Return the names of a product's categories by GUID, of those that are known."""
    found = Category.objects.filter(storefront_id=product.storefront_id, guid__in=product.category_guids)
    return dict(found.values_list("guid", "name"))
