from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.catalog import services
from modules.catalog.models import Product, ProductOverlay
from modules.kernel.tenancy import all_tenants
from tests.admin.pages import detail, listing, words
from tests.catalog.factories import product_facts, variant_facts
from tests.orders.factories import at


def stock(tenant, *names):
    """Put products of these names, with two variants and an overlay each, into a storefront of `tenant`."""
    with all_tenants():
        shop = services.open_storefront(tenant_id=tenant.pk, kind="shoptet", name="Shop", currency="CZK")
        variants = (variant_facts("00123", ean="0099"), variant_facts("B", position=2))
        facts = [product_facts(name, name=name, variants=variants) for name in names]
        services.import_products(storefront_id=shop.pk, products=facts, fetched_at=at("2026-03-01T12:00"))
        rows = list(Product.objects.filter(storefront=shop, name__in=names))
        for row in rows:
            ProductOverlay.objects.create(tenant=tenant, product=row, storefront=shop, name=f"{row.name} abroad")
    return rows


def test_products_are_found_by_a_code_with_leading_zeros_once(alice, operator):
    stock(alice, "Lamp")
    page = operator.get(listing("catalog_product", "?q=00123"))
    assert words(page).count("Lamp") == 1
    assert "Lamp" not in words(operator.get(listing("catalog_product", "?q=123")))


def test_a_product_shows_its_variants_and_overlays_to_its_own_tenant_only(alice, bob, operator):
    (own,), (strange,) = stock(alice, "Lamp"), stock(bob, "Secret")
    page = words(operator.get(detail("catalog_product", own)))
    assert all(text in page for text in ("00123", "0099", "Lamp abroad", "121"))
    assert "Secret" not in words(operator.get(listing("catalog_product")))
    assert operator.get(detail("catalog_product", strange)).status_code != 200


def test_the_list_takes_as_many_queries_for_three_products_as_for_one(alice, operator):
    stock(alice, "a")
    operator.get(listing("catalog_product"))
    with CaptureQueriesContext(connection) as for_one:
        operator.get(listing("catalog_product"))
    stock(alice, "b", "c")
    with CaptureQueriesContext(connection) as for_three:
        operator.get(listing("catalog_product"))
    assert len(for_three) == len(for_one)
